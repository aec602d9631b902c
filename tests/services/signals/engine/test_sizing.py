from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Direction, LayerReading, Mark, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.parameters.plan import PlanParameters
from services.signals.engine.plan import draw_plan
from services.signals.engine.sizing import depth_cap, loss_fraction, size, size_position, volatility_factor

CONFIG = PlanParameters()
FREE = PlanParameters(max_leverage=100.0, max_notional_fraction=100.0)


def test_risk_over_distance_by_hand():
    """1 % at risk, 2 % to the stop and 5 basis points a side: 0.01 / (0.02 + 0.0005 + 0.00049)."""
    sized = size(100.0, 98.0, 1.0, Timeframe.D1, None, FREE)
    assert sized.volatility_factor == 1.0
    assert sized.notional_fraction == pytest.approx(0.01 / (0.02 + 0.0005 + 0.00049))
    assert (sized.binding, sized.depth_notional, sized.risk_fraction) == ("risk", None, 0.01)


def test_more_volatility_is_a_smaller_position():
    """A predecessor multiplied by the ATR instead of dividing."""
    assert volatility_factor(0.03, Timeframe.D1, CONFIG) == 1.0
    assert volatility_factor(0.06, Timeframe.D1, CONFIG) == pytest.approx(0.5)
    assert volatility_factor(0.06 / sqrt(24), Timeframe.H1, CONFIG) == pytest.approx(0.5)
    assert volatility_factor(0.5, Timeframe.D1, CONFIG) == 0.25
    assert volatility_factor(0.0, Timeframe.D1, CONFIG) == 1.0
    calm, wild = (size(100.0, 95.0, atr, Timeframe.D1, None, FREE) for atr in (3.0, 6.0))
    assert wild.notional_fraction == pytest.approx(calm.notional_fraction / 2)


@pytest.mark.parametrize(
    ("config", "binding", "fraction"),
    [
        (CONFIG, "notional", 1.0),
        (PlanParameters(max_leverage=0.5), "leverage", 0.5),
        (PlanParameters(risk_fraction=0.001), "risk", 0.001 / (0.002 + 0.0005 * 1.998)),
    ],
)
def test_the_smallest_limit_binds_and_is_named(config, binding, fraction):
    sized = size(100.0, 99.8, 0.01, Timeframe.M1, None, config)
    assert sized.binding == binding
    assert sized.notional_fraction == pytest.approx(fraction)


def liquidity(**facts):
    return LayerReading(venue="v", symbol="s", layer="liquidity", as_of_ns=1, score=0, confidence=1, facts=facts)


def test_the_book_caps_by_its_thinner_side():
    both = liquidity(bid_depth_50bp_quote=50_000.0, ask_depth_50bp_quote=20_000.0)
    assert depth_cap([both], CONFIG) == 2_000.0
    assert depth_cap([liquidity(bid_depth_50bp_quote=50_000.0, ask_depth_50bp_quote=None)], CONFIG) is None
    assert depth_cap([], CONFIG) is None
    sized = size(100.0, 98.0, 1.0, Timeframe.D1, 2_000.0, FREE)
    small = size_position(1_000.0, sized, entry=100.0, stop=98.0, fee_rate=0.0005, lot=0.001)
    large = size_position(1e6, sized, entry=100.0, stop=98.0, fee_rate=0.0005, lot=0.001)
    assert small.binding == "risk"
    assert small.quantity == pytest.approx(4.764)
    assert (large.binding, large.quantity, large.notional) == ("depth", 20.0, 2_000.0)


prices = st.floats(1e-6, 1e6)
distances = st.floats(1e-4, 0.5)


@given(prices, distances, st.sampled_from([1, -1]), st.floats(1e-4, 0.3), st.floats(10, 1e8), st.floats(1e-6, 10))
def test_the_stop_never_costs_more_than_the_risk(entry, distance, sign, atr, equity, lot):
    stop = entry * (1 - sign * distance)
    sized = size(entry, stop, atr * entry, Timeframe.H1, None, CONFIG)
    held = size_position(equity, sized, entry=entry, stop=stop, fee_rate=CONFIG.fee_rate, lot=lot)
    loss = held.quantity * abs(entry - stop) + CONFIG.fee_rate * held.quantity * (entry + stop)
    assert loss <= CONFIG.risk_fraction * equity * (1 + 1e-9)
    assert held.loss_at_stop == pytest.approx(loss)
    assert held.notional <= equity * CONFIG.max_notional_fraction * (1 + 1e-9)
    assert held.quantity / lot == pytest.approx(round(held.quantity / lot))
    assert equity * sized.notional_fraction - held.notional <= lot * entry * (1 + 1e-9) + 1e-9 * equity


