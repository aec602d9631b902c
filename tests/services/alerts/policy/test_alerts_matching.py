"""Which rule wants which verdict, condition by condition."""

import math
from typing import Any

import pytest
from msgspec.structs import replace

from libs.common.events import (
    AlertRule,
    Contribution,
    Decision,
    Direction,
    Label,
    Plan,
    Signal,
    Target,
    Timeframe,
    Verdict,
)
from services.alerts.policy.catalogue import METRICS
from services.alerts.policy.judged import subject_of
from services.alerts.policy.matching import match
from services.alerts.policy.subjects import Kind
from services.signals.engine.config import WEIGHTS

SIGNAL = Signal(
    venue="okx",
    symbol="BTC-USDT-PERP",
    signal_id="s1",
    timeframe=Timeframe.M5,
    as_of_ns=0,
    known_at_ns=0,
    direction=Direction.LONG,
    label=Label.BUY,
    score=0.5,
    confidence=0.6,
    price=100.0,
    contributions=(),
)
VERDICT = Verdict(
    venue="okx",
    symbol="BTC-USDT-PERP",
    signal=SIGNAL,
    decision=Decision.PUBLISH,
    rationale="",
    judge="rules",
    decided_ns=0,
)

SMC = Contribution(layer="smc", score=-0.2, confidence=1.0, weight=0.5, contribution=-0.1)


def rule(**changes: Any) -> AlertRule:
    return AlertRule(rule_id="r", recipient="1", **changes)


def verdict(**changes: Any) -> Verdict:
    return replace(VERDICT, signal=replace(SIGNAL, **changes))


@pytest.mark.parametrize(
    ("wish", "said", "reason"),
    [
        (rule(), verdict(), "matched"),
        (rule(deleted=True), verdict(), "deleted"),
        (rule(enabled=False), verdict(), "disabled"),
        (rule(), replace(VERDICT, decision=Decision.WITHHOLD), "withheld"),
        (rule(), verdict(abstained="no book", direction=Direction.NEUTRAL, score=0.0), "abstained"),
        (rule(symbols=("BTC-USDT-PERP",)), verdict(), "matched"),
        (rule(symbols=("BTC-USDT",)), verdict(), "symbol"),
        (rule(venues=("binance-usdm",)), verdict(), "venue"),
        (rule(venues=("binance-usdm", "okx")), verdict(), "matched"),
        (rule(timeframes=(Timeframe.H1,)), verdict(), "timeframe"),
        (rule(timeframes=(Timeframe.M5,)), verdict(), "matched"),
        (rule(), verdict(direction=Direction.NEUTRAL), "direction"),
        (rule(directions=(Direction.SHORT,)), verdict(), "direction"),
        (rule(directions=()), verdict(direction=Direction.NEUTRAL), "matched"),
        (rule(labels=(Label.STRONG_BUY,)), verdict(), "label"),
        (rule(labels=(Label.STRONG_BUY, Label.BUY)), verdict(), "matched"),
        (rule(min_score=0.5), verdict(), "matched"),
        (rule(min_score=0.5), verdict(score=-0.5, direction=Direction.SHORT), "matched"),
        (rule(min_score=0.51), verdict(score=-0.5, direction=Direction.SHORT), "score"),
        (rule(), verdict(score=math.nan), "score"),
        (rule(min_confidence=0.6), verdict(), "matched"),
        (rule(min_confidence=0.61), verdict(), "confidence"),
        (rule(condition='abs_score >= 0.5 and timeframe in ["5m", "15m"]'), verdict(score=-0.5), "matched"),
        (rule(condition="score > 0.5"), verdict(), "condition"),
        (rule(condition='regime == "trend"'), verdict(), "condition_unknown"),
        (rule(condition='regime == "trend" or score > 0.4'), verdict(), "matched"),
        (rule(condition="layer_smc < 0 and conflict > 0.2"), verdict(conflict=0.3, contributions=(SMC,)), "matched"),
        (rule(condition="no_such_name > 1"), verdict(), "condition_invalid"),
        (rule(condition="score > 0.5", min_score=0.9), verdict(), "score"),
    ],
)
def test_a_rule_wants_what_meets_every_condition(wish, said, reason):
    answer = match(wish, said, subject_of(said).facts)
    assert answer.reason == reason
    assert answer.wanted is (reason == "matched")


def test_a_condition_may_ask_what_the_plan_says():
    plan = Plan(
        entry_low=99.0,
        entry_high=101.0,
        stop=97.0,
        targets=(Target(price=106.0, reward_to_risk=1.8),),
        expires_ns=1,
        invalidation="",
        stop_basis="atr",
        atr=2.0,
        fee_rate=0.0005,
        break_even_hit_rate=0.36,
    )
    facts = subject_of(verdict(plan=plan, probability=0.6)).facts
    assert (facts["break_even"], facts["reward_to_risk"], facts["stop_distance_atr"]) == (0.36, 1.8, 1.5)
    assert facts["probability"] == 0.6
    assert "stop_distance_atr" not in subject_of(verdict()).facts
    assert "probability" not in subject_of(verdict()).facts


def test_every_fact_of_a_signal_is_in_the_catalogue():
    layers = tuple(replace(SMC, layer=name) for name in {one.layer for one in WEIGHTS})
    subject = subject_of(verdict(contributions=layers, conflict=0.1, regime="trend", effective_layers=3.0))
    for name, value in subject.facts.items():
        assert Kind.SIGNAL in METRICS[name].kinds
        assert isinstance(value, METRICS[name].type)
    assert subject.key == "s1"
