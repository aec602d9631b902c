"""Binance's figures by REST: the day's turnover, the venue's time and the open interest in, numbers out. Pure."""

from collections.abc import Iterable, Mapping

from msgspec import Raw, Struct, convert, field, json

from services.ingest.venues.binance_wire import Stamp, stamp_ns
from services.ingest.venues.terms import AnswerError, Instrument
from services.ingest.venues.wire import UNREADABLE, LevelSize


class _Day(Struct):
    """A row of `ticker/24hr`."""

    native: str = field(name="symbol")
    traded: str = field(name="volume", default="")
    """Base units, or contracts where they are inverse."""
    quoted: str = field(name="quoteVolume", default="")
    """In quote currency; COIN-M has `baseVolume` instead, which is in coins."""


class _Clock(Struct):
    now: Stamp = field(name="serverTime")


class _Interest(Struct):
    native: str = field(name="symbol")
    held: LevelSize = field(name="openInterest")
    at: Stamp = field(name="time")


_decode_rows = json.Decoder(list[Raw]).decode
_decode_day = json.Decoder(_Day).decode
_decode_clock = json.Decoder(_Clock).decode
_decode_interest = json.Decoder(_Interest, strict=False).decode


def turnover(venue: str, bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
    """Return the quote currency of the last 24 hours by native name: as the venue says it, or contracts x dollars.

    Raises:
        AnswerError: a body is no list.
    """
    found: dict[str, float] = {}
    for body in bodies:
        try:
            rows = _decode_rows(body)
        except UNREADABLE as e:
            raise AnswerError(f"{venue} turnover: {e}; {body[:200]!r}") from e
        for raw in rows:
            try:
                day = _decode_day(raw)
                instrument = instruments.get(day.native)
                if instrument is None:
                    continue
                said, worth = (day.traded, instrument.contract_size) if instrument.inverse else (day.quoted, 1.0)
                found[day.native] = convert(said, LevelSize, strict=False) * worth
            except UNREADABLE:
                continue  # what cannot be read is absent
    return found


def clock_ns(venue: str, body: bytes, *, micros: bool) -> int:
    """Return the venue's time, nanoseconds since the epoch.

    Raises:
        AnswerError: the body says none.
    """
    try:
        return stamp_ns(_decode_clock(body).now, micros=micros)
    except UNREADABLE as e:
        raise AnswerError(f"{venue} time: {e}; {body[:200]!r}") from e


def held(venue: str, instrument: Instrument, body: bytes) -> tuple[float, int]:
    """Return the open interest in the venue's unit, and when it was that, nanoseconds.

    Raises:
        AnswerError: the body says none, or another instrument's.
    """
    try:
        interest = _decode_interest(body)
        at_ns = stamp_ns(interest.at, micros=False)
    except UNREADABLE as e:
        raise AnswerError(f"{venue} open interest: {e}; {body[:200]!r}") from e
    if interest.native != instrument.native:
        raise AnswerError(f"{venue} open interest: asked for {instrument.native}, told of {interest.native}")
    return interest.held, at_ns
