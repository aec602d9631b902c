import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import MINUTE_NS, Side
from services.signals.engine.config import EngineConfig
from services.signals.engine.layers.cvd import Cvd


def layer(trades=()):
    cvd = Cvd.new(EngineConfig())
    for trade in trades:
        cvd.on_trade(trade)
    return cvd


def test_silent_before_the_first_trade(make):
    assert layer().read(make.START).facts == {"cause": "no_trades"}


def test_hand_computed(make):
    cvd = layer([make.trade(0, 100.0, 3.0), make.trade(150, 102.0, 1.0, Side.SELL)])
    opinion = cvd.read(make.START + 150 * 10**9)
    old = 300.0 * math.exp(-0.5)
    assert opinion.score == pytest.approx((old - 102.0) / (old + 102.0), rel=1e-14)
    assert opinion.confidence == 0.5
    assert opinion.facts == {
        "rolling_delta_base": 2.0,
        "rolling_volume_base": 4.0,
        "rolling_buy_share": 0.75,
        "session_cvd_base": 2.0,
        "session_cvd_quote": 198.0,
        "last_minute_delta_base": -1.0,
        "session_complete": True,
        "covered_s": 150.0,
        "horizon_s": 300.0,
    }


def test_a_silent_tape_says_nothing(make):
    cvd = layer([make.trade(0)])
    assert cvd.read(make.START + 2 * MINUTE_NS).confidence > 0
    assert cvd.read(make.START + 2 * MINUTE_NS + 1).facts["cause"] == "stale"


def test_a_gap_starts_the_coverage_anew(make):
    cvd = layer([make.trade(n) for n in range(200)])
    cvd.on_gap(make.gap(199, 199))
    assert cvd.read(make.START + 200 * 10**9).facts == {"cause": "gap"}
    cvd.on_trade(make.trade(230, side=Side.SELL))
    opinion = cvd.read(make.START + 260 * 10**9)
    assert opinion.score == -1.0
    assert (opinion.facts["covered_s"], opinion.facts["session_complete"]) == (30.0, False)


def test_trades_lost_and_backfilled_make_the_session_whole(make):
    tape = [make.trade(n, 100.0, float(n), Side.BUY if n % 3 else Side.SELL) for n in range(1, 11)]
    full = layer(tape).read(make.START + 10**10).facts["session_cvd_base"]
    cvd = layer(tape[:3])
    cvd.on_gap(make.gap(3, 3))
    for trade in [*tape[6:], *tape[3:6]]:
        cvd.on_trade(trade)
    cvd.on_gap(make.gap(3, 7, recovered=True))
    assert cvd.read(make.START + 10**10).facts["session_cvd_base"] == full
    assert full == 1 + 2 - 3 + 4 + 5 - 6 + 7 + 8 - 9 + 10


def test_the_session_begins_at_midnight(make):
    cvd = layer([make.trade(-30, size=5.0), make.trade(10, size=2.0)])
    facts = cvd.read(make.START + 20 * 10**9).facts
    assert (facts["session_cvd_base"], facts["session_complete"]) == (2.0, True)
    facts = layer([make.trade(10)]).read(make.START + 20 * 10**9).facts
    assert facts["session_complete"] is False


def test_a_late_trade_counts_as_much_as_if_it_had_come_in_time(make):
    tape = [make.trade(n * 10, 100.0 + n, 1.0 + n, Side.BUY if n % 2 else Side.SELL) for n in range(10)]
    late = [*tape[:4], *tape[5:], tape[4]]
    at_ns = make.START + 95 * 10**9
    assert layer(late).read(at_ns).score == pytest.approx(layer(tape).read(at_ns).score, rel=1e-12)
    assert layer(late).read(at_ns).facts == pytest.approx(layer(tape).read(at_ns).facts)


steps = st.tuples(
    st.floats(-2.0, 400.0), st.floats(1e-8, 1e8), st.floats(1e-8, 1e8), st.sampled_from(Side), st.floats(0, 300)
)


@given(st.lists(steps, min_size=1, max_size=60))
def test_every_score_is_bounded_for_any_tape(make, tape):
    cvd, at, newest = layer(), 0.0, 0.0
    for step, price, size, side, wait in tape:
        at = max(0.0, at + step)
        newest = max(newest, at)
        cvd.on_trade(make.trade(at, price, size, side))
        opinion = cvd.read(make.START + round((newest + wait) * 10**9))
        assert -1 <= opinion.score <= 1
        assert 0 <= opinion.confidence <= 1
        assert not any(isinstance(fact, float) and not math.isfinite(fact) for fact in opinion.facts.values())
