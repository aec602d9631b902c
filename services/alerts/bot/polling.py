"""The lease in; updates, asked for by its holder alone, out to the bot. Whoever has it is the only one who asks.

A holder that dies is followed within ten seconds: its lease lasts seven, and the others look twice a second. Another
poller outside our lease (a 409) makes us step down, for 5 s at first and 60 s at most.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from telegram.error import Conflict, TelegramError

from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import now_ns
from services.alerts import metrics
from services.alerts.bot.leases import RENEWED_S, Lease
from services.alerts.bot.robot import Robot
from services.alerts.channels.telegram import Flooded
from services.alerts.store.outbox import STORE_ERRORS

log = logging.getLogger(__name__)

LEASE: Final = "updates"
LOOKED_S: Final = 0.5
"""How often those look who do not have it."""
_WATCHED_S: Final = 0.25
_STEP_DOWN_S: Final = 5.0
_LONGEST_STEP_DOWN_S: Final = 60.0
_LATER_S: Final = 5.0

_T = TypeVar("_T")


class Holder:
    """Keeps the lease, and does what its holder does."""

    def __init__(self, lease: Lease, robot: Robot) -> None:
        self._lease = lease
        self._robot = robot
        self._down_until_ns = 0
        self._conflicts = 0
        self._backoff = Backoff(0.5, 30.0)
        self._taken = asyncio.Event()

    async def keep(self) -> None:
        """Take and renew the lease, for ever."""
        while True:
            held = False
            if now_ns() >= self._down_until_ns:
                try:
                    held = await self._lease.take(now_ns())
                except STORE_ERRORS as e:
                    metrics.STORE_FAULTS.labels("lease").inc()
                    log.warning("the lease of updates is not renewed: %s", e)
            if held:
                self._taken.set()
            await asyncio.sleep(RENEWED_S if held else LOOKED_S)

    async def poll(self) -> None:
        """Ask for updates while the lease is ours, for ever."""
        await self._serve(self._robot.api.poll, self._ask)

    async def post(self, url: str, secret: str) -> None:
        """Have updates posted to `url`: said once by each new holder, for ever."""

        async def begin() -> None:
            await self._robot.api.post_to(url, secret)

        await self._serve(begin, self._rest)

    async def stop(self) -> None:
        """Let the lease go, so that another may begin at once."""
        try:
            await self._lease.give()
        except STORE_ERRORS as e:
            log.warning("the lease of updates runs out by itself: %s", e)

    async def _serve(self, begin: Callable[[], Awaitable[None]], work: Callable[[], Awaitable[None]]) -> None:
        while True:
            if not self._lease.held(now_ns()):
                self._taken.clear()
                await self._taken.wait()
                continue
            try:
                await self._robot.api.name()
                await begin()
                await self._robot.api.show(self._robot.commands)
                log.info("updates come to this process")
                await work()
            except Conflict as e:
                await self._step_down(self._robot.api.redact(e))
            except Flooded as e:
                await asyncio.sleep(1 + (_LATER_S if e.seconds is None else e.seconds))
            except TelegramError as e:
                log.warning("Telegram does not tell updates: %s", self._robot.api.redact(e))
                await asyncio.sleep(self._backoff.next_s())

    async def _ask(self) -> None:
        """Poll and act until the lease is lost."""
        offset: int | None = None
        while self._lease.held(now_ns()):
            found = await self._while_held(self._robot.api.updates(offset))
            for told in found or ():
                if not await self._act(told):
                    return
                offset = told["update_id"] + 1
            self._conflicts = 0
            self._backoff.reset()

    async def _act(self, told: Mapping[str, Any]) -> bool:
        """Act on one update through outages of the store; False when the lease was lost over it."""
        backoff = Backoff(0.1, 2.0)
        while self._lease.held(now_ns()):
            try:
                await self._robot.take(told)
            except STORE_ERRORS as e:
                metrics.STORE_FAULTS.labels("updates").inc()
                log.warning("an update waits for the store: %s", e)
                await asyncio.sleep(backoff.next_s())
            else:
                return True
        return False

    async def _rest(self) -> None:
        while self._lease.held(now_ns()):  # noqa: ASYNC110  (a lease that is not renewed ends without an event)
            await asyncio.sleep(_WATCHED_S)
        self._backoff.reset()

    async def _while_held(self, work: Awaitable[_T]) -> _T | None:
        """Return what `work` does; None, and it is given up, when the lease ends first."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_WATCHED_S)
                if not self._lease.held(now_ns()):
                    return None
            return task.result()
        finally:
            task.cancel()

    async def _step_down(self, reason: str) -> None:
        """Let others ask for a while: somebody who does not know our lease does."""
        seconds = min(_LONGEST_STEP_DOWN_S, _STEP_DOWN_S * 2.0**self._conflicts)
        self._conflicts = min(self._conflicts + 1, 16)
        self._down_until_ns = now_ns() + int(seconds * 1e9)
        log.warning("another asks for this bot's updates: %s", reason, extra={"wait_s": seconds})
        await self.stop()
