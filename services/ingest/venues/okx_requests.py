"""What to listen to in, the frames that ask OKX for it out. Pure."""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from libs.common.events.symbols import Kind
from services.ingest.venues.terms import Instrument, Stream

ARGS_PER_REQUEST: Final = 40
"""Keeps a subscribe frame below 4 KiB."""
INSTRUMENT_TYPES: Final = {Kind.SPOT: "SPOT", Kind.PERPETUAL: "SWAP", Kind.FUTURE: "FUTURES"}
_STATES: Final = ("mark-price", "open-interest")
"""What every contract has, dated ones too."""


def subscriptions(instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[bytes]:
    """Return the subscribe frames: first the books, each request with its own id, all below 4 KiB."""
    args = _args(instruments, streams)
    return [
        _request(f"s{start}", "subscribe", args[start : start + ARGS_PER_REQUEST])
        for start in range(0, len(args), ARGS_PER_REQUEST)
    ]


def afresh(instrument: Instrument, stream: Stream, number: int) -> tuple[bytes, ...]:
    """Return the frames that leave a stream of `instrument` and join it again. `number` makes their ids.

    A book begins with a snapshot then. None for liquidations: they are asked for by kind, not by instrument.
    """
    args = _args([instrument], [stream]) if stream is not Stream.LIQUIDATIONS else []
    return tuple(_request(f"{op[0]}{number}", op, args) for op in ("unsubscribe", "subscribe")) if args else ()


def _args(instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[dict[str, str]]:
    args: list[dict[str, str]] = []
    contracts = [one for one in instruments if one.kind.kind is not Kind.SPOT]
    swaps = [one for one in instruments if one.kind.kind is Kind.PERPETUAL]
    if Stream.BOOKS in streams:
        args += [_book(one) for one in instruments]
    if Stream.TRADES in streams:
        args += [{"channel": "trades", "instId": one.native} for one in instruments]
    if Stream.LIQUIDATIONS in streams:
        kinds = sorted({INSTRUMENT_TYPES[one.kind.kind] for one in instruments} - {"SPOT"})
        args += [{"channel": "liquidation-orders", "instType": kind} for kind in kinds]
    if Stream.FUNDING in streams:
        args += [{"channel": "funding-rate", "instId": one.native} for one in swaps]
        args += [
            {"channel": name, "instId": one.native} for one in contracts for name in ("mark-price", "open-interest")
        ]
    return args


def _book(instrument: Instrument) -> dict[str, str]:
    return {"channel": "books", "instId": instrument.native}


def _request(ident: str, op: str, args: list[dict[str, str]]) -> bytes:
    return json.encode({"id": ident, "op": op, "args": args})
