"""Topics to PostgreSQL: candles, gaps, signals, verdicts and deliveries, kept and then announced.

A record may come twice, after a restart or from the log: the tables stay what they were.
"""

from collections.abc import Callable, Sequence
from typing import Final

from libs.common.bus.consuming import Record
from libs.common.bus.topics import CANDLES, DELIVERIES, GAPS, SIGNALS, VERDICTS
from libs.common.events import Candle, Delivery, Gap, Origin, Signal, Verdict
from libs.common.runtime.clock import now_ns
from services.gateway import metrics
from services.gateway.schemas.signals import StoredSignal
from services.gateway.store.latest import Announcement, Latest, Views
from services.gateway.store.rows import MarketRow
from services.gateway.store.store import Batch, Store
from services.gateway.stream.announcing import judged_signal, live_bar, signal_summary

HISTORY_TOPICS: Final = (CANDLES, GAPS, SIGNALS, VERDICTS, DELIVERIES)

_BARS_ANNOUNCED: Final = 3
"""Newest candles of one timeframe that a batch announces; history by REST comes by the hundred."""


class History:
    """Candles, gaps, signals, verdicts and deliveries into PostgreSQL; then announced."""

    def __init__(self, store: Store, latest: Latest, clock: Callable[[], int] = now_ns) -> None:
        self._store = store
        self._latest = latest
        self._clock = clock

    async def __call__(self, records: Sequence[Record]) -> None:
        """Write one batch; its offsets are committed after it."""
        seen_ns = self._clock()
        batch = Batch()
        announcements: list[Announcement] = []
        candles: dict[tuple[str, str, str], list[Candle]] = {}
        for record in records:
            event = record.event
            metrics.PROJECTED.labels(type(event).__name__).inc()
            match event:
                case Candle():
                    batch.candles.append(event)
                    candles.setdefault((event.venue, event.symbol, event.timeframe), []).append(event)
                    self._mark(batch, event.venue, event.symbol, event.origin, event.event_ns, seen_ns)
                case Signal():
                    batch.signals.append(event)
                    announcements.append(signal_summary(StoredSignal(signal=event, seen_ns=seen_ns), seen_ns))
                    self._mark(batch, event.venue, event.symbol, event.origin, event.known_at_ns, seen_ns)
                case Verdict():
                    batch.verdicts.append(event)
                    announcements.append(judged_signal(event, seen_ns))
                case Delivery():
                    batch.deliveries.append(event)
                case Gap():
                    batch.gaps.append(event)
                case _:
                    continue
        await self._store.write(batch, seen_ns)
        for bars in candles.values():
            newest = sorted(bars, key=lambda candle: candle.open_ns)[-_BARS_ANNOUNCED:]
            announcements.extend(live_bar(candle) for candle in newest)
        await self._latest.write(Views(announcements=announcements))

    @staticmethod
    def _mark(batch: Batch, venue: str, symbol: str, origin: Origin, event_ns: int, seen_ns: int) -> None:
        batch.markets[symbol, venue] = MarketRow(
            venue=venue, symbol=symbol, origin=origin, event_ns=event_ns, seen_ns=seen_ns
        )
