import pytest

from libs.common.events import Direction, LayerReading, Origin, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig, Weight
from services.signals.engine.memory import Memory
from services.signals.engine.moments import Moment, form_signal
from services.signals.engine.plan import break_even, draw_plan, net_reward_to_risk
from services.signals.engine.swings import last_swing

CONFIG = EngineConfig()
TECHNICALS_ALONE = EngineConfig(
    weights=(Weight(layer="technicals", group="trend", timeframes=tuple(Timeframe), weight=1.0),)
)


def bars(rows):
    return [Bar(n * 60 * 10**9, low + 0.5, high, low, close, 1.0) for n, (high, low, close) in enumerate(rows)]


def mirror(plan_bars, around=200.0):
    return [
        Bar(bar.open_ns, around - bar.open, around - bar.low, around - bar.high, around - bar.close, 1.0)
        for bar in plan_bars
    ]


# a swing low of 98 in the third bar, confirmed two bars later, standing ever since
SWING = bars([(101, 99.5, 100), (101, 99, 100), (100, 98, 99), (100, 98.5, 99.5), (101, 99, 100.5), (101, 99.5, 100)])


def plan(direction, plan_bars, atr, config=CONFIG.plan):
    return draw_plan(
        direction, plan_bars[-1].close, plan_bars, atr, as_of_ns=6 * 60 * 10**9, timeframe=Timeframe.M1, config=config
    )


def test_golden_vector_of_the_break_even_hit_rate():
    assert break_even(reward=0.2, risk=0.2, cost=0.1) == pytest.approx(0.75, rel=1e-15)
    assert net_reward_to_risk(reward=0.2, risk=0.2, cost=0.1) == pytest.approx(1 / 3)
    assert break_even(2.0, 1.0, 0.0) == pytest.approx(1 / 3)


def test_the_stop_lies_behind_a_standing_swing():
    drawn = plan(Direction.LONG, SWING, 1.0)
    assert (drawn.stop_basis, drawn.stop) == ("structure", pytest.approx(97.9))
    assert (drawn.entry_low, drawn.entry_high) == (pytest.approx(99.9), pytest.approx(100.1))
    assert [target.price for target in drawn.targets] == pytest.approx([102.1, 104.2, 106.3])
    cost = 2 * 0.0005 * 100
    assert drawn.targets[1].reward_to_risk == pytest.approx((4.2 - cost) / (2.1 + cost))
    assert drawn.break_even_hit_rate == pytest.approx((2.1 + cost) / 4.2)
    assert drawn.expires_ns == 18 * 60 * 10**9
    assert drawn.invalidation == "A 1m close below the swing low at 98 proves the idea wrong."


def test_a_short_is_the_mirror_of_a_long():
    long, short = plan(Direction.LONG, SWING, 1.0), plan(Direction.SHORT, mirror(SWING), 1.0)
    assert short.stop == pytest.approx(200 - long.stop)
    assert [target.price for target in short.targets] == pytest.approx([200 - t.price for t in long.targets])
    assert short.break_even_hit_rate == pytest.approx(long.break_even_hit_rate)
    assert short.invalidation == "A 1m close above the swing high at 102 proves the idea wrong."


@pytest.mark.parametrize("atr", [0.5, 10.0], ids=["too far", "too near"])
def test_without_a_fitting_swing_the_stop_is_a_multiple_of_the_range(atr):
    drawn = plan(Direction.LONG, SWING, atr)
    assert (drawn.stop_basis, drawn.stop) == ("atr", 100 - 1.5 * atr)
    assert drawn.invalidation == f"A 1m close below {100 - atr:.10g} proves the idea wrong."


def test_a_swing_counts_once_confirmed_and_while_it_stands():
    assert last_swing(SWING, 1, 2, 99.4, 97.0) == 98
    assert last_swing(SWING[:4], 1, 2, 99.4, 97.0) is None
    broken = [*SWING, Bar(360 * 10**9, 100, 101, 97.5, 100, 1.0)]
    assert last_swing(broken, 1, 2, 99.4, 97.0) is None
    assert last_swing([], 1, 2, 99.4, 97.0) is None


def test_no_plan_below_zero():
    assert plan(Direction.SHORT, SWING, 30.0) is None


@pytest.mark.parametrize(
    ("score", "atr", "cause"),
    [
        (0.9, None, "no_plan: the average true range is not known"),
        (-0.9, 30.0, "no_plan: a level would lie below zero"),
        (0.1, None, None),
    ],
)
def test_a_direction_that_cannot_be_planned_is_not_said(score, atr, cause):
    reading = LayerReading(venue="v", symbol="s", layer="technicals", as_of_ns=1, score=score, confidence=1.0)
    moment = Moment(
        venue="v",
        symbol="s",
        origin=Origin.LIVE,
        timeframe=Timeframe.D1,
        as_of_ns=1,
        known_at_ns=2,
        price=100.0,
        readings=[reading],
        marks=(),
        regime=None,
        bars=SWING,
        atr=atr,
        inputs={},
    )
    signal = form_signal(moment, TECHNICALS_ALONE, Memory())
    assert (signal.abstained, signal.plan) == (cause, None)
    assert signal.direction is Direction.NEUTRAL
    assert signal.score == (0.0 if cause else score)
