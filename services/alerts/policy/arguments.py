"""What people write behind a command in; durations, times of day and symbols, or what to write instead, out. Pure."""

import re
from typing import Final

from libs.common.events import DAY_NS, HOUR_NS, MINUTE_NS
from libs.common.events.symbols import SymbolError, format_symbol, parse
from services.alerts.policy.quiet import Quiet, zone_of

LONGEST_NS: Final = 366 * DAY_NS
_UNITS: Final = {"m": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS}
_DURATION: Final = re.compile(r"(\d{1,6})([mhd])", re.IGNORECASE)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})")
_SHOWN: Final = 40


class Mistake(ValueError):
    """What was written cannot be meant; the message says what to write, and may be shown."""


def duration_ns(text: str) -> int:
    """Return a length of time: `30m`, `4h`, `2d`, at most a year.

    Raises:
        Mistake: it is none.
    """
    found = _DURATION.fullmatch(text)
    length_ns = int(found[1]) * _UNITS[found[2].lower()] if found else 0
    if not 0 < length_ns <= LONGEST_NS:
        raise Mistake(f"{quoted(text)} is no length of time up to a year: write 30m, 4h or 2d")
    return length_ns


def minute_of(text: str) -> int:
    """Return a time of day as a minute of it: `08:00`.

    Raises:
        Mistake: it is none.
    """
    found = _CLOCK.fullmatch(text)
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise Mistake(f"{quoted(text)} is no time of day: write 08:00")
    return int(found[1]) * 60 + int(found[2])


def clock_of(minute: int) -> str:
    """Return a minute of the day as a time: `08:00`."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def quiet_of(text: str, zone: str) -> Quiet:
    """Return quiet hours: `22:00-07:00 Asia/Jakarta`; in `zone` where none is named.

    Raises:
        Mistake: they are none.
    """
    hours, _, named = text.partition(" ")
    begin, dash, end = hours.partition("-")
    if not dash:
        raise Mistake(f"{quoted(hours)} are no hours: write 22:00-07:00, or 22:00-07:00 Asia/Jakarta")
    from_minute, to_minute = minute_of(begin), minute_of(end)
    if from_minute == to_minute:
        raise Mistake("Quiet hours begin and end at different times: write 22:00-07:00; to hear nothing, /pause")
    return Quiet(from_minute, to_minute, named_zone(named.strip() or zone))


def named_zone(name: str) -> str:
    """Return the name of a time zone.

    Raises:
        Mistake: there is none.
    """
    try:
        zone_of(name)
    except ValueError as e:
        raise Mistake(f"There is no time zone {quoted(name)}: write UTC or Asia/Jakarta") from e
    return name


def symbol_of(text: str) -> str:
    """Return a symbol in its one form: `btc-usdt-perp` is `BTC-USDT-PERP`.

    Raises:
        Mistake: it is none.
    """
    try:
        return format_symbol(parse(text.upper()))
    except SymbolError as e:
        raise Mistake(f"{quoted(text)} is no symbol: write BTC-USDT, or BTC-USDT-PERP for the perpetual") from e


def quoted(text: str) -> str:
    """Return the author's words as they are shown back: bounded, in quotation marks."""
    return f"'{text}'" if len(text) <= _SHOWN else f"'{text[:_SHOWN]}…'"
