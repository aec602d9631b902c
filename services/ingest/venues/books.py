"""The order book's state machine: checked snapshots and changes in, book events out, nothing while in doubt. Pure.

INIT -> BUFFERING -> SYNCED -> (gap) -> INIT. This file holds what all venues share: the state, what is published,
how a book is lost and regained. `rest_book` and `socket_book` decide when a change continues the book.
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final, TypeAlias

from msgspec import Struct

from libs.common.events import SECOND_NS, BookDelta, BookSnapshot, Gap, Level, Origin
from services.ingest.venues.ladder import Ladder
from services.ingest.venues.terms import Checks, Item, Reconnect, Resubscribe, SnapshotWanted, Stream

ASK_AGAIN_NS: Final = 30 * SECOND_NS
"""An unanswered request for a snapshot is repeated after this long; 20 in ten minutes is what venues allow."""

Ask: TypeAlias = Callable[[str], SnapshotWanted | Resubscribe | Reconnect]
"""Makes the request for a fresh book; takes the cause."""


class State(Enum):
    """How far a book is."""

    INIT = auto()
    BUFFERING = auto()
    SYNCED = auto()


class Change(Struct, frozen=True, kw_only=True):
    """One message of changed levels in base units, with the venue's own chain."""

    bids: Sequence[Level]
    asks: Sequence[Level]
    previous: int | None
    """The state it continues; None where the venue does not say."""
    first: int
    """The first change it holds."""
    last: int
    """The state it leads to."""
    event_ns: int


class Book:
    """One symbol's book and its standing; the owner decides what may be applied."""

    def __init__(
        self, *, venue: str, symbol: str, origin: Origin, checks: Checks, ask: Ask, depth: int, crossed_ns: int = 0
    ) -> None:
        """Start empty.

        Args:
            venue: for the events.
            symbol: canonical.
            origin: for the events.
            checks: counters, shared with the session.
            ask: makes the request for a fresh book.
            depth: levels to keep on a side.
            crossed_ns: how long bids may meet asks before the book is given up; venues with auctions need some.
        """
        self.state = State.INIT
        self.sequence = 0
        self.event_ns = 0
        self.bids = Ladder(best_is_highest=True)
        self.asks = Ladder(best_is_highest=False)
        self.checks = checks
        self._venue = venue
        self._symbol = symbol
        self._origin = origin
        self._ask = ask
        self._depth = depth
        self._crossed_ns = crossed_ns
        self._crossed_since: int | None = None
        self._hole_from: int | None = None
        self._asked_ns: int | None = None
        self._received_ns = 0
        self._good_ns = 0

    def replace(self, bids: Sequence[Level], asks: Sequence[Level], *, sequence: int, event_ns: int) -> None:
        """Take a whole book; it is not in sync before `publish`."""
        self.state = State.BUFFERING
        self.bids.replace(bids)
        self.asks.replace(asks)
        self.bids.trim(self._depth)
        self.asks.trim(self._depth)
        self.sequence, self.event_ns = sequence, event_ns

    def take(self, change: Change) -> tuple[list[Level], list[Level]]:
        """Apply a whole change at once; return its levels and the removals that keep the depth."""
        self.bids.apply(change.bids)
        self.asks.apply(change.asks)
        self.sequence, self.event_ns = change.last, change.event_ns
        return [*change.bids, *self.bids.trim(self._depth)], [*change.asks, *self.asks.trim(self._depth)]

    def tradable(self) -> bool:
        """Return False when bids meet asks for longer than the venue may let them; every such state is counted."""
        bid, ask = self.bids.best, self.asks.best
        if bid is None or ask is None or bid < ask:
            self._crossed_since = None
            return True
        self.checks.books_crossed += 1
        if self._crossed_since is None:
            self._crossed_since = self.event_ns
        return self.event_ns - self._crossed_since < self._crossed_ns

    def delta(self, before: int, bids: Sequence[Level], asks: Sequence[Level], received_ns: int) -> BookDelta:
        """Return the event that leads from sequence `before` to the book as it stands."""
        self._received_ns, self._good_ns = received_ns, self.event_ns
        return BookDelta(
            venue=self._venue,
            symbol=self._symbol,
            event_ns=self.event_ns,
            received_ns=received_ns,
            origin=self._origin,
            bids=tuple(bids),
            asks=tuple(asks),
            first_sequence=before + 1,
            last_sequence=self.sequence,
        )

    def publish(self, received_ns: int) -> list[Item]:
        """Declare the book in sync; return it whole, and the end of the hole where there was one."""
        self.state = State.SYNCED
        self._asked_ns = None
        self._received_ns, self._good_ns = received_ns, self.event_ns
        items: list[Item] = [self._snapshot()]
        if self._hole_from is not None:
            items.append(self._gap("sequence", self._hole_from, self.event_ns, self.event_ns, recovered=True))
            self._hole_from = None
        return items

    def lose(self, cause: str, event_ns: int, received_ns: int, last_missing: int | None = None) -> list[Item]:
        """Give the book up before anything else; return the gap, once, and the request for a fresh book, once."""
        was_synced = self.state is State.SYNCED
        missing = (self.sequence + 1, last_missing) if last_missing is not None else None
        self.state = State.INIT
        self.bids.replace(())
        self.asks.replace(())
        self._crossed_since = None
        self._received_ns = received_ns
        items: list[Item] = []
        if was_synced:
            self.checks.sequence_gaps += 1
            self._hole_from = self._good_ns
            items.append(self._gap(cause, self._good_ns, self._good_ns, event_ns, missing=missing))
        return items + self.request(cause, received_ns)

    def request(self, cause: str, received_ns: int) -> list[Item]:
        """Return the request for a fresh book, unless one is on its way and not overdue."""
        if self._asked_ns is not None and received_ns - self._asked_ns < ASK_AGAIN_NS:
            return []
        self._asked_ns = received_ns
        return [self._ask(cause)]

    def answered(self) -> None:
        """Note that the request was answered: the next one may go out at once."""
        self._asked_ns = None

    def current(self) -> BookSnapshot | None:
        """Return the book as it stands; None unless it is in sync."""
        return self._snapshot() if self.state is State.SYNCED else None

    def _snapshot(self) -> BookSnapshot:
        return BookSnapshot(
            venue=self._venue,
            symbol=self._symbol,
            event_ns=self.event_ns,
            received_ns=self._received_ns,
            origin=self._origin,
            bids=tuple(self.bids),
            asks=tuple(self.asks),
            sequence=self.sequence,
        )

    def _gap(
        self,
        cause: str,
        from_ns: int,
        to_ns: int,
        event_ns: int,
        *,
        missing: tuple[int, int | None] | None = None,
        recovered: bool = False,
    ) -> Gap:
        return Gap(
            venue=self._venue,
            symbol=self._symbol,
            event_ns=event_ns,
            received_ns=self._received_ns,
            origin=self._origin,
            stream=Stream.BOOKS.value,
            from_ns=from_ns,
            to_ns=to_ns,
            cause=cause,
            first_missing=str(missing[0]) if missing else None,
            last_missing=str(missing[1]) if missing else None,
            recovered=recovered,
        )
