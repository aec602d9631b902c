"""A subscriber's quiet hours and an instant in; whether it is quiet, and until when, out. Pure.

What counts is what the wall clock of the zone shows: an hour that summer time skips is never quiet, and one that it
repeats is quiet twice.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from libs.common.events import SECOND_NS

DAY_MINUTES: Final = 1_440
_MINUTE: Final = timedelta(minutes=1)


class Quiet(Struct, frozen=True):
    """Minutes of the local day, [from, to); overnight where `to_minute` is the smaller one.

    Raises:
        ValueError: a minute is out of the day, both are the same, or there is no such zone.
    """

    from_minute: int
    to_minute: int
    zone: str = "UTC"

    def __post_init__(self) -> None:
        for minute in (self.from_minute, self.to_minute):
            if not 0 <= minute < DAY_MINUTES:
                raise ValueError(f"{minute} is no minute of a day")
        if self.from_minute == self.to_minute:
            raise ValueError("quiet hours begin and end at different times")
        zone_of(self.zone)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises:
        ValueError: there is none; the message may be shown.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name[:60]!r}: Asia/Jakarta, say") from error


def local(at_ns: int, zone: ZoneInfo) -> datetime:
    """Return the wall clock of `zone`, to the second."""
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).astimezone(zone)


def is_quiet(quiet: Quiet, at_ns: int) -> bool:
    """Return whether the instant lies in the quiet hours."""
    return _within(quiet, local(at_ns, zone_of(quiet.zone)))


def quiet_until_ns(quiet: Quiet, at_ns: int) -> int:
    """Return the first instant from `at_ns` on that is not quiet; `at_ns` itself when it is not."""
    zone = zone_of(quiet.zone)
    if not is_quiet(quiet, at_ns):
        return at_ns
    now = local(at_ns, zone).replace(second=0).astimezone(UTC)
    while _within(quiet, now.astimezone(zone)):
        here = now.astimezone(zone)
        left = (quiet.to_minute - here.hour * 60 - here.minute) % DAY_MINUTES
        end = now + timedelta(minutes=left)
        if end.astimezone(zone).utcoffset() == here.utcoffset():
            now = end
            break
        now = _turn(now, end, zone)
    return round(now.timestamp()) * SECOND_NS


def _within(quiet: Quiet, here: datetime) -> bool:
    minute = here.hour * 60 + here.minute
    if quiet.from_minute < quiet.to_minute:
        return quiet.from_minute <= minute < quiet.to_minute
    return minute >= quiet.from_minute or minute < quiet.to_minute


def _turn(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first whole minute, in UTC, at which the clock of `zone` is no longer that of `before`."""
    offset = before.astimezone(zone).utcoffset()
    low, high = 0, (after - before) // _MINUTE
    while high - low > 1:
        middle = (low + high) // 2
        if (before + middle * _MINUTE).astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return before + high * _MINUTE
