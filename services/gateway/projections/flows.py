"""Topics to PostgreSQL: liquidations, funding, marks, open interest, metrics and what venues list.

A record may come twice or late: the tables stay what they were, or as if it had come in its time.
"""

from collections.abc import Callable, Sequence
from typing import Final

from libs.common.bus.consuming import Record
from libs.common.bus.topics import FUNDING, INSTRUMENTS, LIQUIDATIONS, METRICS, OPEN_INTEREST
from libs.common.events import FundingRate, Liquidation, Listing, MarkPrice, Metric, OpenInterest
from libs.common.runtime.clock import now_ns
from services.gateway import metrics
from services.gateway.store.flows import Flow, Flows
from services.gateway.store.latest import Latest, Views
from services.gateway.stream.announcing import flows_told

FLOW_TOPICS: Final = (LIQUIDATIONS, FUNDING, OPEN_INTEREST, METRICS, INSTRUMENTS)


class FlowFold:
    """What markets and vendors say besides trades, books and candles."""

    def __init__(self, flows: Flows, latest: Latest, clock: Callable[[], int] = now_ns) -> None:
        self._flows = flows
        self._latest = latest
        self._clock = clock

    async def __call__(self, records: Sequence[Record]) -> None:
        """Write one batch; its offsets are committed after it."""
        events: list[Flow] = []
        for record in records:
            event = record.event
            metrics.PROJECTED.labels(type(event).__name__).inc()
            if isinstance(event, Liquidation | FundingRate | MarkPrice | OpenInterest | Metric | Listing):
                events.append(event)
        seen_ns = self._clock()
        await self._flows.write(events, seen_ns)
        await self._latest.write(Views(announcements=flows_told(events, seen_ns)))
