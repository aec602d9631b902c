"""Alerts that wait for a digest in; one message that tells them all out, rewritten until it leaves."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from libs.common.events import DAY_NS, MINUTE_NS, SECOND_NS, Alert, Origin, Severity
from services.alerts.metrics_digests import DIGESTS
from services.alerts.policy.budget import Limits
from services.alerts.policy.digest import Told, compose
from services.alerts.policy.markup import Piece
from services.alerts.policy.quiet import quiet_until_ns
from services.alerts.policy.telling import Listener
from services.alerts.store import subscribers
from services.alerts.store.enqueuing import announce, insert
from services.alerts.store.rows import DIGEST, Entry
from services.alerts.store.subscribers import Key

_WORTH_NS: Final = DAY_NS
"""How long a digest may wait for its channel."""
_REWRITE_NS: Final = MINUTE_NS
"""What waits to leave is brought up to date so often: more of it is over."""
_RECIPIENTS_AT_ONCE: Final = 100
_ALERTS_AT_ONCE: Final = 20_000
_RULE: Final = "digest"

_DUE: Final = """
SELECT channel, recipient FROM alerts.outbox WHERE due_ns <= $1 AND digest_id IS NULL
UNION
SELECT channel, recipient FROM alerts.outbox WHERE kind = 'digest' AND state = 'pending' AND updated_ns <= $2
ORDER BY channel, recipient
LIMIT $3
"""
_OPEN: Final = """
SELECT alert_id, kind, headline, severity, state, origin, created_ns, valid_until_ns
FROM alerts.outbox
WHERE channel = $1 AND recipient = $2 AND due_ns <= $3 AND digest_id IS NULL
ORDER BY created_ns, alert_id
LIMIT $4
FOR UPDATE
"""
_PENDING: Final = """
SELECT alert_id FROM alerts.outbox
WHERE channel = $1 AND recipient = $2 AND kind = 'digest' AND state = 'pending'
ORDER BY created_ns
LIMIT 1
FOR UPDATE
"""
_TOLD: Final = """
SELECT alert_id, kind, headline, severity, state, origin, created_ns, valid_until_ns
FROM alerts.outbox WHERE digest_id = $1
ORDER BY created_ns, alert_id
"""
_JOIN: Final = """
UPDATE alerts.outbox SET digest_id = $2, updated_ns = $3,
    reason = CASE WHEN state = 'rolled_up' THEN 'told in digest ' || $2 ELSE reason END
WHERE alert_id = ANY ($1::text[])
RETURNING *
"""
_REWRITE: Final = """
UPDATE alerts.outbox SET html = $2, text = $3, origin = $4, headline = $5, updated_ns = $6 WHERE alert_id = $1
"""
_POSTPONE: Final = "UPDATE alerts.outbox SET due_ns = $2 WHERE alert_id = ANY ($1::text[])"
_DROP: Final = """
UPDATE alerts.outbox
SET due_ns = NULL, state = 'expired', updated_ns = $2,
    reason = CASE WHEN state = 'rolled_up' THEN $3 ELSE reason END
