import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signals.engine.book import BookSide
from services.signals.engine.liquidity.grid import Grid


@pytest.mark.parametrize(
    ("price", "width"),
    [(61_800.0, 20.0), (2_600.0, 1.0), (0.5, 0.0002), (0.00002345, 5e-9), (1.0, 0.0002), (99_999.0, 20.0)],
)
def test_bins_are_one_two_or_five_times_a_power_of_ten(price, width):
    grid = Grid.around(price, 4.0)
    assert grid.width == pytest.approx(width, rel=1e-12)
    assert 1.5 < grid.width_bp <= 4.0


def test_a_price_on_an_edge_opens_its_bin_for_asks_and_closes_it_for_bids():
    grid = Grid.around(61_800.0, 4.0)
    assert (grid.bin(61_800.0), grid.bin(61_819.9), grid.bin(61_820.0)) == (3090, 3090, 3091)
    assert (grid.bin(-61_800.0), grid.bin(-61_800.1), grid.bin(-61_780.0)) == (-3090, -3091, -3089)


@given(st.integers(1, 10**7), st.integers(-12, 3))
def test_the_unit_of_the_price_does_not_matter(ticks, power):
    here, there = Grid.around(61_800.0, 4.0), Grid.around(61_800.0 * 10.0**power, 4.0)
    assert here.bin(ticks / 10) == there.bin(ticks / 10 * 10.0**power)


@given(st.lists(st.tuples(st.integers(1, 400), st.floats(0.001, 9.0)), max_size=60), st.integers(-3, 30))
def test_depth_by_bisection_is_that_of_a_scan(levels, first):
    grid, side = Grid.around(100.0, 4.0), BookSide(1, 1000)
    side.change([(100.0 + n / 100, size) for n, size in levels])
    start = grid.bin(100.0) + first
    expected = [0.0] * 20
    for price, size in side.top(1000):
        at = int(round(price * 100) // 2) - start
        if 0 <= at < 20:
            expected[at] += size
    assert grid.width == pytest.approx(0.02)
    assert grid.depths(side, start, 20) == pytest.approx(expected, rel=1e-12)
