"""Where reading begins after a start, and from where people are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus import topics
from libs.common.events import MINUTE_NS, SECOND_NS
from services.alerts.watching.reach import REACHES, TOLD_NS, Log, Reach, Start, back_ns, start

WINDOWS, ALL, NEWEST = Reach(past_ns=MINUTE_NS), Reach(rows="all"), Reach(past_ns=MINUTE_NS, rows="newest")


def log(stored: int | None, **changes: int) -> Log:
    """A log of [100, 1000), in which 900 is five minutes old and 800 older by what a window holds."""
    return Log(**{"first": 100, "end": 1000, "told": 900, "past": 800, **changes}, stored=stored)


@pytest.mark.parametrize(
    ("reach", "stands", "begins", "tells"),
    [
        (WINDOWS, log(None), 800, 1000),  # never read before: nothing of what was there is told
        (WINDOWS, log(950), 800, 950),
        (WINDOWS, log(1000), 800, 1000),
        (WINDOWS, log(300), 800, 900),  # away for long: five minutes of it are told
        (WINDOWS, log(300, past=50), 100, 900),
        (ALL, log(None), 100, 1000),
        (ALL, log(300), 300, 900),
        (ALL, log(50), 100, 900),
        (NEWEST, log(None), 800, 1000),
        (NEWEST, log(300), 800, 900),
        (NEWEST, log(950), 950, 950),
    ],
)
def test_where_to_begin(reach, stands, begins, tells):
    assert start(reach, stands) == Start(begins, tells)


@given(
    st.sampled_from([WINDOWS, ALL, NEWEST]), st.lists(st.integers(0, 50), min_size=4, max_size=4), st.integers(-1, 50)
)
def test_what_is_told_is_read_and_nothing_before_the_log(reach, places, stored):
    first, past, told, end = sorted(places)
    stands = Log(first=first, past=past, told=told, end=end, stored=None if stored < 0 else min(stored, end))
    found = start(reach, stands)
    assert first <= found.begin
    assert found.begin <= max(found.heard, first)
    assert found.heard >= (stands.end if stands.stored is None else stands.stored)


def test_windows_are_whole_where_telling_begins():
    assert back_ns(WINDOWS, None) == MINUTE_NS
    assert back_ns(WINDOWS, 5) == MINUTE_NS + TOLD_NS
    assert back_ns(NEWEST, 5) == MINUTE_NS


def test_every_window_s_length_is_covered():
    assert REACHES[topics.TRADES].past_ns >= 30 * SECOND_NS
    assert REACHES[topics.LIQUIDATIONS].past_ns >= 10 * MINUTE_NS
    assert REACHES[topics.OPEN_INTEREST].past_ns >= 70 * MINUTE_NS
    assert REACHES[topics.CANDLES].past_ns >= 289 * 5 * MINUTE_NS
    assert topics.BOOKS not in REACHES
    assert set(topics.MARKET) - {topics.BOOKS} <= REACHES.keys()
