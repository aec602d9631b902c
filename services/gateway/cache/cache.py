"""Answers shared for a moment: a key and how to make its answer in, the answer out.

Many who ask the same at once wait for one; who asks a little later than that has the old one at once, while a new one
is made. A failure goes to all who waited for it, and is never kept.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final

import msgspec

from libs.common.runtime.clock import monotonic_s
from services.gateway.cache import metrics
from services.gateway.cache.entries import Entries, entry
from services.gateway.operations.operation import Freshness, Kept, Operation
from services.gateway.outages import OUTAGES
from services.gateway.problems import Problem

log = logging.getLogger(__name__)

WITHOUT_STORES_S: Final = 10.0
"""While a store does not answer, an answer is served this much longer; its `Age` says how old it is."""

_encode: Final = msgspec.json.Encoder().encode

_FRESH: Final = metrics.HITS.labels("fresh")
_STALE: Final = metrics.HITS.labels("stale")
_MISS: Final = metrics.HITS.labels("miss")
_SHARED: Final = metrics.HITS.labels("shared")

Make = Callable[[], Awaitable[bytes]]


class AnswerCache:
    """Kept answers, and those being made."""

    def __init__(self, limit_bytes: int, clock: Callable[[], float] = monotonic_s) -> None:
        self._entries = Entries(limit_bytes)
        self._clock = clock
        self._flights: dict[Hashable, asyncio.Task[Kept]] = {}

    @property
    def size(self) -> tuple[int, int]:
        """How many answers are kept, and their bytes."""
        return len(self._entries), self._entries.bytes

    def age_s(self, found: Kept) -> float:
        """Return how old an answer is."""
        return 0.0 if found.born_s is None else self._clock() - found.born_s

    async def answer(self, operation: Operation[Any, Any], params: Any, make: Make) -> Kept:
        """Return the answer of an operation that says how long it may be shared.

        Raises:
            Exception: whatever `make` raised.
        """
        assert operation.freshness is not None, "only such answers are shared"
        return await self.get((operation.name, _encode(params)), operation.freshness, make)

    async def get(self, key: Hashable, freshness: Freshness, make: Make) -> Kept:
        """Return the kept answer while it is fresh, the old one a little longer, else a new one.

        Whoever stops waiting does not end the work: others may wait for it.

        Raises:
            Exception: whatever `make` raised, for each who waited for it.
        """
        found = self._entries.get(key)
        age_s = self.age_s(found) if found is not None else 0.0
        flight = self._flights.get(key)
        if found is not None and age_s < freshness.fresh_s + freshness.stale_s:
            if age_s < freshness.fresh_s:
                _FRESH.inc()
            else:
                _STALE.inc()
                if flight is None:
                    self._fly(key, make)
            return found
        if flight is None:
            _MISS.inc()
            flight = self._fly(key, make)
        else:
            _SHARED.inc()
        try:
            return await asyncio.shield(flight)
        except Problem as e:  # each who waits adds to its headers
            raise Problem(e.code, e.detail, *e.errors, headers=e.headers) from e
        except OUTAGES:
            if found is not None and self.age_s(found) < freshness.fresh_s + WITHOUT_STORES_S:
                return found
            raise

    def clear(self) -> None:
        """Forget every answer: memory is short."""
        metrics.DROPPED.inc(self._entries.clear())
        metrics.BYTES.set(0)

    async def stop(self) -> None:
        """End what is being made."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _fly(self, key: Hashable, make: Make) -> "asyncio.Task[Kept]":
        flight = asyncio.create_task(self._make(key, make), name="cache")
        self._flights[key] = flight
        flight.add_done_callback(lambda done: self._landed(key, done))
        return flight

    async def _make(self, key: Hashable, make: Make) -> Kept:
        began_s = self._clock()  # as old as its oldest part can be
        new = entry(await make(), began_s)
        metrics.DROPPED.inc(self._entries.put(key, new))
        metrics.BYTES.set(self._entries.bytes)
        return new

    def _landed(self, key: Hashable, flight: "asyncio.Task[Kept]") -> None:
        del self._flights[key]
        if not flight.cancelled() and (error := flight.exception()) is not None:
            metrics.FAILED.inc()
            log.info("an answer could not be made", extra={"error": repr(error)})
