"""A name in; whether this process alone may do what it stands for, out. Kept in PostgreSQL; time is an argument."""

from typing import Final

import asyncpg

from libs.common.events import SECOND_NS
from services.alerts.metrics_bot import LEASE_HELD

LASTS_S: Final = 7.0
RENEWED_S: Final = 2.0
_MARGIN_NS: Final = SECOND_NS
"""We stop so much before another may begin."""

_TAKE: Final = """
INSERT INTO alerts.leases AS l (name, holder, token, until_ns) VALUES ($1, $2, 1, $4)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, until_ns = excluded.until_ns,
    token = CASE WHEN l.holder = excluded.holder THEN l.token ELSE l.token + 1 END
WHERE l.holder = excluded.holder OR l.until_ns <= $3
RETURNING token
"""
_GIVE: Final = "UPDATE alerts.leases SET until_ns = 0 WHERE name = $1 AND holder = $2"


class Lease:
    """One name, as one process sees it. `holder` is told from all others; a process that dies loses it in 7 s."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", name: str, holder: str, *, lasts_s: float = LASTS_S
    ) -> None:
        self._pool = pool
        self._name = name
        self._holder = holder
        self._lasts_ns = int(lasts_s * SECOND_NS)
        self._until_ns = 0

    async def take(self, now_ns: int) -> bool:
        """Take it where it is free, or keep it; return whether we have it."""
        until_ns = now_ns + self._lasts_ns
        token = await self._pool.fetchval(_TAKE, self._name, self._holder, now_ns, until_ns)
        self._until_ns = 0 if token is None else until_ns
        LEASE_HELD.labels(self._name).set(token is not None)
        return token is not None

    def held(self, now_ns: int) -> bool:
        """Return whether nobody else can have it yet, whatever the store says now."""
        return now_ns < self._until_ns - _MARGIN_NS

    async def give(self) -> None:
        """Let it go at once."""
        self._until_ns = 0
        LEASE_HELD.labels(self._name).set(0)
        await self._pool.execute(_GIVE, self._name, self._holder)
