"""Topics to PostgreSQL: candles and gaps, kept and then announced.

A record may come twice, after a restart or from the log: the tables stay what they were.
"""

from collections.abc import Callable, Sequence
from typing import Final

from libs.common.bus.consuming import Record
from libs.common.bus.topics import CANDLES, GAPS
from libs.common.events import Candle, Gap
from libs.common.runtime.clock import now_ns
from services.gateway import metrics
from services.gateway.schemas.announcements import Announcement
from services.gateway.store.latest import Latest, Views
from services.gateway.store.rows import sight
from services.gateway.store.store import Batch, Store
from services.gateway.stream.announcing import live_bar

HISTORY_TOPICS: Final = (CANDLES, GAPS)

_BARS_ANNOUNCED: Final = 3
"""Newest candles of one timeframe that a batch announces; history by REST comes by the hundred."""


class History:
    """Candles and gaps into PostgreSQL; then announced."""

    def __init__(self, store: Store, latest: Latest, clock: Callable[[], int] = now_ns) -> None:
        self._store = store
        self._latest = latest
        self._clock = clock

    async def __call__(self, records: Sequence[Record]) -> None:
        """Write one batch; its offsets are committed after it."""
        seen_ns = self._clock()
        batch = Batch()
        candles: dict[tuple[str, str, str], list[Candle]] = {}
        for record in records:
            event = record.event
            metrics.PROJECTED.labels(type(event).__name__).inc()
            match event:
                case Candle():
                    batch.candles.append(event)
                    candles.setdefault((event.venue, event.symbol, event.timeframe), []).append(event)
                    sight(batch.markets, event.venue, event.symbol, event.origin, event.event_ns, seen_ns)
                case Gap():
                    batch.gaps.append(event)
                case _:
                    continue
        await self._store.write(batch)
        announcements: list[Announcement] = []
        for bars in candles.values():
            newest = sorted(bars, key=lambda candle: candle.open_ns)[-_BARS_ANNOUNCED:]
            announcements.extend(live_bar(candle, seen_ns) for candle in newest)
        await self._latest.write(Views(announcements=announcements))
