"""OKX's figures by REST: the day's turnover and the venue's time in, numbers out. Pure."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, convert, field, json

from libs.common.events.symbols import Kind
from services.ingest.venues.okx_answers import rows_of
from services.ingest.venues.terms import AnswerError, Instrument
from services.ingest.venues.wire import UNREADABLE, LevelSize, Millis, nanos, positive


class _Day(Struct):
    """A row of `tickers`."""

    native: str = field(name="instId")
    last: str = ""
    sizes: str = field(name="vol24h", default="")
    """Base units of spot, contracts of the others."""
    currency: str = field(name="volCcy24h", default="")
    """Quote currency of spot, base units of the others."""


class _Clock(Struct):
    now: Millis = field(name="ts")


_decode_day = json.Decoder(_Day).decode
_decode_clock = json.Decoder(_Clock, strict=False).decode


def turnover(bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
    """Return the quote currency of the last 24 hours by native name.

    Spot: as the venue says it. Inverse: contracts x dollars. Linear: coins x the last price, as no more is said.

    Raises:
        AnswerError: a body is an error or unreadable.
    """
    found: dict[str, float] = {}
    for body in bodies:
        for raw in rows_of(body):
            try:
                day = _decode_day(raw)
                instrument = instruments.get(day.native)
                if instrument:
                    found[day.native] = _quoted(instrument, day)
            except UNREADABLE:
                continue  # what cannot be read is absent
    return found


def clock_ns(body: bytes) -> int:
    """Return the venue's time, nanoseconds since the epoch.

    Raises:
        AnswerError: the body says none.
    """
    try:
        return next(nanos(_decode_clock(raw).now) for raw in rows_of(body))
    except (*UNREADABLE, StopIteration) as e:
        raise AnswerError(f"okx time: {e!r}; {body[:200]!r}") from e


def _quoted(instrument: Instrument, day: _Day) -> float:
    if instrument.inverse:
        return _amount(day.sizes) * instrument.contract_size
    if instrument.kind.kind is Kind.SPOT:
        return _amount(day.currency)
    return _amount(day.currency) * positive(day.last)


def _amount(text: str) -> float:
    return convert(text, LevelSize, strict=False)
