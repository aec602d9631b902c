"""The rolling window against brute force: whatever the order, exact, bounded."""

from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.policy.windows.rolling import Rolling, Sums, millionths

SPAN = 30
rows = st.tuples(st.integers(0, 100), st.integers(1, 9), st.integers(0, 1))


def fed(given_rows, most=1_000):
    window, dropped = Rolling(SPAN, most), 0
    for row in given_rows:
        if row[0] > window.now_ns - SPAN:
            dropped += window.add(row)
    return window, dropped


@given(st.lists(rows, max_size=60))
def test_sums_counts_and_the_largest_are_those_of_the_rows_within_the_span(given_rows):
    now, kept = -1, []
    for row in given_rows:
        if row[0] > now - SPAN:
            now = max(now, row[0])
            kept.append(row)
    inside = [row for row in kept if now - SPAN < row[0] <= now]
    window, dropped = fed(given_rows)
    first, second = ([row[1] for row in inside if row[2] == side] for side in (0, 1))
    largest = max((row[1] for row in inside), default=None)
    assert window.sums(max(now, 0)) == Sums(sum(first), sum(second), len(first), len(second), largest)
    assert dropped == 0


@given(st.lists(st.tuples(st.integers(100, 120), st.integers(1, 9), st.integers(0, 1)), max_size=5))
def test_the_order_of_arrival_within_the_span_changes_nothing(given_rows):
    states = {msgspec.json.encode(fed(order)[0]) for order in permutations(given_rows)}
    assert len(states) == 1


@given(st.lists(rows, max_size=80), st.integers(1, 6))
def test_a_full_window_gives_up_its_oldest_rows_and_says_so(given_rows, most):
    window, dropped = Rolling(SPAN, most), 0
    for row in given_rows:
        if row[0] > window.now_ns - SPAN:
            before = len(window.rows)
            window.bring(row[0])
            expired = before - len(window.rows)
            gone = window.add(row)
            dropped += gone
            assert len(window.rows) == before - expired + 1 - gone <= most
    first, second = ([row[1] for row in window.rows if row[2] == side] for side in (0, 1))
    assert window.totals == [sum(first), sum(second)]
    assert window.counts == [len(first), len(second)]
    assert len(window.peaks) <= len(window.rows)
    largest = max((row[1] for row in window.rows), default=None)
    assert (window.peaks[0][1] if window.peaks else None) == largest
    assert (dropped > 0) <= (len(given_rows) > most)


def test_the_window_is_open_where_it_begins_and_closed_where_it_ends():
    window, _ = fed([(0, 5, 0), (1, 7, 1)])
    assert window.sums(29) == Sums(5, 7, 1, 1, 7)
    assert window.sums(30) == Sums(0, 7, 0, 1, 7)
    assert window.sums(31) == Sums(0, 0, 0, 0, None)


def test_a_window_whose_stream_lags_by_its_span_is_left_where_it_is():
    window, _ = fed([(10, 5, 0)])
    assert window.sums(40) == Sums(0, 0, 0, 0, None)
    assert window.now_ns == 10
    window.add((12, 6, 0))
    assert window.sums(12) == Sums(11, 0, 2, 0, 6)


@pytest.mark.parametrize(
    ("amount", "is_exactly"),
    [
        (2_000_000.0, 2_000_000_000_000),
        (0.1, 100_000),
        (1e-7, 0),
        (0.0, None),
        (-1.0, None),
        (float("nan"), None),
        (float("inf"), None),
        (1e15, None),
    ],
)
def test_amounts_are_integers_or_none(amount, is_exactly):
    assert millionths(amount) == is_exactly


@given(st.lists(rows, max_size=60))
def test_state_survives_a_dump(given_rows):
    window, _ = fed(given_rows)
    assert msgspec.json.decode(msgspec.json.encode(window), type=Rolling) == window
