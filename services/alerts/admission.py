"""Verdicts in; the outbox entries that the rules make of them, out. Nothing is awaited here."""

from collections.abc import Mapping, Sequence
from typing import Final

from libs.common.bus.codec import encode
from libs.common.events import AlertRule, Decision, Direction, Verdict
from services.alerts import metrics
from services.alerts.policy.judged import about, subject_of
from services.alerts.policy.markup import Piece
from services.alerts.policy.matching import match
from services.alerts.policy.quality import Feed, badge
from services.alerts.policy.wording import brief, compose, link_of, render, valid_until_ns
from services.alerts.store.rows import Entry, Told

_TIMES_END: Final = 2**63


def admit(
    verdict: Verdict, rules: Sequence[AlertRule], now_ns: int, *, feeds: Mapping[str, Feed], public_url: str = ""
) -> list[Entry]:
    """Return one entry for each rule that wants `verdict`.

    `feeds`: what was last said of each venue's data. `public_url`: of the page that shows evidence.

    Raises:
        ValueError: an id or an address cannot be stored as text (NUL, half a surrogate pair), or a time as a number.
    """
    times_of(verdict)
    metrics.VERDICTS.labels(verdict.decision).inc()
    entries: list[Entry] = []
    facts = subject_of(verdict).facts
    words: Piece | None = None
    for rule in rules:
        answer = match(rule, verdict, facts)
        metrics.MATCHES.labels(answer.reason).inc()
        if answer.wanted:
            signal = verdict.signal
            if words is None:  # the same for every rule
                quality = badge(feeds.get(signal.venue), verdict.origin, now_ns)
                link = link_of(public_url, signal.signal_id)
                words = render(verdict, quality=quality, link=link, created_ns=now_ns)
            entries.append(
                Entry(
                    alert=compose(rule, verdict, words, now_ns),
                    venue=storable(signal.venue),
                    symbol=storable(signal.symbol),
                    timeframe=signal.timeframe,
                    cooldown_s=rule.cooldown_s,
                    headline=brief(signal),
                    about=about(rule.rule_id, signal),
                )
            )
            storable(signal.signal_id)
    return entries


def told_of(verdict: Verdict) -> Told | None:
    """Return what a signal's life needs of a verdict; None of one that was withheld, or has no direction.

    Raises:
        ValueError: an id cannot be stored as text, or a time as a number.
    """
    signal = verdict.signal
    if verdict.decision is not Decision.PUBLISH or signal.direction is Direction.NEUTRAL:
        return None
    return Told(
        signal_id=storable(signal.signal_id),
        venue=storable(signal.venue),
        symbol=storable(signal.symbol),
        timeframe=signal.timeframe,
        direction=signal.direction,
        as_of_ns=times_of(verdict)[0],
        valid_until_ns=times_of(verdict)[1],
        event=encode(verdict),
    )


def times_of(verdict: Verdict) -> tuple[int, int]:
    """Return when the verdict's signal was made, and until when it may be told.

    Raises:
        ValueError: one of them is no time that PostgreSQL can store.
    """
    times = verdict.signal.as_of_ns, valid_until_ns(verdict)
    if not all(0 <= at_ns < _TIMES_END for at_ns in times):
        raise ValueError(f"a time of {verdict.signal.signal_id!r} is out of the calendar")
    return times


def storable(value: str) -> str:
    """Return `value`, which PostgreSQL can store as text.

    Raises:
        ValueError: it cannot.
    """
    if "\x00" in value:
        raise ValueError(f"NUL in {value!r}")
    value.encode()
    return value