@given(st.floats(10, 1e8), st.floats(10, 1e8), st.none() | st.floats(1, 1e7), st.floats(1e-6, 10))
def test_more_equity_is_never_a_smaller_position(one, other, depth, lot):
    low, high = sorted((one, other))
    sized = size(100.0, 98.0, 1.0, Timeframe.D1, depth, CONFIG)
    small, large = (
        size_position(equity, sized, entry=100.0, stop=98.0, fee_rate=0.0005, lot=lot) for equity in (low, high)
    )
    assert small.quantity <= large.quantity


@given(distances, distances)
def test_a_farther_stop_is_never_a_larger_position(one, other):
    near, far = sorted((one, other))
    close, wide = (size(100.0, 100.0 * (1 - d), 1.0, Timeframe.D1, None, FREE) for d in (near, far))
    assert wide.notional_fraction <= close.notional_fraction
    assert loss_fraction(100.0, 100.0 * (1 - far), 0.0005) >= loss_fraction(100.0, 100.0 * (1 - near), 0.0005)


@pytest.mark.parametrize("changes", [{"equity": 0.0}, {"lot": 0.0}, {"stop": -1.0}, {"entry": float("nan")}])
def test_what_cannot_be_sized_is_refused(changes):
    given_ = {"equity": 1_000.0, "entry": 100.0, "stop": 98.0, "fee_rate": 0.0005, "lot": 0.1, **changes}
    sized = size(100.0, 98.0, 1.0, Timeframe.D1, None, CONFIG)
    with pytest.raises(ValueError, match="must be above zero"):
        size_position(given_.pop("equity"), sized, **given_)


FLAT = [Bar(n * 60 * 10**9, 100, 101, 99.9, 100, 1.0) for n in range(8)]


def mark(low, high, side=1, kind="order_block", state="fresh"):
    return Mark(kind=kind, low=low, high=high, side=side, strength=1.0, formed_ns=1, known_ns=2, state=state)


def drawn(marks, direction=Direction.LONG):
    return draw_plan(
        direction, 100.0, FLAT, 1.0, as_of_ns=10, timeframe=Timeframe.M5, config=CONFIG, marks=marks, depth=5e4
    )


def test_the_stop_lies_behind_the_nearest_fitting_zone():
    plan = drawn([mark(98.0, 98.5), mark(98.9, 99.2, kind="fair_value_gap"), mark(99.7, 99.9)])
    assert (plan.stop_basis, plan.stop) == ("structure", pytest.approx(98.8))
    assert plan.invalidation == "A 5m close below the fair value gap at 98.9 proves the idea wrong."
    assert plan.sizing.depth_notional == 5e4
    short = drawn([mark(100.8, 101.5, side=-1)], Direction.SHORT)
    assert (short.stop, short.stop_basis) == (pytest.approx(101.6), "structure")
    assert short.invalidation == "A 5m close above the order block at 101.5 proves the idea wrong."


@pytest.mark.parametrize(
    "unfit",
    [
        mark(98.9, 99.2, state="invalidated"),
        mark(98.9, 99.2, state="breaker"),
        mark(98.9, 99.2, side=-1),
        mark(98.9, 99.2, kind="bid_wall"),
        mark(98.9, 99.2, kind="liquidation_model_long", state="MODEL"),
        mark(99.7, 99.9),
        mark(96.0, 96.5),
    ],
)
def test_what_does_not_support_holds_no_stop(unfit):
    plan = drawn([unfit])
    assert (plan.stop_basis, plan.stop) == ("atr", 98.5)


def test_the_size_holds_at_the_worse_end_of_the_entry():
    plan = draw_plan(
        Direction.LONG, 100.0, FLAT, 1.0, as_of_ns=10, timeframe=Timeframe.D1, config=FREE, marks=[mark(98.1, 99.0)]
    )
    assert plan is not None
    assert plan.sizing is not None
    worst = plan.entry_high
    assert plan.sizing.notional_fraction * loss_fraction(worst, plan.stop, 0.0005) == pytest.approx(0.01)
    assert plan.sizing.notional_fraction * loss_fraction(100.0, plan.stop, 0.0005) < 0.01
