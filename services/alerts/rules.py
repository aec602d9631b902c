"""Rules as people change them in; the rules that hold now, for all processes alike, out. Kept in PostgreSQL."""

from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec

from libs.common.bus.codec import encode
from libs.common.events import AlertRule

_LOCK: Final = 0x637378_72756C65

_UPSERT: Final = """
INSERT INTO alerts.rules (rule_id, revision, deleted, event)
SELECT $1, coalesce(max(revision), 0) + 1, $2, $3 FROM alerts.rules
ON CONFLICT (rule_id) DO UPDATE SET revision = excluded.revision, deleted = excluded.deleted, event = excluded.event
"""


class Rules:
    """The rules of people, and the fixed ones of the settings."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", fixed: Sequence[AlertRule] = ()) -> None:
        self._pool = pool
        self._fixed = list(fixed)
        self._revision = -1
        self._known: list[AlertRule] = []

    async def change(self, rules: Sequence[AlertRule]) -> None:
        """Take the newest word on each of `rules`, in order; a deleted one stays as a tombstone."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)  # revisions appear in order
            for rule in rules:
                await connection.execute(_UPSERT, rule.rule_id, rule.deleted, encode(rule))

    async def now(self) -> list[AlertRule]:
        """Return what holds now; asks for the revision alone unless something changed."""
        revision = await self._pool.fetchval("SELECT coalesce(max(revision), 0) FROM alerts.rules")
        if revision != self._revision:
            rows = await self._pool.fetch("SELECT event FROM alerts.rules WHERE NOT deleted ORDER BY rule_id")
            self._known = [msgspec.json.decode(row["event"], type=AlertRule) for row in rows]
            self._revision = revision
        return [*self._fixed, *self._known]
