"""A subscriber's hour of the digest and an instant in; when the next digest is due out. Pure."""

from datetime import UTC, datetime, time, timedelta

from libs.common.events import HOUR_NS, SECOND_NS
from services.alerts.policy.quiet import DAY_MINUTES, Quiet, local, quiet_until_ns, zone_of


def next_digest_ns(minute: int, zone: str, after_ns: int) -> int:
    """Return the next instant after `after_ns` at which the wall clock of `zone` shows `minute` of the day.

    Once a local day: of an hour that summer time repeats the first one counts; a time that it skips is told as much
    later as the clock jumps.

    Raises:
        ValueError: the minute is out of the day, or there is no such zone.
    """
    if not 0 <= minute < DAY_MINUTES:
        raise ValueError(f"{minute} is no minute of a day")
    there = zone_of(zone)
    today = local(after_ns, there).date()
    clock = time(minute // 60, minute % 60)
    for days in range(-1, 3):
        due = datetime.combine(today + timedelta(days=days), clock, there).astimezone(UTC)
        due_ns = round(due.timestamp()) * SECOND_NS
        if due_ns > after_ns:
            return due_ns
    raise AssertionError("a wall clock shows each minute within two days")


def roll_up_due_ns(digest_minute: int | None, zone: str, quiet: Quiet | None, after_ns: int) -> int:
    """Return when what is rolled up now is to be told: with the digest, without one at the next full hour of UTC.

    Never in the quiet hours: then at their end.
    """
    if digest_minute is None:
        due_ns = (after_ns // HOUR_NS + 1) * HOUR_NS
    else:
        due_ns = next_digest_ns(digest_minute, zone, after_ns)
    return due_ns if quiet is None else quiet_until_ns(quiet, due_ns)
