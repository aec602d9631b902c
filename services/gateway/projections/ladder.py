"""One order book as a reader keeps it: snapshots and deltas in, the best levels out, or why there are none. Pure."""

from collections.abc import Iterable

from libs.common.events import BookDelta, BookSnapshot, Level


class Ladder:
    """A book that is followed by sequence and never shown across a break.

    Without a book, deltas are ignored until a snapshot comes. A delta that ends at or before the book's sequence is a
    duplicate. One that begins after a hole makes the book `lost` until the next snapshot.
    """

    def __init__(self) -> None:
        self._bids: dict[float, float] = {}
        self._asks: dict[float, float] = {}
        self._sequence: int | None = None
        self.lost: str | None = None
        """Why the book cannot be shown, after it could."""

    @property
    def in_sync(self) -> bool:
        """True while there is a whole book."""
        return self._sequence is not None

    @property
    def sequence(self) -> int:
        """The last change it contains; 0 without a book."""
        return self._sequence or 0

    def replace(self, snapshot: BookSnapshot) -> None:
        """Take a whole book."""
        self._bids, self._asks = dict(snapshot.bids), dict(snapshot.asks)
        self._sequence, self.lost = snapshot.sequence, None

    def change(self, delta: BookDelta) -> bool:
        """Apply `delta` and tell whether the view changed."""
        if self._sequence is None:
            return False
        if delta.first_sequence != self._sequence + 1:
            # at first_sequence <= last < sequence the log repeats itself; a venue's reset moves back by a chained delta
            if delta.first_sequence <= self._sequence and delta.last_sequence <= self._sequence:
                return False
            self.lost = f"sequence {self._sequence + 1} expected, {delta.first_sequence} came: waiting for a snapshot"
            self._sequence = None
            return True
        _merge(self._bids, delta.bids)
        _merge(self._asks, delta.asks)
        self._sequence = delta.last_sequence
        return True

    def top(self, depth: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Return the best `depth` bids and asks, best first."""
        bids = sorted(self._bids.items(), reverse=True)[:depth]
        return tuple(bids), tuple(sorted(self._asks.items())[:depth])


def _merge(side: dict[float, float], levels: Iterable[Level]) -> None:
    for price, size in levels:
        if size == 0:
            side.pop(price, None)
        else:
            side[price] = size
