import random
from math import tanh

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Indicators, Values
from services.signals.engine.layers.layer import Close, Partial, View
from services.signals.engine.layers.timeframes import Timeframes

MONDAY = 1_717_372_800 * 10**9
T = Timeframe


def values(histogram=0.0, atr=2.0, close=100.0, **emas):
    return Values(open_ns=0, close=close, macd_histogram=histogram, atr_14=atr, **emas)


def read(views, timeframe=T.M15, close_ns=MONDAY, forming=None):
    held = {
        of: View(of.open_ns(close_ns), held, 200) if isinstance(held, Values) else held for of, held in views.items()
    }
    return Timeframes.new(EngineConfig()).read(
        Close(
            timeframe=timeframe,
            close_ns=close_ns,
            price=100.0,
            values=values(),
            bars=200,
            run=(),
            ticks={},
            views=held,
            forming=forming or {},
            marks=(),
        )
    )


def test_each_trend_by_hand():
    facts = read({T.H1: values(0.5, 2.0, 104.0, ema_9=102.0, ema_20=101.0), T.H4: values(ema_9=100.0)}).facts
    stack = (tanh(1.0) + tanh(0.5)) / 2
    assert facts["trend_1h"] == pytest.approx(0.6 * stack + 0.4 * tanh(4 * 0.5 / 2))


def test_the_score_by_hand():
    up, down = 0.4 * tanh(2.0), -0.4 * tanh(1.0)
    opinion = read({T.M5: values(1.0, ema_9=100.0), T.H1: values(-0.5, ema_9=100.0)})
    signed, absolute = 0.7 * up + 0.7 * down, 0.7 * up - 0.7 * down
    assert opinion.facts["mean_trend"] == pytest.approx(signed / 1.4)
    assert opinion.facts["agreement"] == pytest.approx(signed / absolute)
    assert opinion.facts["conflict"] == pytest.approx((1 - signed / absolute) / 2)
    assert opinion.score == pytest.approx(signed / 1.4 * signed / absolute)
    weights = {T.M1: 2, T.M5: 1, T.H1: 1, T.H4: 2, T.D1: 3, T.W1: 4}
    assert opinion.confidence == pytest.approx(1.4 / sum(0.7**steps for steps in weights.values()))


def test_the_judged_timeframe_is_told_but_not_scored():
    others = {T.M5: values(1.0, ema_9=100.0), T.H1: values(0.5, ema_9=100.0)}
    with_own = read({**others, T.M15: values(-9.0, ema_9=110.0)})
    without = read(others)
    assert (with_own.score, with_own.confidence) == (without.score, without.confidence)
    assert with_own.facts["trend_15m"] < -0.9


def test_horizons_agree_or_not():
    up, down = values(1.0, ema_9=99.0), values(-1.0, ema_9=101.0)
    facts = read({T.M1: up, T.M5: up, T.M15: up, T.H1: up, T.H4: down}).facts
    assert facts["alignment_short"] == pytest.approx(1.0)
    assert facts["alignment_middle"] == pytest.approx(0.0)
    assert facts["alignment_long"] is None
    assert facts["trend_long"] is None


def test_what_is_absent_has_its_cause():
    opinion = read({T.M5: values(None), T.H1: values(atr=0.0, ema_9=1.0), T.H4: values(1.0, ema_9=99.0)})
    assert opinion.facts["cause"] == "too_few_timeframes"
    assert opinion.facts["absent_5m"] == "warming_up"
    assert opinion.facts["absent_1h"] == "no_range"
    assert opinion.facts["absent_1d"] == "no_bar"
    assert opinion.facts["trend_1d"] is None
    assert (opinion.score, opinion.confidence, opinion.facts["others"]) == (0.0, 0.0, 1)


def test_a_stale_view_is_none():
    fresh = {T.M5: values(1.0, ema_9=99.0), T.H1: values(1.0, ema_9=99.0)}
    stale = View(MONDAY - T.H4.ns, values(-9.0, ema_9=120.0), 200)
    opinion = read({**fresh, T.H4: stale})
    assert opinion.facts["absent_4h"] == "no_bar"
    assert opinion.score == read(fresh).score


def test_forming_bars_are_told_and_never_scored():
    views = {T.M5: values(1.0, ema_9=99.0), T.H1: values(1.0, ema_9=99.0)}
    plain = read(views)
    told = read(views, forming={T.H1: Partial(MONDAY, 100.0, 109.0, 95.0, 96.0, 1.0)})
    added = {name: fact for name, fact in told.facts.items() if name not in plain.facts}
    assert added == {"change_atr_1h_forming": -2.0, "range_atr_1h_forming": 7.0}
    assert (told.score, told.confidence) == (plain.score, plain.confidence)
    assert {name: told.facts[name] for name in plain.facts} == plain.facts


def walked(seed, scale=1.0, sign=1.0):
    views = {}
    for n, timeframe in enumerate(Timeframe):
        chance, indicators, price = random.Random(seed * 7 + n), Indicators(), 1000.0
        for at in range(80):
            before, price = price, price + chance.gauss(0.2, 1.0)
            flip = [2000 - p if sign < 0 else p for p in (before, price)]
            top, bottom = max(flip) + 0.25, min(flip) - 0.25
            indicators.add(Bar(at, flip[0] * scale, top * scale, bottom * scale, flip[1] * scale, 1.0))
        assert indicators.values
        views[timeframe] = View(timeframe.open_ns(MONDAY), indicators.values, 80)
    return views


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(Timeframe))
def test_neither_scale_nor_side_matters(seed, timeframe):
    there = read(walked(seed), timeframe)
    assert -1 <= there.score <= 1
    assert read(walked(seed, scale=1e-6), timeframe).score == pytest.approx(there.score, abs=1e-9)
    assert read(walked(seed, sign=-1), timeframe).score == pytest.approx(-there.score, abs=1e-9)
