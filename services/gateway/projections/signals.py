"""Topics to PostgreSQL and the feed: signals, verdicts, outcomes and deliveries, each told once.

A record may come twice, after a restart or from the log: the tables stay what they were and nothing is told again.
"""

from collections.abc import Callable, Sequence
from typing import Final

from libs.common.bus.consuming import Record
from libs.common.bus.topics import DELIVERIES, OUTCOMES, SIGNALS, VERDICTS
from libs.common.events import Delivery, Outcome, Signal, Verdict
from libs.common.runtime.clock import now_ns
from services.gateway import metrics
from services.gateway.store.announcements import hint
from services.gateway.store.latest import Latest
from services.gateway.store.rows import Placed, sight
from services.gateway.store.signalling import Told
from services.gateway.store.store import Store

SIGNAL_TOPICS: Final = (SIGNALS, VERDICTS, OUTCOMES, DELIVERIES)


class SignalFold:
    """What the engine and its judge say, and what became of it."""

    def __init__(self, store: Store, latest: Latest, clock: Callable[[], int] = now_ns) -> None:
        self._store = store
        self._latest = latest
        self._clock = clock

    async def __call__(self, records: Sequence[Record]) -> None:
        """Write one batch, then give every replica's stream a hint; offsets are committed after it."""
        seen_ns = self._clock()
        told = Told()
        for record in records:
            event = record.event
            metrics.PROJECTED.labels(type(event).__name__).inc()
            match event:
                case Signal():
                    told.signals.append(Placed(event, record.partition, record.offset))
                    sight(told.markets, event.venue, event.symbol, event.origin, event.known_at_ns, seen_ns)
                case Verdict():
                    told.verdicts.append(event)
                case Outcome():
                    told.outcomes.append(event)
                case Delivery():
                    told.deliveries.append(event)
                case _:
                    continue
        if said := await self._store.signalling.write(told, seen_ns):
            await hint(self._latest.redis, said)
