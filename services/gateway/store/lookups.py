"""Rows that many look for at once: ids in, one question to the database for all that wait, each its row out.

While a question is on its way, all that come meanwhile go with the next one: however many clients there are, the
database answers one after the other. Nobody gets a row that was read before they asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

V = TypeVar("V")


class Lookups(Generic[V]):
    """Asks for many rows at once."""

    def __init__(self, fetch: Callable[[Sequence[str]], Awaitable[Mapping[str, V]]]) -> None:
        self._fetch = fetch
        self._waiting: dict[str, asyncio.Future[V | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def find(self, key: str) -> V | None:
        """Return the row of that id, if there is one.

        Raises:
            Exception: whatever the database's answer was, for all who waited for it.
        """
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._task is None:
                self._task = asyncio.create_task(self._ask(), name="look-ups")
        return await asyncio.shield(future)

    async def _ask(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, {}
                try:
                    found = await self._fetch(list(batch))
                except Exception as e:  # noqa: BLE001 - it is raised again for each who waits
                    for future in batch.values():
                        future.set_exception(e)
                        future.exception()  # read: all who waited may have gone
                else:
                    for key, future in batch.items():
                        future.set_result(found.get(key))
        finally:
            self._task = None
            for future in self._waiting.values():
                future.cancel()
            self._waiting = {}
