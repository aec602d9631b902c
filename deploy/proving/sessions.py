"""Recorded sessions: files in, what they really hold and how fast an exchange that plays them speaks out.

The trades are read without our parsers: a line's JSON, its `t`, `X` and nothing else.
"""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from libs.common.bus.codec import encode
from libs.common.events import BookDelta, BookSnapshot, Trade
from services.ingest.recording.normalize import Normalizer

_RECORD_OVERHEAD = 110
"""Bytes of a record's key, trace headers and framing, beside its value."""


class Session(Struct, frozen=True, kw_only=True):
    """One market's recorded minutes."""

    venue: str
    symbol: str
    files: tuple[Path, ...]
    seconds: float
    """From the first to the last frame, by the recorder's clock."""
    trade_ids: tuple[int, ...]
    """Market executions, as the lines say."""
    events: int
    """Trades and book events that a lossless reading leads to."""
    bytes: int
    """Of those events as records."""


def session(venue: str, symbol: str, files: Sequence[Path]) -> Session:
    """Read the files of one session, in order."""
    first_ns = last_ns = 0
    ids: list[int] = []
    for received_ns, row in _lines(files):
        first_ns, last_ns = first_ns or received_ns, received_ns
        data = row.get("data", row)
        if data.get("e") == "trade" and data.get("X", "MARKET") == "MARKET":
            ids.append(int(data["t"]))
    events = size = 0
    for event in Normalizer(venue, files, [symbol]).run():
        if isinstance(event, Trade | BookDelta | BookSnapshot):
            events += 1
            size += len(encode(event)) + _RECORD_OVERHEAD
    return Session(
        venue=venue,
        symbol=symbol,
        files=tuple(files),
        seconds=(last_ns - first_ns) / 1e9,
        trade_ids=tuple(ids),
        events=events,
        bytes=size,
    )


def _lines(files: Sequence[Path]) -> Iterator[tuple[int, dict[str, Any]]]:
    for path in files:
        with gzip.open(path) as lines:
            for line in lines:
                stamp, _, text = line.partition(b" ")
                yield int(stamp), msgspec.json.decode(text)
