"""A rule, and a verdict or another subject, in; whether it is to be told, and the one word why, out. Pure."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from libs.common.conditions.language import Fault
from libs.common.conditions.proper import condition_of
from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import SECOND_NS, AlertRule, Decision, Verdict
from services.alerts.policy.triggers import Phase, State, ending, step
from services.alerts.policy.windows.vendors import MOMENTS

Answer: TypeAlias = Callable[[str], bool | None]
"""Whether a condition holds of the subject that is asked about; None is unknown. Raises `Fault` where it is none."""

_STATES: Final = {Phase.FIRING: "going_on", Phase.PENDING: "waiting"}
_ANSWERS: Final = {True: "matched", False: "condition", None: "condition_unknown"}


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
        ("kind", rule.kind == Kind.SIGNAL),
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
    return Match(wanted=bool(holds), reason=_ANSWERS[holds])


class Asked(Struct, frozen=True):
    """Where a rule stands with a subject's key from now on, whether it fires, and the word it is counted under."""

    state: State
    fires: bool
    reason: str


def ask(rule: AlertRule, subject: Subject, state: State, answer: Answer) -> Asked:
    """Return what becomes of `state`, that of the rule and the subject's key, and whether the subject is to be told.

    The rule's kind, symbols and venues come first: of a subject that is none of its own it keeps nothing. What cannot
    be told, since a fact is absent, neither begins nor ends anything. Without `until` an episode ends when the
    condition does not hold.
    """
    wishes = (
        ("deleted", not rule.deleted),
        ("disabled", rule.enabled),
        ("kind", rule.kind == subject.kind),
        ("symbol", _any(rule.symbols, subject.symbol)),
        ("venue", _any(rule.venues, subject.venue)),
        ("no_condition", bool(rule.condition)),
    )
    for name, wanted in wishes:
        if not wanted:
            return Asked(state, fires=False, reason=name)
    try:
        holds = answer(rule.condition)
        ends: bool | None = None
        if state.phase is Phase.FIRING:
            ends = answer(rule.until) if rule.until else ending(holds=holds)
    except Fault:  # taken by an earlier version that knew other names; `intake` takes no new one
        return Asked(state, fires=False, reason="condition_invalid")
    stands, fires = step(state, holds=holds, ends=ends, at_ns=subject.at_ns, for_ns=rule.for_s * SECOND_NS)
    reason = _STATES.get(stands.phase, "late") if holds and not fires else _ANSWERS[holds]
    return Asked(stands, fires, reason)


def momentary(subject: Subject) -> bool:
    """Return whether the subject is of one moment: its key never comes again, so nothing need be kept under it."""
    facts = subject.facts
    return subject.kind is Kind.OUTCOME or "print_usd" in facts or not MOMENTS.isdisjoint(facts)


def _any(wanted: tuple[str, ...], value: str) -> bool:
    return not wanted or value in wanted
