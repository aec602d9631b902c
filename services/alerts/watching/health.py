"""Our own processes, asked every few seconds by one of us, in; what rules about them fire on, told."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

import asyncpg

from libs.common.runtime.clock import now_ns
from services.alerts import metrics
from services.alerts.dispatcher import Dispatcher
from services.alerts.metrics_watching import SUBJECTS
from services.alerts.rules import Rules
from services.alerts.store.outbox import STORE_ERRORS, Outbox
from services.alerts.watching.asking import Rulebook
from services.alerts.watching.store import WatchStore
from services.alerts.watching.system import System

log = logging.getLogger(__name__)

_LOCK: Final = 0x637378_73797374
_LOCKED: Final = "SELECT pg_try_advisory_lock($1)"


class SystemWatch:
    """Of all processes that share the store, one asks: it holds a lock for as long as its connection lives."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        outbox: Outbox,
        rules: Rules,
        dispatcher: Dispatcher,
        urls: Mapping[str, str],
        *,
        every_s: float = 15.0,
    ) -> None:
        self._pool = pool
        self._store = WatchStore(pool, outbox)
        self._rules = rules
        self._dispatcher = dispatcher
        self._system = System(urls)
        self._every_s = every_s

    async def run(self) -> None:
        """Ask for ever; an outage of the store only delays it, and what it would have told then is told after."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    while await connection.fetchval(_LOCKED, _LOCK):
                        await self.round(now_ns())
                        await asyncio.sleep(self._every_s)
            except STORE_ERRORS as e:
                metrics.STORE_FAULTS.labels("system").inc()
                log.warning("our processes are not watched: %s", e)
            await asyncio.sleep(self._every_s)

    async def round(self, at_ns: int) -> None:
        """Ask each process once, and the rules about it."""
        subjects = await self._system.read(at_ns)
        SUBJECTS.labels("system").inc(len(subjects))
        if await self._store.ask(subjects, Rulebook(await self._rules.now()), now_ns()):
            self._dispatcher.nudge()
