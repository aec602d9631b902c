"""Batches of the buffer in, acknowledged records out: waiting for the broker is what makes everything else wait."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from libs.common.bus.topics import MARKET_REJECTS, POSITIONS, Topic
from libs.common.events import SECOND_NS, Event, MarketEvent, Reject, Trade
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s, now_ns
from libs.common.runtime.errors import DependencyDown
from services.ingest import metrics
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.ledger import Ledger
from services.ingest.delivery.spill import Spill
from services.ingest.streams import CLASS_OF
from services.ingest.venues.wire import PAYLOAD_LIMIT

log = logging.getLogger(__name__)

BATCH: Final = 2000
"""Events that are in flight to the broker at most."""

_POSITION_EVERY_S: Final = 1.0
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)


class Sink(Protocol):
    """What this file needs of `libs.common.bus.publisher.Publisher`."""

    async def publish(self, events: Sequence[Event], *, topic: Topic | None = None) -> None:
        """Publish all; return when every one is acknowledged."""

    async def put(self, topic: Topic, key: bytes, value: bytes | None, *, partition: int | None = None) -> int:
        """Publish one private record."""


class Mark(msgspec.Struct, frozen=True):
    """The value of a record of `ingest.positions.v1`: the last trade that the broker acknowledged."""

    trade_id: str
    event_ns: int


def mark_of(trade: Trade) -> Mark:
    """Return the position of `trade`."""
    return Mark(trade.trade_id, trade.event_ns)


class Draining:
    """Moves one buffer to one broker, in order, until the buffer is closed and empty."""

    def __init__(
        self,
        venue: str,
        buffer: Buffer,
        sink: Sink,
        *,
        ledger: Ledger | None = None,
        spill: Spill | None = None,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        """Take the collaborators; without a `spill` everything waits in the buffer while the broker is away."""
        self.down_since: float | None = None
        """Monotonic time of the first failure since the last success."""
        self.ledger = ledger or Ledger(venue, buffer)
        self._venue = venue
        self._buffer = buffer
        self._sink = sink
        self._spill = spill
        self._backoff = backoff or Backoff(initial_s=0.1, cap_s=5.0)
        self._clock = clock
        self._meter = metrics.BufferMeter(venue, buffer)
        self._acknowledged: dict[str, Mark] = {}
        self._written: dict[str, tuple[Mark, float]] = {}

    @property
    def marks(self) -> Mapping[str, Mark]:
        """The last trade of each symbol that is published or kept on disk, also of those not followed any more."""
        kept = self._spill.kept if self._spill else {}
        return self._acknowledged | {symbol: mark_of(trade) for symbol, trade in kept.items()}

    def fault(self) -> str | None:
        """Return why events do not reach the broker, or None."""
        disk = f": {self.ledger.on_disk} events wait on disk" if self._spill and self._spill.away else ""
        if self.down_since is not None or (self._spill and self._spill.stuck):
            return "the broker does not take records" + disk
        return "the broker is back" + disk if disk else None

    async def run(self) -> None:
        """Drain; returns when the buffer is closed and all of it was acknowledged."""
        while batch := await self._take():
            self._acknowledge(await self._beside(self._publish(batch), batch))
            self._tell()
            await self._beside(self._write_positions(_POSITION_EVERY_S))
        await self._write_positions(0)

    async def _take(self) -> list[MarketEvent]:
        if self._spill is not None:
            return await self._spill.take(BATCH)
        batch = await self._buffer.take(BATCH)
        self.ledger.took(batch)
        return batch

    async def _beside(
        self, publishing: Coroutine[Any, Any, list[MarketEvent]], batch: Sequence[MarketEvent] = ()
    ) -> list[MarketEvent]:
        """Have nothing wait for the broker that has a place on disk."""
        return await (self._spill.beside(publishing, batch, self._tell) if self._spill else publishing)

    def _tell(self) -> None:
        self._meter.update()
        self.ledger.tell()

    async def _publish(self, batch: Sequence[MarketEvent]) -> list[MarketEvent]:
        """Publish until it is acknowledged, and return what is; a repetition may duplicate, never lose."""
        while True:
            try:
                await self._sink.publish(batch)
            except DependencyDown as e:
                if isinstance(e.__cause__, _TOO_LARGE):
                    return await self._publish_singly(batch)
                metrics.PUBLISH_FAILURES.labels(self._venue).inc()
                if self.down_since is None:
                    self.down_since = self._clock()
                    log.warning(
                        "the broker takes no records: it is tried again, events wait",
                        extra={"venue": self._venue, "reason": str(e)},
                    )
                self._meter.update()
                await asyncio.sleep(self._backoff.next_s())
            else:
                if self.down_since is not None:
                    log.info(
                        "the broker takes records again",
                        extra={"venue": self._venue, "away_s": round(self._clock() - self.down_since, 3)},
                    )
                    self.down_since = None
                    self._backoff.reset()
                return list(batch)

    async def _publish_singly(self, batch: Sequence[MarketEvent]) -> list[MarketEvent]:
        """Publish a batch with an event that no broker takes: that one is parked, the others go their way."""
        if len(batch) > 1:
            return [one for event in batch for one in await self._publish([event])]
        (event,) = batch
        metrics.REJECTS.labels(self._venue, "too_large").inc()
        text = msgspec.json.encode(event)
        log.error(
            "an event is too large for the broker: its first part is parked on market.rejects.v1",
            extra={"venue": self._venue, "symbol": event.symbol, "stream": CLASS_OF[type(event)], "bytes": len(text)},
        )
        reject = Reject(
            reason="too_large",
            detail=f"{len(text)} bytes of {CLASS_OF[type(event)]} of {event.symbol} do not fit a record",
            origin_of=self._venue,
            at_ns=now_ns(),
            payload=text[:PAYLOAD_LIMIT].decode(),
        )
        try:
            await self._sink.publish([reject], topic=MARKET_REJECTS)
        except DependencyDown:
            metrics.REJECTS_UNPARKED.labels(self._venue).inc()
        self.ledger.move([event], to="rejected", out_of="in_flight")
        return []

    def _acknowledge(self, batch: Sequence[MarketEvent]) -> None:
        counts: dict[str, int] = {}
        newest: dict[str, int] = {}
        self.ledger.move(batch, to="published", out_of="in_flight")
        for event in batch:
            stream = CLASS_OF[type(event)]
            counts[stream] = counts.get(stream, 0) + 1
            newest[stream] = event.event_ns
            if isinstance(event, Trade):
                self._acknowledged[event.symbol] = mark_of(event)
        for stream, count in counts.items():
            metrics.PUBLISHED.labels(self._venue, stream).inc(count)
            metrics.LAST_EVENT.labels(self._venue, stream).set(newest[stream] / SECOND_NS)

    async def _write_positions(self, every_s: float) -> list[MarketEvent]:
        """Write the positions that are due; the list is what it publishes of the market: nothing."""
        now = self._clock()
        for symbol, mark in self._acknowledged.items():
            written, at = self._written.get(symbol, (None, float("-inf")))
            if mark == written or now - at < every_s:
                continue
            try:
                await self._sink.put(POSITIONS, f"{self._venue}|{symbol}".encode(), msgspec.json.encode(mark))
            except DependencyDown:
                metrics.POSITION_FAILURES.labels(self._venue).inc()  # the next batch writes a newer one
                return []
            self._written[symbol] = (mark, now)
        return []
