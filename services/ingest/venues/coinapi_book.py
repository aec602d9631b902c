"""A book whose messages are counted a connection: whole books and changes in, one continuous book out. Pure.

CoinAPI rules: changes may come before the first snapshot and mean nothing; each message's number is the one before
plus one; what is missing does not come again on this connection.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from libs.common.events import SECOND_NS, Gap, Level
from services.ingest.venues.books import Book, Change, State
from services.ingest.venues.terms import Item

SNAPSHOT_WITHIN_NS: Final = 30 * SECOND_NS
"""Changes without a snapshot for this long: the vendor forgot it."""


class Step(Enum):
    """How a number follows the one before."""

    NEXT = auto()
    REPEAT = auto()
    HOLE = auto()
    """Messages are missing, or the count began anew: both leave us without knowledge of what lies between."""


def step(last: int | None, sequence: int) -> Step:
    """Compare a message's number with the last one of its type and symbol; the first one may be any."""
    if last is None or sequence == last + 1:
        return Step.NEXT
    return Step.REPEAT if sequence == last else Step.HOLE


class CountedBook:
    """Follows the count of one symbol's book messages."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._last: int | None = None
        self._changes_since: int | None = None

    def whole(
        self, bids: Sequence[Level], asks: Sequence[Level], *, sequence: int, event_ns: int, received_ns: int
    ) -> list[Item]:
        """Take a whole book; one behind a hole closes the hole as well."""
        book, turn = self.book, self._turn(sequence)
        if turn is Step.REPEAT:
            return []
        items: list[Item] = []
        if turn is Step.HOLE and book.state is State.SYNCED:
            lost = book.lose("sequence", event_ns, received_ns, _before(sequence, book.sequence))
            items = [item for item in lost if isinstance(item, Gap)]  # this is the fresh book
        synced = book.state is State.SYNCED
        book.replace(bids, asks, sequence=sequence, event_ns=event_ns)
        if synced:
            book.state = State.SYNCED  # still ours to lose
        if not book.tradable():
            return [*items, *book.lose("crossed", event_ns, received_ns)]
        return [*items, *book.publish(received_ns)]

    def change(self, change: Change, received_ns: int) -> list[Item]:
        """Take changed levels; `change.last` is the message's number."""
        book, turn = self.book, self._turn(change.last)
        if turn is Step.REPEAT:
            return []
        if book.state is not State.SYNCED:
            book.checks.stale += 1
            return self._await(received_ns)
        if turn is Step.HOLE:
            return book.lose("sequence", change.event_ns, received_ns, _before(change.last, book.sequence))
        before = book.sequence
        bids, asks = book.take(change)
        if not book.tradable():
            return book.lose("crossed", change.event_ns, received_ns)
        return [book.delta(before, bids, asks, received_ns)]

    def lose(self, cause: str, received_ns: int) -> list[Item]:
        """Give the book up: a message could not be read."""
        return self.book.lose(cause, self.book.event_ns, received_ns)

    def _turn(self, sequence: int) -> Step:
        turn = step(self._last, sequence)
        self._last = sequence
        if turn is Step.REPEAT:
            self.book.checks.stale += 1
        return turn

    def _await(self, received_ns: int) -> list[Item]:
        if self._changes_since is None:
            self._changes_since = received_ns
        if received_ns - self._changes_since < SNAPSHOT_WITHIN_NS:
            return []
        return self.book.request("start", received_ns)


def _before(sequence: int, last: int) -> int | None:
    """Return the number before `sequence`, where it ends a range that begins behind `last`."""
    return sequence - 1 if sequence > last else None
