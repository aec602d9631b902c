"""What could not be read in, parked Rejects out: at most so many a second; all are counted."""

import asyncio
from collections import deque
from typing import Final

from libs.common.bus.topics import MARKET_REJECTS
from libs.common.events import Reject
from libs.common.runtime.clock import monotonic_s, now_ns
from libs.common.runtime.errors import DependencyDown
from services.ingest import metrics
from services.ingest.delivery.publisher import Sink
from services.ingest.venues.terms import Rejected
from services.ingest.venues.wire import PAYLOAD_LIMIT

PER_SECOND: Final = 20
_PENDING: Final = 100


class Parking:
    """Publishes rejects apart from the market data, so that garbage never delays a trade."""

    def __init__(self, venue: str, sink: Sink, *, per_second: float = PER_SECOND) -> None:
        self._venue = venue
        self._sink = sink
        self._rate = per_second
        self._left = per_second
        self._at = monotonic_s()
        self._pending: deque[Reject] = deque()
        self._ready = asyncio.Event()

    def park(self, rejected: Rejected, origin_of: str) -> None:
        """Count `rejected` and have it published, unless there were too many lately."""
        metrics.REJECTS.labels(self._venue, rejected.reason).inc()
        now = monotonic_s()
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1 or len(self._pending) >= _PENDING:
            metrics.REJECTS_UNPARKED.labels(self._venue).inc()
            return
        self._left -= 1
        self._pending.append(
            Reject(
                reason=rejected.reason,
                detail=rejected.detail,
                origin_of=origin_of,
                at_ns=now_ns(),
                payload=rejected.payload[:PAYLOAD_LIMIT].decode("utf-8", "backslashreplace"),
            )
        )
        self._ready.set()

    async def run(self) -> None:
        """Publish what is parked, for ever."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            await self.flush()

    async def flush(self) -> None:
        """Publish what is parked now; what the broker does not take is only counted."""
        while self._pending:
            batch = list(self._pending)
            self._pending.clear()
            try:
                await self._sink.publish(batch, topic=MARKET_REJECTS)
            except DependencyDown:
                metrics.REJECTS_UNPARKED.labels(self._venue).inc(len(batch))