WHERE alert_id = ANY ($1::text[])
RETURNING *
"""


async def due(connection: Any, now_ns: int) -> list[Key]:
    """Return recipients with something to tell, or a digest to bring up to date."""
    rows = await connection.fetch(_DUE, now_ns, now_ns - _REWRITE_NS, _RECIPIENTS_AT_ONCE)
    return [(row["channel"], row["recipient"]) for row in rows]


async def write(connection: Any, key: Key, now_ns: int, *, limits: Mapping[str, Limits]) -> bool:
    """Tell `key` what is due: in the digest that waits to leave, or in a new one when the budget has a token.

    Returns whether there is a new one. Within the caller's transaction.
    """
    if await subscribers.stopped(connection):
        return False
    listener = (await subscribers.lock(connection, [key], now_ns, limits=limits))[key]
    pending = await connection.fetchval(_PENDING, *key)
    rows = await connection.fetch(_OPEN, *key, now_ns, _ALERTS_AT_ONCE)
    ids = [row["alert_id"] for row in rows]
    if listener.disabled is not None:
        reason = f"the recipient is disabled: {listener.disabled}"
        dropped = await connection.fetch(_DROP, ids, now_ns, reason)
        await announce(connection, [row for row in dropped if row["reason"] == reason])
        return False
    if (later_ns := _later_ns(listener, rows, now_ns, waiting=pending is not None)) > now_ns:
        await connection.execute(_POSTPONE, ids, later_ns)
        return False
    if pending is not None:
        await _join(connection, ids, pending, now_ns)
        whole = await connection.fetch(_TOLD, pending)
        words = compose([_told(row) for row in whole], now_ns, listener.zone)
        told = (words.html, words.text, _origin(whole).value, _headline(whole))
        await connection.execute(_REWRITE, pending, *told, now_ns)
        return False
    if not rows:
        return False
    entry = _entry(key, rows, compose([_told(row) for row in rows], now_ns, listener.zone), now_ns)
    await insert(connection, [entry], now_ns, limits=limits)
    await _join(connection, ids, entry.alert.alert_id, now_ns)
    if listener.limits.per_h:
        await subscribers.spent(connection, key, listener.bucket.spend(listener.limits.per_h, now_ns))
    DIGESTS.labels(key[0]).inc()
    return True


def _later_ns(listener: Listener, rows: Sequence[Any], now_ns: int, *, waiting: bool) -> int:
    """Return when the digest may be told: a critical alert in it sounds at once; what waits already costs no more."""
    if any(row["severity"] == Severity.CRITICAL and row["state"] == "rolled_up" for row in rows):
        return now_ns
    later_ns = max(now_ns, listener.paused_until_ns)
    if listener.limits.per_h and not waiting:
        later_ns = max(later_ns, listener.bucket.next_ns(listener.limits.per_h, now_ns))
    return later_ns if listener.quiet is None else quiet_until_ns(listener.quiet, later_ns)


async def _join(connection: Any, ids: Sequence[str], digest_id: str, now_ns: int) -> None:
    rows = await connection.fetch(_JOIN, ids, digest_id, now_ns)
    await announce(connection, [row for row in rows if row["state"] == "rolled_up"])


def _told(row: Any) -> Told:
    return Told(
        kind=row["kind"],
        headline=row["headline"],
        severity=Severity(row["severity"]),
        origin=Origin(row["origin"]),
        created_ns=row["created_ns"],
        valid_until_ns=row["valid_until_ns"],
        missed=row["state"] != "rolled_up",
    )


def _origin(rows: Sequence[Any]) -> Origin:
    """Return the one that needs saying most."""
    origins = {row["origin"] for row in rows}
    return next(origin for origin in (Origin.SIMULATED, Origin.RECORDED, Origin.LIVE) if origin in origins)


def _headline(rows: Sequence[Any]) -> str:
    return f"digest of {len(rows)}"


def _entry(key: Key, rows: Sequence[Any], words: Piece, now_ns: int) -> Entry:
    """Return the digest. One whose fate is unknown is repeated, so it is a warning at least."""
    critical = any(row["severity"] == Severity.CRITICAL and row["state"] == "rolled_up" for row in rows)
    name = f"{_RULE}:{len(key[0])}:{key[0]}{len(key[1])}:{key[1]}{rows[0]['alert_id']}:{now_ns // SECOND_NS}"
    return Entry(
        alert=Alert(
            alert_id=hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32],
            rule_id=_RULE,
            signal_id="",
            channel=key[0],
            recipient=key[1],
            severity=Severity.CRITICAL if critical else Severity.WARNING,
            html=words.html,
            text=words.text,
            created_ns=now_ns,
            valid_until_ns=now_ns + _WORTH_NS,
            origin=_origin(rows),
        ),
        venue="",
        symbol="",
        timeframe="",
        kind=DIGEST,
        headline=_headline(rows),
    )
