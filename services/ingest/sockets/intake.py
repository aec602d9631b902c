"""Items of one venue's sessions in, each to its place: the buffer, the recovery of trades, the ledger of gaps."""

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable
from typing import Final, Protocol

import msgspec

from libs.common.events import BookDelta, BookSnapshot, Gap, MarketEvent, Trade
from libs.common.runtime.clock import now_ns
from services.ingest import metrics
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.rejects import Parking
from services.ingest.quality.measure import Measure
from services.ingest.recovery.gaps import Gaps
from services.ingest.recovery.recovery import Recovery
from services.ingest.streams import CLASS_OF, HOLED
from services.ingest.venues.terms import Item, Rejected, Stream
from services.ingest.venues.venue import Session

_REMEMBERED: Final = 4096


class Once:
    """Lets an event without an id pass once, although two connections bring it while one replaces the other.

    Equal events on one connection are different ones; the n-th of a connection equals the n-th of another.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._passed: OrderedDict[Hashable, int] = OrderedDict()

    def admit(self, event: MarketEvent, seen: Counter[Hashable]) -> bool:
        """Return whether `event` is new; `seen` belongs to the connection that brought it."""
        key = (type(event).__name__, *_content(event))
        seen[key] += 1
        if len(seen) > self._remembered:
            seen.pop(next(iter(seen)))
        if seen[key] <= self._passed.get(key, 0):
            return False
        self._passed[key] = seen[key]
        if len(self._passed) > self._remembered:
            self._passed.popitem(last=False)
        return True


def _content(event: MarketEvent) -> tuple[Hashable, ...]:
    parts = msgspec.structs.asdict(event)
    del parts["received_ns"]
    return tuple(parts.values())


class Taker(Protocol):
    """What connections hand their items to."""

    def books(self, items: Iterable[Item], session: Session) -> list[BookSnapshot]:
        """Take the book events of one frame before anything is awaited; return the snapshots among them."""

    async def whole(self, snapshot: BookSnapshot) -> None:
        """Note that `snapshot` ends the hole in its book, if there is one."""

    async def event(self, event: MarketEvent, seen: Counter[Hashable]) -> None:
        """Take anything but a book; may wait. `seen` belongs to the connection."""

    def park(self, rejected: Rejected, origin_of: str) -> None:
        """Take what the connection `origin_of` could not read."""

    async def resumed(self, symbol: str) -> None:
        """Note that a connection speaks: holes that nobody can fetch again end here."""

    def listening(self, symbol: str) -> None:
        """Note that a connection has asked for the trades of `symbol`: it may be long until the next one comes."""

    async def interrupted(self, symbol: str, stream: Stream, *, cause: str, from_ns: int) -> None:
        """Note that nobody listens to `stream` of `symbol` since `from_ns`."""


class Intake(Taker):
    """What all connections of one venue share."""

    def __init__(
        self,
        venue: str,
        buffer: Buffer,
        recovery: Recovery,
        gaps: Gaps,
        parking: Parking,
        *,
        measure: Measure | None = None,
    ) -> None:
        """`measure` hears of every event."""
        self._measure = measure
        self.gaps = gaps
        self.parking = parking
        self._venue = venue
        self._buffer = buffer
        self._recovery = recovery
        self._once = Once()

    def books(self, items: Iterable[Item], session: Session) -> list[BookSnapshot]:
        """Offer the book events of one frame before anything is awaited; return the snapshots among them."""
        whole: list[BookSnapshot] = []
        for item in items:
            if isinstance(item, BookDelta):
                self._buffer.offer_book(item, session.book)
                self._hear(item)
            elif isinstance(item, BookSnapshot):
                self._buffer.offer_book(item, session.book)
                self._hear(item)
                whole.append(item)
        return whole

    async def whole(self, snapshot: BookSnapshot) -> None:
        """Close the hole that `snapshot` ends, if there is one: the whole state was fetched and published."""
        await self.gaps.closed(snapshot.symbol, Stream.BOOKS, to_ns=snapshot.event_ns, now_ns=now_ns(), recovered=True)

    async def event(self, event: MarketEvent, seen: Counter[Hashable]) -> None:
        """Take anything but a book; waits where the buffer is full."""
        self._hear(event)
        if isinstance(event, Trade):
            await self._recovery.offer(event)
        elif isinstance(event, Gap) and event.stream == Stream.TRADES and not event.recovered:
            await self._recovery.interrupted(event.symbol, event.cause)  # the session saw that the next is not next
        elif isinstance(event, Gap):
            await self.gaps.adopt(event)
        elif self._once.admit(event, seen):
            await self._buffer.put(event)
        else:
            metrics.DUPLICATES.labels(self._venue, CLASS_OF[type(event)]).inc()

    def park(self, rejected: Rejected, origin_of: str) -> None:
        """Have it published apart from the market data."""
        self.parking.park(rejected, origin_of)

    async def resumed(self, symbol: str) -> None:
        """Close the hole in the liquidations: the venue does not tell them twice."""
        await self.gaps.closed(symbol, Stream.LIQUIDATIONS, to_ns=now_ns(), now_ns=now_ns(), recovered=False)

    def listening(self, symbol: str) -> None:
        """Have the trades that were missed fetched, should none come soon that shows them missing."""
        self._recovery.listening(symbol)

    async def interrupted(self, symbol: str, stream: Stream, *, cause: str, from_ns: int) -> None:
        """Note that nobody listens to `stream` of `symbol` since `from_ns`."""
        if stream is Stream.TRADES:
            await self._recovery.interrupted(symbol, cause)
        elif stream in HOLED:
            await self.gaps.noticed(symbol, stream, cause=cause, from_ns=from_ns, now_ns=now_ns())

    def _hear(self, event: MarketEvent) -> None:
        if self._measure is not None:
            self._measure.hear(event.symbol, CLASS_OF[type(event)], event.received_ns)
