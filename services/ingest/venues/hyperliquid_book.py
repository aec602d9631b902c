"""A book of which every message is the whole: the best levels in, snapshots with a rising sequence out. Pure.

The venue counts nothing: a message that is lost costs freshness alone, and there is no hole to notice.
"""

from collections.abc import Sequence

from libs.common.events import Level
from services.ingest.venues.books import Book, State
from services.ingest.venues.terms import Item
from services.ingest.venues.wire import MILLISECOND_NS


class WholeBook:
    """Follows one symbol; its sequence is the venue's milliseconds, one more than the last where these stand still."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._levels: tuple[Sequence[Level], Sequence[Level]] = ((), ())

    def take(self, bids: Sequence[Level], asks: Sequence[Level], event_ns: int, received_ns: int) -> list[Item]:
        """Take a message; an older one, or the same one again, is nothing new."""
        book, levels = self.book, (bids, asks)
        synced = book.state is State.SYNCED
        if event_ns < book.event_ns or (synced and event_ns == book.event_ns and levels == self._levels):
            book.checks.stale += 1
            return []
        self._levels = levels
        sequence = max(event_ns // MILLISECOND_NS, book.sequence + 1)
        book.replace(bids, asks, sequence=sequence, event_ns=event_ns)
        if synced:
            book.state = State.SYNCED  # still ours to lose
        if not book.tradable():
            return self.lose("crossed", received_ns)
        return book.publish(received_ns)

    def lose(self, cause: str, received_ns: int) -> list[Item]:
        """Give the book up until the next message."""
        return self.book.lose(cause, self.book.event_ns, received_ns)
