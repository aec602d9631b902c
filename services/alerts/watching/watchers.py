"""Both readers of what is no signal, markets and our own processes: started and stopped as one."""

import asyncio

import asyncpg

from libs.common.bus.kafka import Bus
from libs.common.runtime.process import Process
from services.alerts.dispatcher import Dispatcher
from services.alerts.rules import Rules
from services.alerts.settings_watch import WatchSettings
from services.alerts.store.outbox import Outbox
from services.alerts.watching.health import SystemWatch
from services.alerts.watching.watch import Watch


class Watchers:
    """The tasks; built before the bus starts, so that their consumer is one of its."""

    def __init__(
        self,
        bus: Bus,
        pool: "asyncpg.Pool[asyncpg.Record]",
        outbox: Outbox,
        rules: Rules,
        dispatcher: Dispatcher,
        rules_read: asyncio.Event,
        settings: WatchSettings,
    ) -> None:
        """`rules_read`: no rule is asked about a market before."""
        self._watch = Watch(bus, pool, outbox, rules, dispatcher, rules_read)
        urls, every_s = settings.processes(), settings.watched_every_s
        self._system = SystemWatch(pool, outbox, rules, dispatcher, urls, every_s=every_s) if urls else None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, process: Process) -> None:
        """Run for as long as the process does."""
        self._tasks.append(process.spawn(self._watch.keep(), name="watch"))
        if self._system is not None:
            self._tasks.append(process.spawn(self._system.run(), name="system"))

    async def stop(self) -> None:
        """Give up what waits for the store, and the connection that is held."""
        self._watch.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
