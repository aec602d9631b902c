"""Days, weeks and months of UTC, and trading sessions of cities with their summer time, by arithmetic alone.

Europe: the last Sunday of March to the last of October, at 01:00 UTC. United States: the second Sunday of March,
07:00 UTC in New York, to the first of November, 06:00 UTC. Japan has none. `tests` hold it against the tz database.
"""

from calendar import SUNDAY, monthcalendar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from msgspec import Struct

from libs.common.events import DAY_NS, HOUR_NS, SECOND_NS, Timeframe


class City(Struct, frozen=True):
    """One session: its local hours, and how its clock differs from UTC in winter."""

    name: str
    offset_h: int
    summer: str
    """Whose summer time it keeps: `europe`, `america` or none."""
    opens_h: int
    closes_h: int


CITIES: Final = (
    City("tokyo", 9, "", 9, 15),
    City("london", 0, "europe", 8, 17),
    City("new_york", -5, "america", 8, 17),
)
"""Hours by custom: crypto never closes."""


def day(at_ns: int) -> int:
    """Return the UTC day of a time as a number."""
    return at_ns // DAY_NS


def week(at_ns: int) -> int:
    """Return the opening time of the week, Monday 00:00 UTC."""
    return Timeframe.W1.open_ns(at_ns)


def month(at_ns: int) -> int:
    """Return year x 12 + month, UTC."""
    return _month(at_ns // DAY_NS)


@lru_cache(maxsize=64)
def _month(number: int) -> int:
    moment = datetime.fromtimestamp(number * 86_400, UTC)
    return moment.year * 12 + moment.month


def offset_ns(city: City, at_ns: int) -> int:
    """Return how far the city's clock is ahead of UTC."""
    hours = city.offset_h
    if city.summer:
        begins_ns, ends_ns = _summer(city.summer, datetime.fromtimestamp(at_ns // SECOND_NS, UTC).year)
        hours += begins_ns <= at_ns < ends_ns
    return hours * HOUR_NS


def session(city: City, at_ns: int) -> int | None:
    """Return the number of the local day whose session is open at `at_ns`; None outside of it, and at weekends."""
    local_ns = at_ns + offset_ns(city, at_ns)
    number, hour = local_ns // DAY_NS, local_ns % DAY_NS // HOUR_NS
    weekday = (number + 3) % 7  # the epoch was a Thursday
    return number if city.opens_h <= hour < city.closes_h and weekday < 5 else None


@lru_cache(maxsize=64)
def _summer(rule: str, year: int) -> tuple[int, int]:
    if rule == "europe":
        begins, ends = (_sunday(year, 3, -1), 1), (_sunday(year, 10, -1), 1)
        months = (3, 10)
    else:
        begins, ends = (_sunday(year, 3, 1), 7), (_sunday(year, 11, 0), 6)
        months = (3, 11)
    first, last = (
        int(datetime(year, number, at, hour, tzinfo=UTC).timestamp()) * SECOND_NS
        for number, (at, hour) in zip(months, (begins, ends), strict=True)
    )
    return first, last


def _sunday(year: int, number: int, which: int) -> int:
    return [row[SUNDAY] for row in monthcalendar(year, number) if row[SUNDAY]][which]
