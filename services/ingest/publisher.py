"""Batches of the buffer in, acknowledged records out: waiting for the broker is what makes everything else wait."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from libs.common.bus.topics import MARKET_REJECTS, POSITIONS, Topic
from libs.common.events import SECOND_NS, Event, MarketEvent, Reject, Trade
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s, now_ns
from libs.common.runtime.errors import DependencyDown
from services.ingest import metrics
from services.ingest.buffer import Buffer
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


class Draining:
    """Moves one buffer to one broker, in order, until the buffer is closed and empty."""

    def __init__(
        self,
        venue: str,
        buffer: Buffer,
        sink: Sink,
        *,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        self.down_since: float | None = None
        """Monotonic time of the first failure since the last success."""
        self._venue = venue
        self._buffer = buffer
        self._sink = sink
        self._backoff = backoff or Backoff(initial_s=0.1, cap_s=5.0)
        self._clock = clock
        self._meter = metrics.BufferMeter(venue, buffer)
        self._acknowledged: dict[str, Mark] = {}
        self._written: dict[str, tuple[Mark, float]] = {}

    @property
    def marks(self) -> Mapping[str, Mark]:
        """The last trade of each symbol that the broker acknowledged, also of those that are not followed any more."""
        return self._acknowledged

    async def run(self) -> None:
        """Drain; returns when the buffer is closed and all of it was acknowledged."""
        while batch := await self._buffer.take(BATCH):
            await self._publish(batch)
            self._acknowledge(batch)
            self._meter.update()
            await self._write_positions(_POSITION_EVERY_S)
        await self._write_positions(0)

    async def _publish(self, batch: Sequence[MarketEvent]) -> None:
        """Publish until it is acknowledged; a repetition may duplicate, never lose."""
        while True:
            try:
                await self._sink.publish(batch)
            except DependencyDown as e:
                if isinstance(e.__cause__, _TOO_LARGE):
                    await self._publish_singly(batch)
                    return
                metrics.PUBLISH_FAILURES.labels(self._venue).inc()
                if self.down_since is None:
                    self.down_since = self._clock()
                    log.warning("broker down: events wait", extra={"venue": self._venue, "reason": str(e)})
                self._meter.update()
                await asyncio.sleep(self._backoff.next_s())
            else:
                if self.down_since is not None:
                    log.info("broker is back", extra={"venue": self._venue, "s": self._clock() - self.down_since})
                    self.down_since = None
                    self._backoff.reset()
                return

    async def _publish_singly(self, batch: Sequence[MarketEvent]) -> None:
        """Publish a batch with an event that no broker takes: that one is parked, the others go their way."""
        if len(batch) > 1:
            for event in batch:
                await self._publish([event])
            return
        (event,) = batch
        metrics.REJECTS.labels(self._venue, "too_large").inc()
        text = msgspec.json.encode(event)
        log.error("event is too large for the broker", extra={"venue": self._venue, "bytes": len(text)})
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

    def _acknowledge(self, batch: Sequence[MarketEvent]) -> None:
        counts: dict[str, int] = {}
        newest: dict[str, int] = {}
        for event in batch:
            stream = CLASS_OF[type(event)]
            counts[stream] = counts.get(stream, 0) + 1
            newest[stream] = event.event_ns
            if isinstance(event, Trade):
                self._acknowledged[event.symbol] = Mark(event.trade_id, event.event_ns)
        for stream, count in counts.items():
            metrics.PUBLISHED.labels(self._venue, stream).inc(count)
            metrics.LAST_EVENT.labels(self._venue, stream).set(newest[stream] / SECOND_NS)

    async def _write_positions(self, every_s: float) -> None:
        now = self._clock()
        for symbol, mark in self._acknowledged.items():
            written, at = self._written.get(symbol, (None, float("-inf")))
            if mark == written or now - at < every_s:
                continue
            try:
                await self._sink.put(POSITIONS, f"{self._venue}|{symbol}".encode(), msgspec.json.encode(mark))
            except DependencyDown:
                metrics.POSITION_FAILURES.labels(self._venue).inc()  # the next batch writes a newer one
                return
            self._written[symbol] = (mark, now)
