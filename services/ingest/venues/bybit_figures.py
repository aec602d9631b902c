"""Bybit's figures by REST: the day's turnover and the venue's time in, numbers out. Pure."""

from collections.abc import Iterable, Mapping
from typing import Annotated

from msgspec import Meta, Struct, convert, field, json

from services.ingest.venues import bybit_wire as wire
from services.ingest.venues.bybit_answers import result_of
from services.ingest.venues.terms import AnswerError, Instrument
from services.ingest.venues.wire import FIRST_MS, MILLISECOND_NS, UNREADABLE

_Nanos = Annotated[int, Meta(ge=FIRST_MS * MILLISECOND_NS, le=9_000_000_000_000 * MILLISECOND_NS)]


class _Day(Struct):
    """A row of `tickers`."""

    name: str = field(name="symbol")
    turnover: str = field(name="turnover24h", default="")
    """Quote currency; of inverse contracts coins."""
    volume: str = field(name="volume24h", default="")
    """Base units; of inverse contracts dollars."""


_decode_day = json.Decoder(_Day).decode


def turnover(bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
    """Return the quote currency of the last 24 hours by category and name.

    Raises:
        AnswerError: a body is an error or unreadable.
    """
    found: dict[str, float] = {}
    for body in bodies:
        result = result_of(body)
        for raw in result.rows:
            try:
                day = _decode_day(raw)
                native = wire.native(result.category, day.name)
                instrument = instruments.get(native)
                if instrument:
                    found[native] = wire.amount(day.volume if instrument.inverse else day.turnover)
            except UNREADABLE:
                continue  # what cannot be read is absent
    return found


def clock_ns(body: bytes) -> int:
    """Return the venue's time, nanoseconds since the epoch.

    Raises:
        AnswerError: the body says none.
    """
    said = result_of(body).nanos
    try:
        return convert(said, _Nanos, strict=False)
    except UNREADABLE as e:
        raise AnswerError(f"bybit time: {e}; {body[:200]!r}") from e
