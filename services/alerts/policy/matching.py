"""Rule and verdict in; whether the rule wants the verdict, and the one word why, out. Pure."""

from msgspec import Struct

from libs.common.events import AlertRule, Decision, Verdict


class Match(Struct, frozen=True):
    """The answer, and the word it is counted under."""

    wanted: bool
    reason: str
    """`matched`, or the first condition that failed."""


def match(rule: AlertRule, verdict: Verdict) -> Match:
    """Return whether `rule` wants to hear of `verdict`; a withheld or abstained one is never wanted.

    An empty tuple of the rule means any. Bounds are inclusive; a score that is not a number never reaches one.
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
    return Match(wanted=True, reason="matched")


def _any(wanted: tuple[str, ...], value: str) -> bool:
    return not wanted or value in wanted
