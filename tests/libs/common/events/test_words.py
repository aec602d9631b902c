"""Words of the events: signs, and the opening times of bars against the calendar."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Direction, Side, Timeframe


def _ns(moment: dt.datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("timeframe", "opened"),
    [
        (Timeframe.M1, dt.datetime(2024, 8, 8, 23, 57, tzinfo=dt.UTC)),
        (Timeframe.M5, dt.datetime(2024, 8, 8, 23, 55, tzinfo=dt.UTC)),
        (Timeframe.M15, dt.datetime(2024, 8, 8, 23, 45, tzinfo=dt.UTC)),
        (Timeframe.H1, dt.datetime(2024, 8, 8, 23, 0, tzinfo=dt.UTC)),
        (Timeframe.H4, dt.datetime(2024, 8, 8, 20, 0, tzinfo=dt.UTC)),
        (Timeframe.D1, dt.datetime(2024, 8, 8, tzinfo=dt.UTC)),
        (Timeframe.W1, dt.datetime(2024, 8, 5, tzinfo=dt.UTC)),  # a Monday
    ],
)
def test_a_bar_opens_where_the_calendar_says(timeframe, opened):
    at = dt.datetime(2024, 8, 8, 23, 57, 31, 250_000, tzinfo=dt.UTC)
    assert timeframe.open_ns(_ns(at) + 250_000_000) == _ns(opened)


@given(st.sampled_from(Timeframe), st.integers(0, 4_102_444_800_000_000_000))
def test_every_moment_lies_in_its_bar_and_a_bar_opens_at_its_own_opening(timeframe, at_ns):
    open_ns = timeframe.open_ns(at_ns)
    assert open_ns <= at_ns < open_ns + timeframe.ns
    assert timeframe.open_ns(open_ns) == open_ns


def test_signs():
    assert [Side.BUY.sign, Side.SELL.sign] == [1, -1]
    assert [Direction.LONG.sign, Direction.SHORT.sign, Direction.NEUTRAL.sign] == [1, -1, 0]
