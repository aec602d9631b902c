"""Verdicts in; the outbox entries that the rules make of them, out. Nothing is awaited here."""

from collections.abc import Sequence

from libs.common.events import AlertRule, Verdict
from services.alerts import metrics
from services.alerts.policy.matching import match
from services.alerts.policy.wording import compose
from services.alerts.rows import Entry


def admit(verdict: Verdict, rules: Sequence[AlertRule], now_ns: int) -> list[Entry]:
    """Return one entry for each rule that wants `verdict`.

    Raises:
        ValueError: an id or an address cannot be stored as text (NUL, half a surrogate pair).
    """
    metrics.VERDICTS.labels(verdict.decision).inc()
    entries: list[Entry] = []
    for rule in rules:
        answer = match(rule, verdict)
        metrics.MATCHES.labels(answer.reason).inc()
        if answer.wanted:
            signal = verdict.signal
            entries.append(
                Entry(
                    alert=compose(rule, verdict, now_ns),
                    venue=storable(signal.venue),
                    symbol=storable(signal.symbol),
                    timeframe=signal.timeframe,
                    cooldown_s=rule.cooldown_s,
                )
            )
            storable(signal.signal_id)
    return entries


def storable(value: str) -> str:
    """Return `value`, which PostgreSQL can store as text.

    Raises:
        ValueError: it cannot.
    """
    if "\x00" in value:
        raise ValueError(f"NUL in {value!r}")
    value.encode()
    return value
