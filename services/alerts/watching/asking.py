"""Subjects in; the alerts of the rules that fire on them, and where the rules stand since, out. It awaits nothing."""

from collections.abc import MutableMapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct, field

from libs.common.conditions.proper import condition_of
from libs.common.conditions.subjects import Kind, Subject
from libs.common.events import AlertRule
from libs.common.runtime.clock import monotonic_s
from services.alerts import metrics_asking
from services.alerts.policy import cards
from services.alerts.policy.matching import ask, momentary
from services.alerts.policy.triggers import State
from services.alerts.store.rows import Entry

Place: TypeAlias = tuple[str, str]
"""Rule and key."""

_NEW: Final = State()
_WORDS: Final = {True: "true", False: "false", None: "unknown"}


class Found(Struct):
    """What subjects led to."""

    entries: list[Entry] = field(default_factory=list)
    states: dict[Place, State] = field(default_factory=dict)
    """Those that changed."""


class Rulebook:
    """The rules of all kinds but signals, by kind."""

    def __init__(self, rules: Sequence[AlertRule] = ()) -> None:
        self._by_kind: dict[str, list[AlertRule]] = {}
        for rule in rules:
            if rule.kind != Kind.SIGNAL and rule.enabled and not rule.deleted:
                self._by_kind.setdefault(rule.kind, []).append(rule)

    def ask(self, subject: Subject, states: MutableMapping[Place, State], found: Found, now_ns: int) -> None:
        """Ask every rule of the subject's kind; add to `found`, and keep in `states` where the rules stand now.

        Rules with the same words cost one evaluation, however many people have them.
        """
        rules = self._by_kind.get(subject.kind)
        if not rules:
            return
        answers = _Answers(subject)
        for rule in rules:
            place = (rule.rule_id, subject.key)
            state = states.get(place, _NEW)
            asked = ask(rule, subject, state, answers.of)
            if asked.state != state and not momentary(subject):
                found.states[place] = states[place] = asked.state
            if asked.fires:
                _fire(rule, subject, asked.state.episode, found, now_ns)


class _Answers:
    """What conditions say of one subject; each is asked once."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._known: dict[str, bool | None] = {}

    def of(self, text: str) -> bool | None:
        """Return whether `text` holds.

        Raises:
            Fault: it is no condition about this kind.
        """
        if text in self._known:
            return self._known[text]
        condition = condition_of(text, self._subject.kind)
        began_s = monotonic_s()
        holds = condition.holds(self._subject.facts)
        metrics_asking.CONDITION_SECONDS.observe(monotonic_s() - began_s)
        metrics_asking.CONDITIONS.labels(_WORDS[holds]).inc()
        self._known[text] = holds
        return holds


def _fire(rule: AlertRule, subject: Subject, episode: int, found: Found, now_ns: int) -> None:
    """Add the alert, unless it is of no use any more: what is over before it is known is not told as news."""
    if cards.valid_until_ns(subject, now_ns) <= now_ns:
        metrics_asking.FIRED.labels(subject.kind, "stale").inc()
        return
    metrics_asking.FIRED.labels(subject.kind, "told").inc()
    found.entries.append(
        Entry(
            alert=cards.compose(rule, subject, episode, now_ns),
            venue=subject.venue,
            symbol=subject.symbol,
            timeframe="",
            cooldown_s=rule.cooldown_s,
            kind=subject.kind.value,
            headline=cards.headline(rule, subject),
            about=cards.about(rule, subject),
        )
    )
