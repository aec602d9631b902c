"""Which rule wants which verdict, condition by condition."""

import math
from typing import Any

import pytest
from msgspec.structs import replace

from libs.common.events import (
    AlertRule,
    Decision,
    Direction,
    Label,
    Signal,
    Timeframe,
    Verdict,
)
from services.alerts.policy.matching import match

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
    ],
)
def test_a_rule_wants_what_meets_every_condition(wish, said, reason):
    answer = match(wish, said)
    assert answer.reason == reason
    assert answer.wanted is (reason == "matched")
