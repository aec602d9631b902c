"""Which rule wants which verdict, condition by condition."""

import math
import re
from typing import Any

import pytest
from msgspec.structs import replace

from libs.common.conditions.catalogue import METRICS
from libs.common.conditions.proper import condition_of, proper
from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.conditions.templates import TEMPLATES
from libs.common.events import (
    SECOND_NS,
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
from services.alerts.policy.judged import subject_of
from services.alerts.policy.matching import ask, match, momentary
from services.alerts.policy.triggers import State
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


STORM: dict[str, Fact] = {"cap_group": "majors", "storm": True, "liq_usd_30s": 3e6}


def burst(at_s: float = 0.0, kind: Kind = Kind.LIQUIDATION, **facts: Any) -> Subject:
    at_ns = round(at_s * SECOND_NS)
    return Subject(kind=kind, venue="okx", symbol="BTC-USDT-PERP", at_ns=at_ns, facts=STORM | facts, key="k")


def about(**changes: Any) -> AlertRule:
    return rule(**{"kind": "liquidation", "condition": "storm", **changes})


def asked(wish: AlertRule, subject: Subject, state: State | None = None):
    def answer(text: str) -> bool | None:
        return condition_of(text, subject.kind).holds(subject.facts)

    return ask(wish, subject, state or State(), answer)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "matched"),
        ({"deleted": True}, "deleted"),
        ({"enabled": False}, "disabled"),
        ({"kind": "whale", "condition": "print_usd > 1"}, "kind"),
        ({"symbols": ("ETH-USDT",)}, "symbol"),
        ({"symbols": ("ETH-USDT", "BTC-USDT-PERP")}, "matched"),
        ({"venues": ("bybit",)}, "venue"),
        ({"venues": ("okx",)}, "matched"),
        ({"condition": ""}, "no_condition"),
        ({"condition": "storm and"}, "condition_invalid"),
        ({"condition": "liq_usd_30s > 5000000"}, "condition"),
        ({"condition": "liq_usd_10m > 1"}, "condition_unknown"),
        ({"for_s": 10}, "waiting"),
    ],
)
def test_a_rule_about_something_else_wants_what_it_says(changes, reason):
    answer = asked(about(**changes), burst())
    assert (answer.fires, answer.reason) == (reason == "matched", reason)


def test_a_signal_s_rule_is_asked_of_verdicts_alone_and_the_others_never():
    assert not match(about(), VERDICT, subject_of(VERDICT).facts).wanted
    assert not asked(rule(), burst()).fires


def test_an_episode_fires_once_and_ends_by_until():
    wish = about(until="liq_usd_30s < 1000000")
    steps = [(0, 3e6, True), (1, 4e6, True), (2, 1.5e6, False), (3, 2.5e6, True), (4, 0.5e6, False), (5, 3e6, True)]
    state, fired = State(), []
    for at_s, usd, storm in steps:
        answer = asked(wish, burst(at_s, liq_usd_30s=usd, storm=storm), state)
        state = answer.state
        fired += [at_s] * answer.fires
    assert fired == [0, 5]


def test_without_until_it_ends_when_the_condition_does_not_hold():
    state, fired = State(), []
    for at_s, storm in ((0, True), (1, False), (2, True), (3, True)):
        answer = asked(about(), burst(at_s, storm=storm), state)
        state = answer.state
        fired += [at_s] * answer.fires
    assert fired == [0, 2]
    assert asked(about(), burst(4), state).reason == "going_on"


def test_what_is_of_one_moment():
    assert momentary(burst(kind=Kind.OUTCOME))
    assert momentary(burst(kind=Kind.WHALE, print_usd=1.0))
    assert momentary(burst(kind=Kind.METRIC, whale_long_opened=1.0))
    assert not momentary(burst(kind=Kind.WHALE, whale_usd_10m=1.0))
    assert not momentary(burst())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "weather"}, "kind: there is no 'weather'; it is one of signal, outcome,"),
        ({"condition": ""}, "condition: a rule about liquidation needs one"),
        ({"condition": "score > 0.5"}, "column 1: "),
        ({"until": "storm and"}, "until: column 10: "),
        ({"until": "liq_usd_30s"}, "until: column 1: this is a number"),
        ({"for_s": -1}, "for_s: -1 is not between"),
        ({"cooldown_s": -1}, "cooldown_s: -1 is not between"),
        ({"cooldown_s": 2**31}, "cooldown_s: "),
        ({"kind": "signal", "condition": "", "for_s": 5}, "a signal is of one moment"),
        ({"kind": "signal", "condition": "", "until": "score < 0"}, "a signal is of one moment"),
    ],
)
def test_a_rule_that_cannot_be_asked_says_why(changes, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        proper(about(**changes))


def test_rules_that_can_be_asked():
    proper(rule())
    proper(rule(condition="abs_score > 0.5"))
    proper(about(until="liq_usd_30s < 1", for_s=300, cooldown_s=600))
    for template in TEMPLATES.values():
        changes = {"kind": template.kind.value, "condition": template.condition, "until": template.until}
        proper(rule(**changes, for_s=template.for_s, cooldown_s=template.cooldown_s))
