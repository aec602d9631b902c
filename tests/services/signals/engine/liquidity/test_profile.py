"""Profiles by hand, the golden value area, and nodes against the definition of prominence spelled out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import DAY_NS, Side
from services.signals.engine.liquidity.grid import Grid
from services.signals.engine.liquidity.nodes import high_nodes, low_nodes, smoothed
from services.signals.engine.liquidity.profile import Control, Controls, Profile
from services.signals.engine.liquidity.value_area import ONE_ROW, TWO_ROWS, point_of_control, value_area
from services.signals.engine.parameters.liquidity import LiquidityParameters

GOLDEN = [10.0, 25.0, 40.0, 30.0, 15.0, 5.0, 20.0]  # of prices 100 to 106
TOLD = LiquidityParameters()


def test_golden_value_area():
    control = point_of_control(GOLDEN, 3.0)
    assert 100 + control == 102
    low, high, volume = value_area(GOLDEN, control, 0.7, TWO_ROWS)
    assert (100 + low, 100 + high, volume) == (100, 104, 120.0)
    low, high, volume = value_area(GOLDEN, control, 0.7, ONE_ROW)
    assert (100 + low, 100 + high, volume) == (101, 104, 110.0)


def test_of_equal_rows_the_one_nearest_the_vwap_then_the_lower_is_the_point_of_control():
    assert point_of_control([5.0, 1.0, 5.0, 1.0, 5.0], 3.5) == 4
    assert point_of_control([5.0, 1.0, 5.0], 1.0) == 0


volumes = st.lists(st.one_of(st.just(0.0), st.floats(0.01, 1e6), st.integers(1, 4).map(float)), min_size=1, max_size=40)


@given(volumes.filter(any), st.floats(0.05, 0.99), st.sampled_from([TWO_ROWS, ONE_ROW]))
def test_a_value_area_holds_its_share_around_the_control(rows, share, method):
    control = point_of_control(rows, 0.0)
    low, high, held = value_area(rows, control, share, method)
    assert 0 <= low <= control <= high < len(rows)
    assert held == pytest.approx(sum(rows[low : high + 1]), rel=1e-9)
    assert held >= share * sum(rows) * (1 - 1e-9)


def prominence(rows, at):
    """Return the height above the higher of both cols; beyond the ends there is nothing."""
    cols = []
    for side in (rows[:at][::-1], rows[at + 1 :]):
        higher = next((n for n, row in enumerate(side) if row > rows[at]), None)
        cols.append(0.0 if higher is None else min([rows[at], *side[:higher]]))
    return rows[at] - max(cols)


@given(volumes, st.floats(0.0, 0.5))
def test_high_nodes_are_the_prominent_maxima(rows, least):
    nodes = high_nodes(rows, least)
    found = {at: node.prominence for node in nodes for at in range(node.low, node.high + 1)}
    top = max(rows)
    for at, row in enumerate(rows):
        left = next((other for other in rows[:at][::-1] if other != row), 0.0)
        right = next((other for other in rows[at + 1 :] if other != row), 0.0)
        peak = top > 0 and row > left and row > right and prominence(rows, at) / top >= least
        assert (at in found) == peak
        if peak:
            assert found[at] == pytest.approx(prominence(rows, at) / top)


@given(volumes)
def test_nodes_of_the_mirrored_profile_are_mirrored(rows):
    last = len(rows) - 1
    for kind in (high_nodes, low_nodes):
        mirrored = [(last - node.high, last - node.low) for node in reversed(kind(rows[::-1], 0.1))]
        assert mirrored == [(node.low, node.high) for node in kind(rows, 0.1)]


def test_high_and_low_nodes_by_hand():
    rows = [1.0, 6.0, 10.0, 3.0, 2.0, 2.0, 8.0, 7.6, 8.0, 1.0]
    assert [(node.low, node.high, round(node.prominence, 9)) for node in high_nodes(rows, 0.1)] == [
        (2, 2, 1.0),
        (6, 6, 0.6),
        (8, 8, 0.6),
    ]
    assert [(node.low, node.high) for node in low_nodes(rows, 0.1)] == [(4, 5)]
    assert [(node.low, node.high) for node in low_nodes(rows, 0.03)] == [(4, 5), (7, 7)]
    assert smoothed([0.0, 4.0, 0.0]) == [1.0, 2.0, 1.0]
    assert high_nodes([], 0.1) == low_nodes([0.0, 0.0], 0.1) == []


def test_rows_tell_who_was_the_aggressor(make):
    profile, grid = Profile(0), Grid.around(100.0, 4.0)
    for price, size, side in [(100.005, 3.0, Side.BUY), (100.01, 2.0, Side.SELL), (100.03, 4.0, Side.SELL)]:
        profile.add(grid.bin(price), make.trade(0, price, size, side), 9)
    assert [(row.bought, row.sold) for row in profile.rows.values()] == [(3.0, 2.0), (0.0, 4.0)]
    assert (profile.bought, profile.sold, profile.volume) == (3.0, 6.0, 9.0)
    shape = profile.shape(5, grid, TOLD)
    assert shape is not None
    assert grid.at(shape.control) == pytest.approx(100.0)
    assert shape.as_of_ns == 5


def test_a_profile_is_bounded_and_says_what_it_left_out(make):
    profile = Profile(0)
    for number in range(5):
        profile.add(number, make.trade(0), 3)
    assert (len(profile.rows), profile.volume, profile.outside) == (3, 3.0, 2.0)
    assert Profile(0).shape(0, Grid.around(1.0, 4.0), TOLD) is None


def test_a_point_of_control_is_naked_until_a_trade_reaches_it_or_jumps_over_it():
    controls = Controls()
    for day, number in enumerate([10, 30, 50, 20]):
        controls.add(Control(number, day * DAY_NS), 40, 3)
    assert [control.bin for control in controls.kept] == [30, 50, 20]
    controls.touch(45)
    controls.touch(31)
    assert [control.bin for control in controls.kept] == [30, 50, 20]
    controls.touch(25)
    assert [control.bin for control in controls.kept] == [50, 20]
    controls.touch(60)
    assert [control.bin for control in controls.kept] == [20]
    controls.touch(20)
    assert controls.kept == []
    controls.add(Control(40, 9 * DAY_NS), 40, 3)
    assert controls.kept == []


bins = st.integers(0, 30)


@given(st.lists(bins, max_size=6, unique=True), st.lists(bins, min_size=1, max_size=40))
def test_naked_means_never_crossed(numbers, path):
    here = path[0]
    controls = Controls()
    for day, number in enumerate(numbers):
        controls.add(Control(number, day), here, 9)
    for number in path[1:]:
        controls.touch(number)
    expected = [number for number in numbers if not min(path) <= number <= max(path)]
    assert [control.bin for control in controls.kept] == expected
