import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signals.engine.bars import Bar
from services.signals.engine.fibonacci.legs import Leg, Legs, Swing


def bars(prices):
    return [Bar(n * 10, p, p + 0.4, p - 0.4, p, 1.0) for n, p in enumerate(prices)]


def after(prices, wing=2):
    legs = Legs(wing)
    for bar in bars(prices):
        legs.add(bar, bar.open_ns + 10)
    return legs


def test_a_swing_is_known_only_when_enough_bars_confirm_it():
    prices = [3, 2, 1, 2, 3, 4, 5, 4]
    assert after(prices).leg is None
    leg = after([*prices, 3]).leg
    assert leg == Leg(Swing(-1, 0.6, 20, 50), Swing(1, 5.4, 60, 90))
    assert leg.direction == 1


def test_a_more_extreme_swing_of_one_side_replaces_the_last():
    leg = after([3, 2, 1, 2, 3, 4, 5, 4, 3, 4, 5, 6, 7, 6, 5]).leg
    assert leg.start.price == 2.6  # the low between: it was confirmed, so it ended the first leg
    assert leg.end.price == 7.4
    shallow = after([3, 2, 1, 2, 3, 4, 5, 4.9, 4.8, 5.5, 6, 5.5, 5.4], wing=2).leg
    assert shallow.end.price == pytest.approx(6.4)


def test_a_swing_on_the_wrong_side_of_the_last_makes_no_leg():
    falling = [10, 11, 12, 11, 10, 9, 8, 8, 8]
    assert [after(falling).leg.start.price, after(falling).leg.end.price] == [12.4, 7.6]
    below = [*falling, 6.5, 6, 7, 5, 4.5]  # a high at 7.4, below the low
    assert after(below).leg == after(falling).leg
    leg = after([*below, 4, 4.2, 4.4]).leg
    assert [leg.start.price, leg.end.price] == [12.4, 3.6]


def test_a_bar_that_turns_both_ways_is_taken_in_the_order_that_alternates():
    legs = Legs(1)
    for n, (high, low) in enumerate([(5, 4), (6, 4.5), (5, 3.5), (7, 3), (5, 4), (5.5, 4.2)]):
        legs.add(Bar(n, low, high, low, high, 1.0), n + 1)
    assert legs.leg
    assert [legs.leg.start.price, legs.leg.end.price] == [7, 3]
    alone = Legs(1)
    for n, (high, low) in enumerate([(5, 4), (7, 3), (5, 4)]):
        alone.add(Bar(n, low, high, low, high, 1.0), n + 1)
    assert alone.last is None


@given(st.lists(st.integers(1, 30), min_size=1, max_size=120), st.integers(1, 4))
def test_legs_rest_on_real_extremes_and_on_nothing_later(prices, wing):
    held = bars(prices)
    legs, mirrored = Legs(wing), Legs(wing)
    for n, bar in enumerate(held):
        legs.add(bar, bar.open_ns + 10)
        mirrored.add(Bar(bar.open_ns, 50 - bar.open, 50 - bar.low, 50 - bar.high, 50 - bar.close, 1.0), 0)
        leg = legs.leg
        assert (leg is None) == (mirrored.leg is None)
        if leg is None or mirrored.leg is None:
            continue
        assert mirrored.leg.direction == -leg.direction
        assert mirrored.leg.end.open_ns == leg.end.open_ns
        assert leg.size > 0
        for swing in (leg.start, leg.end):
            at = swing.open_ns // 10
            assert at + wing <= n
            assert swing.known_ns <= bar.open_ns + 10
            around = held[at - wing : at + wing + 1]
            edges = [b.high for b in around] if swing.side > 0 else [-b.low for b in around]
            assert max(edges) == swing.side * swing.price
