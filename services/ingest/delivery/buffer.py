"""Events of the sockets in, batches for the publisher out: bounded; books conflate, everything else waits."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec import Struct

from libs.common.events import BookDelta, BookSnapshot, MarketEvent
from services.ingest.streams import CLASS_OF

LIMIT: Final = 500
"""Events that may wait for the publisher, by symbol and class."""

_TURN: Final = 100
"""Events that one lane may give to a batch before the others have their turn."""

BookOf: TypeAlias = Callable[[str], BookSnapshot | None]
"""A session's book of a symbol as it stands now; None when it is not in sync."""


class BufferClosed(RuntimeError):
    """An event came after `close`."""


class Counts(Struct):
    """What happened to the events of one class; always offered = taken + conflated + pending."""

    offered: int = 0
    taken: int = 0
    conflated: int = 0
    """Book events that a later snapshot stands for."""
    made: int = 0
    """Snapshots taken from a session in place of conflated events."""
    waited: int = 0
    """Offers that had to wait for room."""


class _Lane:
    """The pending events of one symbol and class, oldest first."""

    __slots__ = (
        *("book", "counts", "events", "key", "leaving", "missing_ns"),
        *("queued", "room", "source", "symbol", "taken_ns", "turn", "waiters"),
    )

    def __init__(self, key: tuple[str, str], counts: Counts) -> None:
        self.key = key
        self.symbol = key[1]
        self.counts = counts
        self.events: deque[MarketEvent] = deque()
        self.book: BookOf | None = None  # set: the events were conflated, a snapshot is due
        self.source: BookOf | None = None  # of the newest connection
        self.leaving = False
        self.queued = False
        self.room = asyncio.Event()
        self.turn = asyncio.Lock()
        self.waiters = 0  # offers that wait for their turn: a released lock does not yet say whose it is
        self.taken_ns = 0  # time of the newest event taken
        self.missing_ns = 0  # while books are held: time of the last event before those that were conflated


