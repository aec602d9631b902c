"""What the buffer gives and the broker does not take in, the same in the same order out, once it takes it: over disk.

While the broker is away, books stay in the buffer, where one snapshot stands for all their changes; everything else
goes to a `Ring`. When the broker is back the ring is published first, and what comes meanwhile goes behind it.
"""

import asyncio
import errno
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

from libs.common.events import Gap, MarketEvent, Origin, Trade
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s
from services.ingest import metrics
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.ledger import Ledger
from services.ingest.delivery.ring import Ring
from services.ingest.delivery.segments import Found
from services.ingest.delivery.shedding import Shedding
from services.ingest.streams import CLASS_OF
from services.ingest.venues.terms import Stream

log = logging.getLogger(__name__)

_LATE: Final = 10_000
"""Gaps that are kept in memory where the disk has no room; what is said of holes must not get lost before the rest."""


class Spill:
    """Stands between one buffer and one publisher, which calls `take`, publishes with `beside`, and so on."""

    def __init__(
        self,
        venue: str,
        ring: Ring,
        buffer: Buffer,
        ledger: Ledger,
        *,
        origin: Origin = Origin.LIVE,
        grace_s: float,
        backoff: Backoff | None = None,
        disk: Callable[..., Awaitable[Any]] = asyncio.to_thread,
    ) -> None:
        """Take an open ring; `disk` runs a blocking call."""
        self.shedding = Shedding(venue, ring, buffer, ledger, origin)
        self.kept: dict[str, Trade] = {}
        """The last trade of each symbol that is on disk."""
        self.away = False
        """Events go over the disk."""
        self._venue = venue
        self._ring = ring
        self._buffer = buffer
        self._ledger = ledger
        self._grace_s = grace_s
        self._backoff = backoff or Backoff(initial_s=0.2, cap_s=5.0)
        self._disk = disk
        self._known: set[str] = set()
        self._known_to = ring.last
        self._since = float("inf")
        self._waiting: list[MarketEvent] = []  # for the disk
        self._late: list[MarketEvent] = []  # Gaps for which the disk had no room
        self._is_head = False  # what waits is being published from memory too
        self._head_stored: Counter[str] = Counter()
        self._number = 0  # of the last record in the batch in hand, 0 where none of it is on disk

    @property
    def stuck(self) -> bool:
        """Whether the broker has not taken the batch in hand for longer than the grace."""
        return monotonic_s() - self._since >= self._grace_s

    def begin(self, found: Iterable[Found], published: Mapping[str, int]) -> None:
        """Go on where an earlier run ended.

        Args:
            found: what was on disk.
            published: times of the newest trades on the topic, by symbol. Trades of a symbol whose newest is later
                than all that were found are known there, or their hole is: they are passed over.
        """
        for one in found:
            if one.cut_bytes:
                log.error("damage on disk was cut", extra={"venue": self._venue, "bytes": one.cut_bytes})
                metrics.SPILL_CUT_BYTES.labels(self._venue).inc(one.cut_bytes)
            self.shedding.found(one)
            for (symbol, _), event in one.last.items():
                if isinstance(event, Trade):
                    if published.get(symbol, 0) > event.event_ns:
                        self._known.add(symbol)
                    else:
                        self.kept[symbol] = event
        unread = self._ring.unread
        if unread:
            self._ledger.move_counts(unread, to="leftover")
            self._ledger.move_counts(unread, to="on_disk")
            log.warning("an earlier run left events", extra={"venue": self._venue, "count": unread.total()})
            self.away = True
            self._buffer.hold()

    async def close(self) -> None:
        """Give the directory back."""
        self.shedding.stop()
        try:
            await self._disk(self._ring.close)
        except OSError as e:
            self._failed(e)

    async def take(self, most: int) -> list[MarketEvent]:
        """Return the next events to be published, waiting for one; empty once the buffer is closed and all is taken."""
        while True:
            if batch := await self._replayed(most) or self.shedding.gaps():
                return batch
            await self._buffer.filled()
            batch = self._grab(most)
            if not batch and self._buffer.closed and not self._buffer.pending:
                return []
            batch += self.shedding.books(batch)
            if batch:
                return batch

    async def beside(
        self,
        publishing: Coroutine[Any, Any, list[MarketEvent]],
        batch: Sequence[MarketEvent],
        tell: Callable[[], None],
    ) -> list[MarketEvent]:
        """Return what `publishing` returns; while the broker keeps it waiting, take from the buffer to the disk."""
        task = asyncio.ensure_future(publishing)
        self._since = monotonic_s()
        try:
            if not self._number:
                await asyncio.wait({task}, timeout=self._grace_s)
                if not task.done():
                    self._begin(batch)
            while not task.done():
                await self._round(task, max(len(batch), 1000))
                tell()
            accepted = task.result()
        finally:
            self._since = float("inf")
            if not task.done():
                task.cancel()
        await self._settle(accepted)
        return accepted

    def _begin(self, batch: Iterable[MarketEvent]) -> None:
        """Hold the books, and have the batch in hand stored first: it must survive with what follows it."""
        if not self.away:
            log.warning("nothing was acknowledged in time: events go to disk", extra={"venue": self._venue})
            self.away = True
            self._buffer.hold()
        if head := [event for event in batch if CLASS_OF[type(event)] != Stream.BOOKS]:
            self._waiting, self._is_head = head, True

    async def _round(self, task: "asyncio.Task[Any]", most: int) -> None:
        """Bring what waits to disk, or take more from the buffer."""
        if not self._is_head:
            self._waiting += self.shedding.gaps()
        if self._waiting:
            if not await self._store():
                await asyncio.wait({task}, timeout=self._backoff.next_s())
            return
        filled = asyncio.ensure_future(self._buffer.filled())
        try:
            await asyncio.wait({task, filled}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            filled.cancel()
        if not task.done():
            self._waiting = self._grab(most)
            if not self._waiting and self._buffer.closed and not self._buffer.pending:
                await asyncio.wait({task})

    def _grab(self, most: int) -> list[MarketEvent]:
        """Take from the buffer; trades that would follow a hole in what is kept are shed at once."""
        batch = self._buffer.grab(most)
        self._ledger.took(batch)
        shut = [event for event in batch if isinstance(event, Trade) and event.symbol in self._ring.shut]
        if not shut:
            return batch
        self.shedding.refused(shut)
        return [event for event in batch if not isinstance(event, Trade) or event.symbol not in self._ring.shut]

    async def _store(self) -> bool:
        """Write what waits; return whether the disk took it."""
        events = self._waiting
        try:
            done = await self._disk(self._ring.append, events)
        except OSError as e:
            self._failed(e)
            self.shedding.gone(self._ring.take_dropped())
            return False
        self._backoff.reset()
        self._waiting = []
        refused = {id(event) for event in done.refused}
        stored = [event for event in events if id(event) not in refused]
        self._ledger.move(stored, to="on_disk", out_of="in_flight")
        self._ledger.move(stored, to="spilled")
        self.kept.update((event.symbol, event) for event in stored if isinstance(event, Trade))
        if self._is_head:  # what the disk refused of it is being published all the same
            self._is_head = False
            self._head_stored = Counter(CLASS_OF[type(event)] for event in stored)
            self._number = done.last if stored else 0
            self._ring.pinned = max(self._ring.pinned, self._number)
        else:
            gaps = [event for event in done.refused if isinstance(event, Gap)][: _LATE - len(self._late)]
            self._late += gaps
            self.shedding.refused([event for event in done.refused if not any(event is gap for gap in gaps)])
        self.shedding.gone(self._ring.take_dropped())
        return True

    async def _settle(self, accepted: Sequence[MarketEvent]) -> None:
        """Note that the broker has the batch in hand."""
        if self._is_head:
            self._waiting, self._is_head = [], False
        if not self._number:
            return
        number, self._number = self._number, 0
        try:
            await self._disk(self._ring.acknowledge, number)
        except OSError as e:
            self._failed(e)  # a later process says these again
        if self._head_stored:
            self._ledger.move_counts(self._head_stored, to="in_flight", out_of="on_disk")
            self._head_stored = Counter()
        else:
            self._ledger.move(accepted, to="replayed")

    async def _replayed(self, most: int) -> list[MarketEvent]:
        """Return the next events of the disk, then those that it did not take; empty once there are none."""
        while self.away:
            try:
                records, lost = await self._disk(self._ring.read, most)
            except OSError as e:
                self._failed(e)
                await asyncio.sleep(self._backoff.next_s())
                continue
            for spans in lost:
                self.shedding.gone(spans, damaged=True)
            if not records:
                if self._waiting or self._late:
                    events, self._waiting, self._late = [*self._waiting, *self._late], [], []
                    return events
                log.info("nothing is left on disk", extra={"venue": self._venue})
                self.away = False
                self.kept.clear()
                self.shedding.ended()
                return []
            self._number = records[-1].number
            events = [one.event for one in records if not self._is_known(one.number, one.event)]
            known = [one.event for one in records if self._is_known(one.number, one.event)]
            self._ledger.move(known, to="known", out_of="on_disk")
            self._ledger.move(events, to="in_flight", out_of="on_disk")
            if events:
                return events
            await self._settle(())
        return []

    def _is_known(self, number: int, event: MarketEvent) -> bool:
        return number <= self._known_to and isinstance(event, Trade) and event.symbol in self._known

    def _failed(self, error: OSError) -> None:
        reason = errno.errorcode.get(error.errno or 0, "unknown")
        metrics.SPILL_FAILURES.labels(self._venue, reason).inc()
        log.error("the disk does not take events: they wait", extra={"venue": self._venue, "reason": str(error)})
