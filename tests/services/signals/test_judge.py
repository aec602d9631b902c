"""Verdicts by rules: each refusal has its own sentence, and a published signal says why."""

import pytest
from msgspec.structs import replace

from libs.common.events import Absence, Contribution, Decision, Direction, Label, Plan, Signal, Target, Timeframe
from services.signals.judge import Rules, judge

PLAN = Plan(
    entry_low=99.9,
    entry_high=100.1,
    stop=98.0,
    targets=(Target(price=102.0, reward_to_risk=0.9), Target(price=104.0, reward_to_risk=1.8)),
    expires_ns=10,
    invalidation="a close below 98",
    stop_basis="atr",
    atr=1.0,
    fee_rate=0.0005,
    break_even_hit_rate=0.52,
)
SIGNAL = Signal(
    venue="okx",
    symbol="BTC-USDT",
    signal_id="s",
    timeframe=Timeframe.M1,
    as_of_ns=1,
    known_at_ns=2,
    direction=Direction.LONG,
    label=Label.BUY,
    score=0.4,
    confidence=0.8,
    price=100.0,
    contributions=(
        Contribution(layer="cvd", score=0.6, confidence=1.0, weight=0.5, contribution=0.3),
        Contribution(layer="technicals", score=0.2, confidence=1.0, weight=0.5, contribution=0.1),
    ),
    absent=(Absence(layer="order_flow", cause="book not in sync"),),
    plan=PLAN,
)


def test_a_strong_planned_signal_is_published_with_its_reason():
    verdict = judge(SIGNAL, Rules(), decided_ns=9)
    assert verdict.decision is Decision.PUBLISH
    assert verdict.rationale == "2 of 2 layers agree on long; the strongest share, cvd's, is +0.30 in a score of +0.40"
    assert (verdict.judge, verdict.decided_ns, verdict.signal) == ("rules", 9, SIGNAL)


@pytest.mark.parametrize(
    ("change", "rationale"),
    [
        ({"abstained": "coverage 40 % < 60 %"}, "the engine abstained: coverage 40 % < 60 %"),
        ({"direction": Direction.NEUTRAL}, "neutral: nothing to act on"),
        ({"plan": None}, "no plan: without a stop the risk is unknown"),
        ({"score": -0.24}, "score -0.24 is weaker than 0.25"),
        ({"confidence": 0.2}, "confidence 0.20 is below 0.30"),
        (
            {"plan": replace(PLAN, targets=(Target(price=101.0, reward_to_risk=0.4),))},
            "the best target pays 0.40 times the risk after fees, less than 0.50",
        ),
    ],
)
def test_each_refusal_has_its_own_sentence(change, rationale):
    verdict = judge(replace(SIGNAL, **change), Rules(), decided_ns=9)
    assert verdict.decision is Decision.WITHHOLD
    assert verdict.rationale == rationale


def test_simulated_stays_simulated():
    from libs.common.events import Origin

    assert judge(replace(SIGNAL, origin=Origin.SIMULATED), Rules(), 1).origin is Origin.SIMULATED
