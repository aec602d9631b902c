"""Pivots placed by hand: what the finder must say, and when at the earliest."""

import pytest

from services.signals.engine.bars import Bar
from services.signals.engine.technical.breakout import Breakout
from services.signals.engine.technical.divergence import DivergenceFinder

WING = 2


def walk(lows, readings, least_move_atr=0.25):
    """Lows of narrow bars, one oscillator, ATR 1; returns what stood after each bar."""
    finder, seen = DivergenceFinder(WING, 3, 60, least_move_atr), []
    for n, (low, reading) in enumerate(zip(lows, readings, strict=True)):
        finder.add(Bar(n, low, low + 0.1, low, low, 1.0), n + 1, 1.0, (reading,))
        seen.append(dict(finder.found))
    return seen


LOWER = [10, 9, 8, 9, 10, 9, 7, 9, 10]
HIGHER = [10, 9, 7, 9, 10, 9, 8, 9, 10]


@pytest.mark.parametrize(
    ("lows", "first", "second", "hidden"),
    [(LOWER, 30.0, 40.0, False), (HIGHER, 40.0, 30.0, True)],
)
def test_two_lows_that_disagree_are_bullish_and_known_when_the_second_is_confirmed(lows, first, second, hidden):
    readings = [50.0] * 9
    readings[2], readings[6] = first, second
    seen = walk(lows, readings)
    assert not any(seen[:8])
    (found,) = seen[8].values()
    assert (found.side, found.hidden, found.price) == (1, hidden, lows[6])
    assert (found.formed_ns, found.known_ns) == (7, 9)


@pytest.mark.parametrize(("lows", "first", "second"), [(LOWER, 40.0, 30.0), (HIGHER, 30.0, 40.0)])
def test_two_lows_that_agree_are_none(lows, first, second):
    readings = [50.0] * 9
    readings[2], readings[6] = first, second
    assert not any(walk(lows, readings))


def test_highs_are_bearish():
    highs, readings = [-low for low in LOWER], [50.0] * 9
    readings[2], readings[6] = 70.0, 60.0
    (found,) = walk([100 + high for high in highs], readings)[8].values()
    assert (found.side, found.hidden) == (-1, False)


def test_a_move_too_small_and_a_cold_oscillator_are_none():
    readings = [50.0] * 9
    readings[2], readings[6] = 30.0, 40.0
    assert not any(walk(LOWER, readings, least_move_atr=1.5))
    assert not any(walk(LOWER, [None] * 9))


def test_a_breakout_is_the_first_close_beyond_a_band_soon_after_a_squeeze_long_enough():
    breakout = Breakout(least_squeeze_bars=3, window_bars=2)
    for squeeze_bars in (1, 2, 3, 0):
        breakout.add(100.0, 101.0, 99.0, squeeze_bars)
    assert breakout.side == 0
    breakout.add(98.0, 101.0, 99.0, 0)
    assert (breakout.side, breakout.age) == (-1, 0)
    breakout.add(103.0, 101.0, 99.0, 0)
    assert (breakout.side, breakout.age) == (-1, 1)


@pytest.mark.parametrize("squeezes", [(1, 2, 0, 0), (1, 2, 3, 0, 0, 0)])
def test_a_short_squeeze_or_a_late_close_breaks_nothing_out(squeezes):
    breakout = Breakout(least_squeeze_bars=3, window_bars=2)
    for at, squeeze_bars in enumerate(squeezes):
        breakout.add(103.0 if at == len(squeezes) - 1 else 100.0, 101.0, 99.0, squeeze_bars)
    assert breakout.side == 0
