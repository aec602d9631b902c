"""Kraken's REST answers in: the envelope opened, the day's turnover, the venue's time. Pure.

https://docs.kraken.com/api-reference/market-data/get-ticker-information and `get-server-time` there.
"""

from collections.abc import Iterable, Mapping

from msgspec import Raw, Struct, json

from libs.common.events import SECOND_NS
from services.ingest.venues import kraken_wire as wire
from services.ingest.venues.kraken_wire import Seconds
from services.ingest.venues.terms import AnswerError, Instrument
from services.ingest.venues.wire import UNREADABLE, LevelSize


class _Day(Struct):
    """A row of `Ticker`; each pair is (today, last 24 hours)."""

    v: tuple[LevelSize, LevelSize]
    """Volume, base units."""
    p: tuple[LevelSize, LevelSize]
    """Volume-weighted average price."""


class _Clock(Struct):
    unixtime: Seconds


_decode_day = json.Decoder(_Day, strict=False).decode
_decode_clock = json.Decoder(_Clock).decode


def result_of(body: bytes) -> Raw:
    """Return what the envelope holds; the HTTP status is 200 for errors too, `error` decides.

    Raises:
        AnswerError: the venue refused, or the body is unreadable.
    """
    try:
        answer = wire.decode_answer(body)
    except UNREADABLE as e:
        raise AnswerError(f"kraken: {e}: {body[:200]!r}") from e
    refusals = [one for one in answer.error if not one.startswith("W")]  # W warns
    if refusals:
        raise AnswerError(f"kraken: {', '.join(refusals)[:200]}")
    return answer.result


def members_of(body: bytes) -> dict[str, Raw]:
    """Return the parts of an answer by their names: pairs, and `last`.

    Raises:
        AnswerError: the venue refused, or the body is unreadable.
    """
    try:
        return wire.decode_members(result_of(body))
    except UNREADABLE as e:
        raise AnswerError(f"kraken: {e}: {body[:200]!r}") from e


def rows_of(body: bytes) -> list[Raw]:
    """Return the rows of an answer about one pair, whatever the venue calls it there.

    Raises:
        AnswerError: the venue refused, or the body is unreadable.
    """
    pairs = [rows for name, rows in members_of(body).items() if name != "last"]
    try:
        return wire.decode_rows(pairs[0]) if len(pairs) == 1 else []
    except UNREADABLE as e:
        raise AnswerError(f"kraken: {e}: {body[:200]!r}") from e


def turnover(bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
    """Return the quote currency of the last 24 hours by native name: volume x average price, weighted by volume.

    Raises:
        AnswerError: a body is an error or unreadable.
    """
    natives = {name: one.native for one in instruments.values() for name in (one.native, *one.aliases)}
    found: dict[str, float] = {}
    for body in bodies:
        for name, row in members_of(body).items():
            try:
                day = _decode_day(row)
            except UNREADABLE:
                continue  # what cannot be read is absent
            if native := natives.get(name):
                found[native] = day.v[1] * day.p[1]
    return found


def clock_ns(body: bytes) -> int:
    """Return the venue's time, nanoseconds since the epoch; it is told in whole seconds, cut off.

    Raises:
        AnswerError: the body says none.
    """
    try:
        return _decode_clock(result_of(body)).unixtime * SECOND_NS
    except UNREADABLE as e:
        raise AnswerError(f"kraken time: {e}: {body[:200]!r}") from e
