"""Work that the store does not take yet in; the same again until it is done, or until the process stops."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from libs.common.runtime.backoff import Backoff
from services.alerts import metrics
from services.alerts.store.outbox import STORE_ERRORS

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Patience:
    """Waits out outages of the store: what reads a topic must not pass over what it could not keep."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Wait no longer: a batch in hand is given up, uncommitted, and comes again."""
        self._stopping.set()

    async def outlast(self, step: Callable[[], Awaitable[_T]], name: str) -> _T:
        """Return what `step` returns, as soon as the store lets it; `name` is what its faults are counted under."""
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                return await step()
            except STORE_ERRORS as e:
                metrics.STORE_FAULTS.labels(name).inc()
                log.warning("the store does not take our work yet: %s", e)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(backoff.next_s()):
                        await self.first(asyncio.Event())

    async def first(self, event: asyncio.Event) -> None:
        """Wait for `event`; when the process stops first, give up as if cancelled."""
        waits = [asyncio.ensure_future(one.wait()) for one in (event, self._stopping)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not event.is_set():
            raise asyncio.CancelledError("the process stops")
