"""What to listen to in, the frames that ask Kraken for it out. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import json

from services.ingest.venues.terms import Instrument, Stream

SYMBOLS_PER_REQUEST: Final = 50
"""Few frames, for the venue limits their rate without saying to what; it takes lists and names no limit of theirs."""
FIRST_FRESH: Final = 1_000
"""Requests for a fresh book have ids from here on."""


def subscriptions(
    instruments: Sequence[Instrument], streams: Sequence[Stream], *, depth: int, replay: bool
) -> list[bytes]:
    """Return the subscribe frames: first the books. `replay` asks for the newest 50 trades of each pair too."""
    names = [one.native for one in instruments]
    wanted: list[dict[str, Any]] = []
    for start in range(0, len(names), SYMBOLS_PER_REQUEST):
        symbols = names[start : start + SYMBOLS_PER_REQUEST]
        if Stream.BOOKS in streams:
            wanted.append(_book(symbols, depth))
        if Stream.TRADES in streams:
            wanted.append({"channel": "trade", "symbol": symbols, "snapshot": replay})
    wanted.sort(key=lambda params: str(params["channel"]))
    return [_request("subscribe", params, number) for number, params in enumerate(wanted, start=1)]


def fresh_book(instrument: Instrument, depth: int, number: int) -> tuple[bytes, ...]:
    """Return the frames that leave a book and join it again: that brings a snapshot. `number` is their id."""
    params = _book([instrument.native], depth)
    left = {name: value for name, value in params.items() if name != "snapshot"}
    return _request("unsubscribe", left, number), _request("subscribe", params, number)


def _book(symbols: list[str], depth: int) -> dict[str, Any]:
    return {"channel": "book", "symbol": symbols, "depth": depth, "snapshot": True}


def _request(method: str, params: dict[str, Any], number: int) -> bytes:
    return json.encode({"method": method, "params": params, "req_id": number})
