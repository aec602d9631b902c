"""What to listen to in, the frames that ask Bybit for it out. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import json

from services.ingest.venues.bybit_wire import SPOT, category_and_name
from services.ingest.venues.terms import Instrument, Stream

DEPTH: Final = 200
ARGS_PER_REQUEST: Final = 10
"""The limit on spot; elsewhere it keeps small what one bad topic spoils."""
CHARACTERS_PER_CONNECTION: Final = 21_000
BOOKS_PER_CONNECTION: Final = 40
"""Ours: more would make one socket's loss everybody's."""
PING: Final = b'{"op":"ping"}'
_TOPICS: Final = {
    Stream.BOOKS: f"orderbook.{DEPTH}",
    Stream.TRADES: "publicTrade",
    Stream.LIQUIDATIONS: "allLiquidation",
    Stream.FUNDING: "tickers",
}
"""In the order in which they are asked for."""
_ON_SPOT: Final = frozenset({Stream.BOOKS, Stream.TRADES})


def offered(category: str, streams: Sequence[Stream]) -> tuple[Stream, ...]:
    """Return those of `streams` that a category has: nobody is liquidated or funded on spot."""
    return tuple(stream for stream in streams if category != SPOT or stream in _ON_SPOT)


def topics(instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[str]:
    """Return the topics of instruments of one category."""
    names = [category_and_name(one.native)[1] for one in instruments]
    return [f"{channel}.{name}" for stream, channel in _TOPICS.items() if stream in streams for name in names]


def shares(instruments: Sequence[Instrument], streams: Sequence[Stream]) -> Iterator[list[Instrument]]:
    """Split instruments of one category over connections, within 21,000 characters of arguments each."""
    share: list[Instrument] = []
    written = 0
    for one in instruments:
        more = sum(len(topic) + 3 for topic in topics([one], streams))  # with its quotes and its comma
        if share and (written + more > CHARACTERS_PER_CONNECTION or len(share) == BOOKS_PER_CONNECTION):
            yield share
            share, written = [], 0
        share.append(one)
        written += more
    if share:
        yield share


def batches(args: Sequence[str]) -> list[list[str]]:
    """Split topics over requests."""
    return [list(args[start : start + ARGS_PER_REQUEST]) for start in range(0, len(args), ARGS_PER_REQUEST)]


def request(ident: str, op: str, args: Sequence[str]) -> bytes:
    """Return one frame; the answer to it repeats `ident`."""
    return json.encode({"req_id": ident, "op": op, "args": args})


def afresh(topic: str, number: int) -> tuple[bytes, ...]:
    """Return the frames that leave a topic and join it again, a book with a snapshot. `number` makes their ids."""
    return tuple(request(f"{op[0]}{number}", op, [topic]) for op in ("unsubscribe", "subscribe"))
