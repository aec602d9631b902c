"""Rule and verdict in; whether the rule wants the verdict, and the one word why, out. Pure."""

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from libs.common.events import AlertRule, Decision, Verdict
from services.alerts.policy.language import Condition, Fault, compile_condition
from services.alerts.policy.subjects import Fact, Kind


class Match(Struct, frozen=True):
    """The answer, and the word it is counted under."""

    wanted: bool
    reason: str
    """`matched`, or the first condition that failed."""


def match(rule: AlertRule, verdict: Verdict, facts: Mapping[str, Fact]) -> Match:
    """Return whether `rule` wants to hear of `verdict`; a withheld or abstained one is never wanted.

    `facts` are those of its subject. An empty tuple of the rule means any. Bounds are inclusive; a score that is not a
    number never reaches one. A condition that cannot be told, since a fact is absent, does not hold.
    """
    signal = verdict.signal
    conditions = (
        ("deleted", not rule.deleted),
        ("disabled", rule.enabled),
        ("withheld", verdict.decision is Decision.PUBLISH),
        ("abstained", signal.abstained is None),
        ("symbol", _any(rule.symbols, signal.symbol)),
        ("venue", _any(rule.venues, signal.venue)),
        ("timeframe", _any(rule.timeframes, signal.timeframe)),
        ("direction", _any(rule.directions, signal.direction)),
        ("label", _any(rule.labels, signal.label)),
        ("score", abs(signal.score) >= rule.min_score),
        ("confidence", signal.confidence >= rule.min_confidence),
    )
    for name, holds in conditions:
        if not holds:
            return Match(wanted=False, reason=name)
    return _asked(rule.condition, facts) if rule.condition else Match(wanted=True, reason="matched")


def _asked(text: str, facts: Mapping[str, Fact]) -> Match:
    try:
        holds = condition_of(text).holds(facts)
    except Fault:  # taken by an earlier version that knew other names; `intake` takes no new one
        return Match(wanted=False, reason="condition_invalid")
    return Match(wanted=bool(holds), reason={True: "matched", False: "condition", None: "condition_unknown"}[holds])


@lru_cache(maxsize=4096)
def condition_of(text: str) -> Condition:
    """Return what `text` says about signals.

    Raises:
        Fault: with its place.
    """
    return compile_condition(text, Kind.SIGNAL)


def _any(wanted: tuple[str, ...], value: str) -> bool:
    return not wanted or value in wanted
