"""Summer time by arithmetic equals the tz database, at every hour of years and at every change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from libs.common.events import HOUR_NS, SECOND_NS
from services.signals.engine.structure import calendar

ZONES = {"tokyo": "Asia/Tokyo", "london": "Europe/London", "new_york": "America/New_York"}


@pytest.mark.parametrize("city", calendar.CITIES, ids=lambda city: city.name)
def test_the_citys_clock_is_that_of_the_tz_database(city):
    zone, moment = ZoneInfo(ZONES[city.name]), datetime(2017, 1, 1, tzinfo=UTC)
    while moment.year < 2031:
        at_ns = int(moment.timestamp()) * SECOND_NS
        offset = moment.astimezone(zone).utcoffset()
        assert offset is not None
        assert calendar.offset_ns(city, at_ns) == int(offset.total_seconds()) * SECOND_NS
        moment += timedelta(hours=1)


@pytest.mark.parametrize("city", calendar.CITIES, ids=lambda city: city.name)
def test_a_session_is_open_in_its_local_hours_of_weekdays(city):
    zone, moment = ZoneInfo(ZONES[city.name]), datetime(2024, 3, 1, tzinfo=UTC)
    for _ in range(24 * 45):
        local = moment.astimezone(zone)
        opened = city.opens_h <= local.hour < city.closes_h and local.weekday() < 5
        found = calendar.session(city, int(moment.timestamp()) * SECOND_NS)
        assert (found is not None) == opened
        if found is not None:
            assert found == (local.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days
        moment += timedelta(hours=1)


def test_months_and_weeks_begin_where_the_calendar_says():
    first = int(datetime(2024, 2, 1, tzinfo=UTC).timestamp()) * SECOND_NS
    assert calendar.month(first) == 2024 * 12 + 2
    assert calendar.month(first - 1) == 2024 * 12 + 1
    monday = int(datetime(2024, 2, 5, tzinfo=UTC).timestamp()) * SECOND_NS
    assert calendar.week(monday) == monday == calendar.week(monday + 6 * 24 * HOUR_NS)
