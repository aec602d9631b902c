"""Work of one connection in, tasks out that do not outlive it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from websockets.exceptions import ConnectionClosed

log = logging.getLogger(__name__)


class Children:
    """The tasks beside a connection's reading; one that breaks ends the connection, for nothing may break unseen."""

    def __init__(self, name: str, end: Callable[[str], None]) -> None:
        """`end` ends the connection for a cause."""
        self._name = name
        self._end = end
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` beside the others."""
        child = asyncio.create_task(work, name=f"{self._name} {name}")
        self._tasks.add(child)
        child.add_done_callback(self._done)

    async def reap(self) -> None:
        """Cancel all, also those that others start while they die; return when none is left."""
        while self._tasks:
            children = list(self._tasks)
            for child in children:
                child.cancel()
            await asyncio.gather(*children, return_exceptions=True)

    def _done(self, child: asyncio.Task[None]) -> None:
        self._tasks.discard(child)
        if child.cancelled() or (fault := child.exception()) is None:
            return
        if not isinstance(fault, ConnectionClosed):  # the reading hears of that itself
            log.error(
                "a task of a connection broke: the connection is made anew",
                extra={"feed": self._name, "task": child.get_name()},
                exc_info=fault,
            )
            self._end("handler")
