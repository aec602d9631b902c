"""Ratios of the last leg, with the predecessor's errors as cases: one direction, two decimals, eager respect."""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import MINUTE_NS, Mark, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.fibonacci.legs import Leg, Swing
from services.signals.engine.indicators import Indicators, Values
from services.signals.engine.layers.fibonacci import Fibonacci, hold, levels_of, near_marks
from services.signals.engine.layers.layer import Close
from services.signals.engine.parameters.fibonacci import FibonacciParameters

P = FibonacciParameters()


def leg(start, end):
    side = 1 if end > start else -1
    return Leg(Swing(-side, start, 0, MINUTE_NS * 6), Swing(side, end, MINUTE_NS * 9, MINUTE_NS * 15))


def mark(low, high, strength=1.0):
    return Mark(kind="poc", low=low, high=high, side=0, strength=strength, formed_ns=0, known_ns=0)


def read(of, price, atr=1.0, marks=(), scale=1.0):
    layer = Fibonacci.new(EngineConfig())
    if of is not None:
        layer.legs.before, layer.legs.last = of.start, of.end
    values = None if atr is None else atr * scale
    return layer.read(
        Close(
            timeframe=Timeframe.M1,
            close_ns=20 * MINUTE_NS,
            price=price,
            values=Values(open_ns=19 * MINUTE_NS, close=price, atr_14=values),
            bars=20,
            run=(),
            ticks={},
            views={},
            forming={},
            marks=marks,
        )
    )


def test_a_leg_up_is_taken_back_downwards_and_extended_upwards():
    assert dict(levels_of(leg(100.0, 200.0), P)) == pytest.approx(
        {0.236: 176.4, 0.382: 161.8, 0.5: 150.0, 0.618: 138.2, 0.786: 121.4, 1.272: 227.2, 1.618: 261.8, 2.618: 361.8}
    )


def test_a_leg_down_is_taken_back_upwards_and_extended_downwards():
    assert dict(levels_of(leg(200.0, 100.0), P)) == pytest.approx(
        {0.236: 123.6, 0.382: 138.2, 0.5: 150.0, 0.618: 161.8, 0.786: 178.6, 1.272: 72.8, 1.618: 38.2}
    )  # the last one would lie below zero


def test_a_coin_of_a_hundred_thousandth_of_a_dollar_has_eight_levels_too():
    levels = levels_of(leg(1.00e-5, 1.10e-5), P)
    assert len({price for _, price in levels}) == 8
    assert dict(levels)[0.618] == pytest.approx(1.0382e-5, rel=1e-12)
    opinion = read(leg(1.00e-5, 1.10e-5), 1.0382e-5, atr=1e-7)
    assert opinion.facts["nearest_ratio"] == 0.618
    assert opinion.facts["golden_zone"]
    assert opinion.score > 0


def test_the_golden_zone_holds_weakly_for_a_leg_up_and_down():
    up, down = read(leg(100.0, 200.0), 130.0, 10.0), read(leg(200.0, 100.0), 170.0, 10.0)
    assert up.score == pytest.approx(0.125)
    assert down.score == pytest.approx(-0.125)
    assert up.facts["taken_back"] == pytest.approx(0.7)
    assert up.facts["golden_zone"]
    assert up.facts["optimal_entry"]
    assert up.facts["nearest_distance_atr"] == pytest.approx(-0.82)
    assert up.confidence == 0.5
    assert read(leg(100.0, 200.0), 130.0, 25.0).confidence == pytest.approx(0.5 * 4 / 6)


def test_a_level_that_nobody_touched_says_nothing():
    for price in (199.0, 165.0, 240.0, 99.0):
        assert read(leg(100.0, 200.0), price, 10.0).score == 0.0


@pytest.mark.parametrize(
    ("taken", "expected"), [(-1, 0), (0.382, 0), (0.5, 0.5), (0.618, 1), (0.786, 1), (0.893, 0.5), (1, 0), (2, 0)]
)
def test_the_shape_of_the_score(taken, expected):
    assert hold(taken, P) == pytest.approx(expected)


def test_confluence_by_hand():
    assert near_marks(100.0, [mark(101, 101, 0.5), mark(99, 103, 0.2), mark(110, 111)], 4.0) == pytest.approx(
        1 - exp(-(0.5 * 0.75 + 0.2))
    )
    plain, backed = read(leg(100.0, 200.0), 138.0, 10.0), read(leg(100.0, 200.0), 138.0, 10.0, [mark(137, 139)])
    assert backed.facts["confluence"] == pytest.approx(1 - exp(-1))
    assert backed.score / plain.score == pytest.approx(2 - exp(-1))


def test_marks_name_the_levels_nearest_first():
    marks = read(leg(100.0, 200.0), 140.0, 10.0).marks
    assert [m.kind for m in marks[:3]] == ["fib_golden_zone", "fib_618", "fib_500"]
    assert len(marks) == 9
    assert {m.kind for m in marks} >= {"fib_1272", "fib_1618", "fib_2618"}
    assert [m.side for m in marks[:3]] == [1, 1, -1]
    assert {(m.formed_ns, m.known_ns) for m in marks} == {(10 * MINUTE_NS, 15 * MINUTE_NS)}
    assert len({m.mark_id for m in marks}) == 9


def test_abstains_with_its_cause():
    assert read(leg(1.0, 2.0), 1.5, None).facts == {"cause": "warming_up", "bars": 20}
    assert read(leg(1.0, 2.0), 1.5, 0.0).facts["cause"] == "no_range"
    assert read(None, 1.5).facts["cause"] == "no_leg"
    assert read(leg(100.0, 101.0), 100.5).facts["cause"] == "leg_too_short"


def walked(prices, scale=1.0, flip=False):
    layer, indicators = Fibonacci.new(EngineConfig()), Indicators()
    for n, price in enumerate(prices):
        before = prices[max(0, n - 1)]
        edges = [before, max(before, price) + 1, min(before, price) - 1, price]
        if flip:
            edges = [400 - edge for edge in (edges[0], edges[2], edges[1], edges[3])]
        first, high, low, close = (edge * scale for edge in edges)
        bar = Bar(n * MINUTE_NS, first, high, low, close, 1.0)
        layer.on_bar(bar, indicators.add(bar), bar.open_ns + MINUTE_NS)
    assert indicators.values
    v = indicators.values
    return layer.read(
        Close(
            timeframe=Timeframe.M1,
            close_ns=len(prices) * MINUTE_NS,
            price=v.close,
            values=v,
            bars=len(prices),
            run=(),
            ticks={},
            views={},
            forming={},
            marks=(),
        )
    )


@given(st.lists(st.integers(150, 250), min_size=30, max_size=90))
def test_neither_scale_nor_side_matters(prices):
    there = walked(prices)
    assert abs(there.score) <= 0.25
    assert walked(prices, scale=1e-6).score == pytest.approx(there.score, abs=1e-9)
    assert walked(prices, flip=True).score == pytest.approx(-there.score, abs=1e-9)


def test_what_a_model_assumes_is_no_confluence():
    def mark(state):
        return Mark(kind="wall", low=99.9, high=100.1, side=1, strength=0.5, formed_ns=0, known_ns=0, state=state)

    assert near_marks(100.0, [mark("bid_wall")], 1.0) == pytest.approx(1 - exp(-0.5))
    assert near_marks(100.0, [mark("MODEL")], 1.0) == 0.0