class Buffer:
    """The one place between sockets and broker where events wait.

    A full lane makes its reader wait, so that TCP pushes back on the venue. A full book lane is replaced by one
    snapshot, taken from the session when the publisher comes for it: the newest state wins, and what follows it
    continues it. Therefore a session's book events must be offered before anything else is awaited.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.fullest = 0
        """Most events that ever waited in one lane."""
        self.counts: dict[str, Counts] = {name: Counts() for name in dict.fromkeys(CLASS_OF.values())}
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._queue: deque[_Lane] = deque()
        self._ready = asyncio.Event()
        self._closed = False
        self._holding = False

    @property
    def closed(self) -> bool:
        """Whether it takes no more events."""
        return self._closed

    @property
    def pending(self) -> int:
        """Events that were offered and are neither taken nor conflated."""
        return sum(len(lane.events) for lane in self._lanes.values())

    async def put(self, event: MarketEvent) -> None:
        """Offer `event`; waits while its lane is full. Events of one lane leave in the order of the calls.

        Raises:
            BufferClosed: the buffer was closed.
        """
        lane = self._lane(event)
        if len(lane.events) >= self.limit or lane.waiters:
            lane.counts.waited += 1
            lane.waiters += 1
            try:
                async with lane.turn:  # fair: who waits first, offers first
                    while len(lane.events) >= self.limit and not self._closed:
                        lane.room.clear()
                        await lane.room.wait()
                    self._append(lane, event)
            finally:
                lane.waiters -= 1
            return
        self._append(lane, event)

    def offer_book(self, event: BookSnapshot | BookDelta, book: BookOf) -> None:
        """Offer a book event; never waits. `book` is asked for the whole state if the lane had to be conflated.

        Raises:
            BufferClosed: the buffer was closed.
        """
        lane = self._lane(event)
        lane.source = book
        if lane.book is not None or self._holding or len(lane.events) >= self.limit:
            lane.counts.offered += 1
            lane.counts.conflated += 1
            self._conflate(lane, book)
            return
        self._append(lane, event)

    def forget(self, symbol: str) -> None:
        """Keep no lane of `symbol`; one that still holds events is gone once they are taken."""
        for lane in [lane for (_, one), lane in self._lanes.items() if one == symbol]:
            lane.leaving = True
            self._drop(lane)

    def shed(self) -> None:
        """Give memory back: every book lane becomes the one snapshot that stands for it."""
        for lane in self._lanes.values():
            if lane.events and lane.source is not None:
                self._conflate(lane, lane.source)

    def hold(self) -> None:
        """Keep the books back until `release`: of each remains the one snapshot that stands for its changes."""
        self._holding = True
        self.shed()

    def release(self) -> dict[str, int]:
        """Let the books go on; return the time of the last event before the hole of each symbol that has one."""
        self._holding = False
        missing: dict[str, int] = {}
        for lane in self._lanes.values():
            if lane.book is not None:
                self._enqueue(lane)
            if lane.missing_ns:
                missing[lane.symbol], lane.missing_ns = lane.missing_ns, 0
        return missing

    def discard(self, symbol: str, name: str) -> int:
        """Drop the pending events of one lane; return how many: they count as taken."""
        lane = self._lanes.get((name, symbol))
        if lane is None:
            return 0
        count = len(lane.events)
        lane.events.clear()
        lane.counts.taken += count
        lane.room.set()
        return count

    def _conflate(self, lane: _Lane, book: BookOf) -> None:
        if self._holding and not lane.missing_ns:
            lane.missing_ns = lane.taken_ns
        lane.counts.conflated += len(lane.events)
        lane.events.clear()
        lane.book = book
        self._enqueue(lane)

    async def take(self, most: int) -> list[MarketEvent]:
        """Return up to `most` events; waits for at least one. Empty only when the buffer is closed and drained."""
        while True:
            await self.filled()
            batch = self.grab(most)
            if batch or self._closed:
                return batch

    async def filled(self) -> None:
        """Wait until there may be something to `grab`, or the buffer is closed."""
        if not self._queue and not self._closed:
            self._ready.clear()
            await self._ready.wait()

    def close(self) -> None:
        """Refuse further events; what is pending can still be taken."""
        self._closed = True
        self._ready.set()
        for lane in self._lanes.values():
            lane.room.set()

    def grab(self, most: int) -> list[MarketEvent]:
        """Return up to `most` events that wait now, perhaps none."""
        batch: list[MarketEvent] = []
        while self._queue and len(batch) < most:
            lane = self._queue.popleft()
            lane.queued = False
            if self._holding and lane.source is not None:
                continue  # `release` brings it back
            if lane.book is not None:
                book, lane.book = lane.book, None
                state = book(lane.symbol)
                if state is not None:  # else out of sync: the session sends a snapshot when it is whole again
                    lane.counts.made += 1
                    lane.taken_ns = state.event_ns
                    batch.append(state)
            count = min(len(lane.events), most - len(batch), _TURN)
            batch.extend(lane.events.popleft() for _ in range(count))
            lane.counts.taken += count
            lane.taken_ns = batch[-1].event_ns if count else lane.taken_ns
            if lane.events:
                self._enqueue(lane)
            lane.room.set()
            if lane.leaving:
                self._drop(lane)
        return batch

    def _drop(self, lane: _Lane) -> None:
        if not (lane.events or lane.queued or lane.book or lane.waiters):
            self._lanes.pop(lane.key, None)

    def _lane(self, event: MarketEvent) -> _Lane:
        name = CLASS_OF[type(event)]
        key = (name, event.symbol)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(key, self.counts[name])
        return lane

    def _append(self, lane: _Lane, event: MarketEvent) -> None:
        if self._closed:
            raise BufferClosed("the buffer is closed")
        lane.counts.offered += 1
        lane.events.append(event)
        self.fullest = max(self.fullest, len(lane.events))
        self._enqueue(lane)

    def _enqueue(self, lane: _Lane) -> None:
        if self._holding and lane.source is not None:  # a book
            return
        if not lane.queued:
            lane.queued = True
            self._queue.append(lane)
        self._ready.set()
