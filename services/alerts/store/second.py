"""Critical alerts that wait too long for their channel in; the same for the recipient's second channel out.

Both may arrive: better twice than too late. Each is one row, with a fate of its own.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from libs.common.events import SECOND_NS, Alert, Severity
from services.alerts.store.rows import Entry
from services.alerts.store.subscribers import Key

AFTER_NS: Final = 45 * SECOND_NS
"""With a look every second, the second channel has it within a minute."""

_WAITING: Final = """
SELECT o.* FROM alerts.outbox AS o
JOIN unnest($1::text[], $2::text[]) AS first (channel, recipient) USING (channel, recipient)
WHERE o.severity = 'critical' AND o.next_attempt_ns IS NOT NULL AND o.created_ns <= $3 AND o.valid_until_ns > $4
    AND o.edits IS NULL AND o.kind NOT IN ('answer', 'digest')
ORDER BY o.created_ns, o.alert_id
LIMIT 500
"""
_COLUMNS: Final = tuple(name for name in Alert.__struct_fields__ if name not in {"alert_id", "channel", "recipient"})


def second_id(alert_id: str) -> str:
    """Return the id of the alert that says the same through the second channel."""
    return hashlib.sha256(f"second:{alert_id}".encode()).hexdigest()[:32]


async def waiting(connection: Any, second_of: Mapping[Key, Key], now_ns: int) -> list[Entry]:
    """Return what critical alerts that have waited for 45 s become in their recipients' second channels."""
    if not second_of:
        return []
    both = [list(column) for column in zip(*sorted(second_of), strict=True)]
    rows = await connection.fetch(_WAITING, *both, now_ns - AFTER_NS, now_ns)
    return [_entry(row, second_of[row["channel"], row["recipient"]]) for row in rows]


def _entry(row: Any, second: Key) -> Entry:
    fields = {name: row[name] for name in _COLUMNS}
    named = {"alert_id": second_id(row["alert_id"]), "channel": second[0], "recipient": second[1]}
    alert = msgspec.convert(fields | named, Alert)
    assert alert.severity is Severity.CRITICAL
    return Entry(
        alert=alert,
        venue=row["venue"],
        symbol=row["symbol"],
        timeframe=row["timeframe"],
        cooldown_s=row["cooldown_s"],
        told_version=row["told_version"],
        kind=row["kind"],
        headline=row["headline"],
    )
