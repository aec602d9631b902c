"""Recipients in; their wishes, locked until the transaction ends, out. Kept in PostgreSQL.

Every function works within the caller's transaction.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from services.alerts.policy.budget import Bucket, Limits
from services.alerts.policy.quiet import Quiet
from services.alerts.policy.telling import Listener, Mode

Key = tuple[str, str]
"""Channel and recipient."""

_MEET: Final = """
INSERT INTO alerts.subscribers (channel, recipient)
SELECT * FROM unnest($1::text[], $2::text[]) AS new (channel, recipient) ORDER BY channel, recipient
ON CONFLICT DO NOTHING
"""
_LOCK: Final = """
SELECT s.*,
    (SELECT json_agg(json_build_array(p.kind, p.severity, p.mode)) FROM alerts.preferences AS p
        WHERE p.channel = s.channel AND p.recipient = s.recipient) AS modes,
    (SELECT json_agg(json_build_array(m.subject, m.until_ns)) FROM alerts.mutes AS m
        WHERE m.channel = s.channel AND m.recipient = s.recipient AND m.until_ns > $3) AS mutes
FROM alerts.subscribers AS s
JOIN unnest($1::text[], $2::text[]) AS wanted (channel, recipient) USING (channel, recipient)
ORDER BY s.channel, s.recipient
FOR UPDATE OF s
"""
_SPENT: Final = "UPDATE alerts.subscribers SET spent_ns = $3 WHERE channel = $1 AND recipient = $2"
_DISABLE: Final = """
UPDATE alerts.subscribers SET state = 'disabled', reason = $3
WHERE channel = $1 AND recipient = $2 AND state <> 'disabled'
RETURNING recipient
"""
_STOPPED: Final = "SELECT stopped FROM alerts.switch FOR SHARE"


async def stopped(connection: Any) -> bool:
    """Return whether the kill switch is thrown; nobody throws it before the transaction ends."""
    return bool(await connection.fetchval(_STOPPED))


async def lock(
    connection: Any, keys: Collection[Key], now_ns: int, *, limits: Mapping[str, Limits]
) -> dict[Key, Listener]:
    """Return the wishes of `keys`, ours until the transaction ends; `limits`, by channel, count for who did not say."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    both = [list(column) for column in zip(*wanted, strict=True)]
    rows = await connection.fetch(_LOCK, *both, now_ns)
    if len(rows) < len(wanted):
        await connection.execute(_MEET, *both)
        rows = await connection.fetch(_LOCK, *both, now_ns)
    return {(row["channel"], row["recipient"]): _listener(row, limits) for row in rows}


async def spent(connection: Any, key: Key, bucket: Bucket) -> None:
    """Write what `key` has spent."""
    await connection.execute(_SPENT, *key, list(bucket.spent_ns))


async def disable(connection: Any, key: Key, reason: str) -> bool:
    """Send `key` nothing more until they ask again; return whether that is news."""
    await connection.execute(_MEET, [key[0]], [key[1]])
    return bool(await connection.fetch(_DISABLE, *key, reason))


def _listener(row: Any, limits: Mapping[str, Limits]) -> Listener:
    theirs = limits.get(row["channel"]) or Limits()
    quiet = None
    if row["quiet_from"] is not None:
        quiet = Quiet(row["quiet_from"], row["quiet_to"], row["zone"])
    return Listener(
        disabled=row["reason"] if row["state"] == "disabled" else None,
        paused_until_ns=row["paused_until_ns"],
        quiet=quiet,
        zone=row["zone"],
        digest_minute=row["digest_minute"],
        limits=Limits(per_h=row["per_h"] or theirs.per_h, burst=theirs.burst),
        bucket=Bucket(tuple(row["spent_ns"])),
        modes={(kind, severity): Mode(mode) for kind, severity, mode in msgspec.json.decode(row["modes"] or b"[]")},
        mutes=dict(msgspec.json.decode(row["mutes"] or b"[]")),
    )
