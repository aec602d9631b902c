"""A check that we are alive in, a beat over HTTP every few seconds out; where something is wrong, silence."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

from libs.common.runtime.clock import monotonic_s
from services.alerts.metrics_heartbeat import HEARTBEATS

log = logging.getLogger(__name__)

EVERY_S: Final = 10.0
_WITHIN_S: Final = 3.0

Alive = Callable[[], Awaitable[bool]]
"""True when the sender moved since the last question and the store answered."""


class Moving:
    """The check of the alerts service: its sender has looked at the outbox since the last question, its store answers.

    Raises:
        whatever the store raises that does not answer.
    """

    def __init__(self, rounds: Callable[[], int], ask: Callable[[], Awaitable[object]]) -> None:
        self._rounds = rounds
        self._ask = ask
        self._before = 0

    async def __call__(self) -> bool:
        """Return whether it does."""
        await self._ask()
        rounds = self._rounds()
        moved, self._before = rounds != self._before, rounds
        return moved


class Heartbeat:
    """Posts to one URL while `alive` says so. A beat that fails is not repeated: the next one is soon enough."""

    def __init__(self, url: str, alive: Alive, *, every_s: float = EVERY_S, within_s: float = _WITHIN_S) -> None:
        self._url = url
        self._alive = alive
        self._every_s = every_s
        self._within_s = within_s
        self._last = ""

    async def run(self) -> None:
        """Beat until cancelled; no fault of the other side, and none of the check, ends it."""
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log the URL, which may hold a key
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=self._within_s) as client:
            while True:
                began_s = monotonic_s()
                await self.beat(client)
                await asyncio.sleep(max(0.0, self._every_s - (monotonic_s() - began_s)))

    async def beat(self, client: httpx.AsyncClient) -> bool:
        """Ask, and post once; return whether the beat was taken."""
        result, reason = await self._try(client)
        HEARTBEATS.labels(result).inc()
        if result != self._last:
            log.log(logging.INFO if result == "sent" else logging.WARNING, "heartbeat: %s %s", result, reason)
            self._last = result
        return result == "sent"

    async def _try(self, client: httpx.AsyncClient) -> tuple[str, str]:
        try:
            async with asyncio.timeout(self._within_s):
                alive = await self._alive()
        except Exception as e:  # noqa: BLE001  (a check that breaks is the very thing to be silent about; logged)
            return "withheld", f"the check broke: {type(e).__name__}: {e}"
        if not alive:
            return "withheld", "the check says no"
        try:
            async with asyncio.timeout(self._within_s), client.stream("POST", self._url) as response:
                status = response.status_code
        except (TimeoutError, OSError, httpx.HTTPError, httpx.InvalidURL) as e:
            return "failed", type(e).__name__  # its text would hold the URL, which may hold a key
        return ("sent", "") if 200 <= status < 300 else ("failed", f"answered {status}")
