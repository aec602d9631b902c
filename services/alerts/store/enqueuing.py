"""Alerts in; the rows that become of them once their recipients' wishes are read, out. Within the caller's transaction.

A wish never loses an alert unseen: what is not told is a row as well, with the reason, and is published as such.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from libs.common.bus.codec import encode
from libs.common.events import DeliveryState
from services.alerts import metrics
from services.alerts.policy.budget import Limits
from services.alerts.policy.telling import Listener, Want, Way, tell
from services.alerts.store import subscribers
from services.alerts.store.rows import ANSWER, DIGEST, Entry, delivery_of, row_of
from services.alerts.store.statements import ENQUEUE, RECIPIENTS

_KNOWN: Final = "SELECT alert_id FROM alerts.outbox WHERE alert_id = ANY ($1::text[])"
_UNASKED: Final = frozenset({ANSWER, DIGEST})
_QUIETLY: Final = frozenset({DeliveryState.PENDING.value, DeliveryState.SENDING.value})
"""States that are not published."""


async def insert(connection: Any, entries: Sequence[Entry], now_ns: int, *, limits: Mapping[str, Limits]) -> list[Any]:
    """Write what is not known yet; return the new rows that wait to be sent, or to be told in a digest.

    `limits`, by channel, are those of recipients who did not say.
    """
    fresh = await _fresh(connection, entries)
    if not fresh:
        return []
    rows = await _rows(connection, fresh, now_ns, limits)
    encoded = msgspec.json.encode(rows).decode()
    await connection.execute(RECIPIENTS, encoded)
    new: list[Any] = await connection.fetch(ENQUEUE, encoded)
    for row in new:
        metrics.QUEUED.labels(row["channel"], row["severity"]).inc()
    await announce(connection, [row for row in new if row["state"] not in _QUIETLY])
    return [row for row in new if row["state"] != DeliveryState.EXPIRED]


async def announce(connection: Any, rows: Sequence[Any]) -> None:
    """Count rows whose state changed, and queue for the topic what is told of them."""
    for row in rows:
        metrics.TRANSITIONS.labels(row["channel"], row["severity"], row["state"]).inc()
    events = [(encode(delivery_of(row)),) for row in rows if row["state"] not in _QUIETLY]
    await connection.executemany("INSERT INTO alerts.announcements (event) VALUES ($1)", events)


async def _fresh(connection: Any, entries: Sequence[Entry]) -> list[Entry]:
    by_id = {entry.alert.alert_id: entry for entry in entries}
    if not by_id:
        return []
    known = {row["alert_id"] for row in await connection.fetch(_KNOWN, list(by_id))}
    return [entry for alert_id, entry in by_id.items() if alert_id not in known]


async def _rows(
    connection: Any, entries: Sequence[Entry], now_ns: int, limits: Mapping[str, Limits]
) -> list[dict[str, Any]]:
    by_recipient: dict[subscribers.Key, list[Entry]] = {}
    rows = [row_of(entry, now_ns) for entry in entries if entry.kind in _UNASKED]
    for entry in entries:
        if entry.kind not in _UNASKED:
            by_recipient.setdefault((entry.alert.channel, entry.alert.recipient), []).append(entry)
    if not by_recipient:
        return rows
    stopped = await subscribers.stopped(connection)
    listeners = await subscribers.lock(connection, by_recipient, now_ns, limits=limits)
    for key, theirs in by_recipient.items():
        listener = listeners[key]
        edits = [entry for entry in theirs if entry.edits is not None]
        anew = [entry for entry in theirs if entry.edits is None]
        wants = [Want(kind=one.kind, severity=one.alert.severity, about=one.about) for one in anew]
        ways, bucket = tell(wants, listener, stopped=stopped, now_ns=now_ns)
        if bucket != listener.bucket:
            await subscribers.spent(connection, key, bucket)
        rows += [_row(entry, way, now_ns) for entry, way in zip(anew, ways, strict=True)]
        rows += [_row(entry, _of_edit(listener, stopped=stopped), now_ns) for entry in edits]
    return rows


def _of_edit(listener: Listener, *, stopped: bool) -> Way:
    """Return how a change of a message is told: it makes no sound and costs nothing."""
    if stopped:
        return Way(dropped="all alerts are stopped")
    return Way(dropped=None if listener.disabled is None else f"the recipient is disabled: {listener.disabled}")


def _row(entry: Entry, way: Way, now_ns: int) -> dict[str, Any]:
    row = row_of(entry, now_ns) | {"silent": way.silent}
    if way.dropped is not None:
        row |= {"state": DeliveryState.EXPIRED.value, "reason": way.dropped, "next_attempt_ns": None}
    elif way.due_ns is not None:
        reason = "waits for a digest"
        row |= {"state": DeliveryState.ROLLED_UP.value, "reason": reason, "next_attempt_ns": None, "due_ns": way.due_ns}
    return row
