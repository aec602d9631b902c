"""What keys are used for: calls in, counts by hour, operation and outcome out to PostgreSQL every few seconds."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from libs.common.runtime.clock import now_ns
from services.gateway.access.principal import Principal, Way
from services.gateway.outages import OUTAGES

log = logging.getLogger(__name__)

HOUR_NS: Final = 3_600 * 1_000_000_000
KEPT_NS: Final = 90 * 24 * HOUR_NS
FLUSH_S: Final = 10.0
_MOST: Final = 20_000
"""Rows that wait for PostgreSQL; while it is away, new ones beyond that are counted by nobody."""

_ADD: Final = """
INSERT INTO gateway.key_usage AS u (key_id, hour_ns, operation, class, n, cost) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (key_id, hour_ns, operation, class) DO UPDATE SET n = u.n + excluded.n, cost = u.cost + excluded.cost
"""

_USED: Final = """
UPDATE gateway.api_keys SET uses = uses + $2, used_ns = greatest(used_ns, $3) WHERE key_id = $1
"""

_OF_KEY: Final = """
SELECT hour_ns, operation, class, n, cost FROM gateway.key_usage
WHERE key_id = $1 AND hour_ns >= $2 AND hour_ns < $3
ORDER BY hour_ns DESC, operation, class LIMIT $4
"""

_PRUNE: Final = "DELETE FROM gateway.key_usage WHERE hour_ns < $1"

_Row = tuple[str, int, str, int]


class Hour(Struct, frozen=True):
    """Calls of one operation with one key within one hour."""

    hour_ns: int
    operation: str
    status_class: int
    n: int
    cost: int


class Usage:
    """Counts in this process, and adds up in PostgreSQL: a process that is killed takes the last seconds with it."""

    def __init__(self, pool: Callable[[], Any], *, clock: Callable[[], int] = now_ns) -> None:
        self._pool = pool
        self._clock = clock
        self._calls: Counter[_Row] = Counter()
        self._costs: Counter[_Row] = Counter()
        self._used: dict[str, tuple[int, int]] = {}

    def count(self, principal: Principal, operation: str, status: int, cost: int) -> None:
        """Count one answered call; only keys are counted."""
        if principal.way is not Way.KEY:
            return
        now, key_id = self._clock(), principal.credential
        row = (key_id, now - now % HOUR_NS, operation, status // 100 if status >= 400 else 2)
        if row not in self._calls and len(self._calls) >= _MOST:
            return
        self._calls[row] += 1
        self._costs[row] += cost
        self._used[key_id] = (self._used.get(key_id, (0, 0))[0] + 1, now)

    async def flush(self) -> None:
        """Add what was counted to the tables, once; what fails is kept for the next time."""
        calls, costs, used = self._calls, self._costs, self._used
        if not calls:
            return
        self._calls, self._costs, self._used = Counter(), Counter(), {}
        try:
            async with self._pool().acquire() as connection, connection.transaction():
                # in one order: two replicas that lock in one order cannot deadlock
                await connection.executemany(_ADD, [(*row, calls[row], costs[row]) for row in sorted(calls)])
                await connection.executemany(_USED, [(key_id, *used[key_id]) for key_id in sorted(used)])
        except BaseException:  # cancelled or failed alike: what was not written is counted on
            self._calls.update(calls)
            self._costs.update(costs)
            for key_id, (n, at_ns) in used.items():
                more, later = self._used.get(key_id, (0, at_ns))
                self._used[key_id] = (n + more, later)
            raise

    async def keep_flushing(self, every_s: float = FLUSH_S) -> None:
        """Flush every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.flush()
            except OUTAGES as e:
                log.warning("the use of keys waits to be written", extra={"error": repr(e)})


async def of_key(connection: Any, key_id: str, from_ns: int, to_ns: int, *, limit: int) -> list[Hour]:
    """Return a key's use in the hours that begin in [from_ns, to_ns), newest first."""
    rows = await connection.fetch(_OF_KEY, key_id, from_ns - from_ns % HOUR_NS, to_ns, limit)
    return [Hour(row["hour_ns"], row["operation"], row["class"], row["n"], row["cost"]) for row in rows]


async def prune(connection: Any, now: int) -> int:
    """Forget what is older than ninety days; return how many rows."""
    deleted = await connection.execute(_PRUNE, now - KEPT_NS)
    return int(deleted.rpartition(" ")[2])
