"""A book whose snapshots come by REST: a diff stream and snapshots in, one continuous book out. Pure.

Binance's rules: buffer the stream, fetch a snapshot, drop changes older than it, begin with the one that straddles
it. Then, on futures, each change's `pu` must be the `u` before it; on spot, where there is no `pu`, no change may
begin after the one that is due: U <= u before + 1 <= u.
"""

from collections.abc import Sequence
from typing import Final

from libs.common.events import Level
from services.ingest.venues.books import Book, Change, State
from services.ingest.venues.terms import Item

BUFFER_LIMIT: Final = 2_000
"""Changes kept while a snapshot is awaited; about two minutes of the busiest stream."""
STALE_LIMIT: Final = 20
"""Old changes in a row that are taken for repeats; more look like ids that began anew."""


class RestBook:
    """Aligns a stream of changes with a snapshot."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._buffer: list[Change] = []
        self._has_base = False
        self._stale = 0

    def change(self, change: Change, received_ns: int) -> list[Item]:
        """Take the next change of the stream."""
        if self.book.state is State.SYNCED:
            return self._continue(change, received_ns)
        if len(self._buffer) >= BUFFER_LIMIT:
            self._forget()
            self._buffer.append(change)
            return self.want("overflow", received_ns)
        self._buffer.append(change)
        if self._has_base:
            return self._align(received_ns)
        self.book.state = State.BUFFERING
        return self.book.request("start", received_ns)

    def snapshot(
        self, bids: Sequence[Level], asks: Sequence[Level], *, sequence: int, event_ns: int, received_ns: int
    ) -> list[Item]:
        """Take the answer to a request; a late one for a book in sync is ignored."""
        if self.book.state is State.SYNCED:
            self.book.checks.stale += 1
            return []
        self.book.replace(bids, asks, sequence=sequence, event_ns=event_ns)
        self._has_base = True
        return self._align(received_ns)

    def lose(self, cause: str, event_ns: int, received_ns: int) -> list[Item]:
        """Give the book up: a change was lost on the way."""
        self._forget()
        return self.book.lose(cause, event_ns, received_ns)

    def want(self, cause: str, received_ns: int) -> list[Item]:
        """Ask again after an answer that could not be used."""
        self.book.answered()
        return self.book.request(cause, received_ns)

    def _continue(self, change: Change, received_ns: int) -> list[Item]:
        book = self.book
        before = book.sequence
        if not _continues(change, before):
            if change.last <= before and self._stale < STALE_LIMIT:
                self._stale += 1
                book.checks.stale += 1
                return []
            missing = change.first - 1 if change.previous is None else change.previous
            items = book.lose("sequence", change.event_ns, received_ns, missing)
            self._forget()
            self._buffer.append(change)
            book.state = State.BUFFERING
            return items
        self._stale = 0
        bids, asks = book.take(change)
        if not book.tradable():
            return self.lose("crossed", change.event_ns, received_ns)
        return [book.delta(before, bids, asks, received_ns)]

    def _align(self, received_ns: int) -> list[Item]:
        """Join snapshot and buffer where they meet; wait where the stream is behind, ask where the snapshot is."""
        book = self.book
        at = book.sequence
        self._buffer = [change for change in self._buffer if change.last >= at]
        if not self._buffer:
            return []
        first = self._buffer[0]
        if not (first.first <= at <= first.last or _continues(first, at)):
            self._has_base = False
            return self.want("stale", received_ns)
        book.take(first)
        for position, change in enumerate(self._buffer[1:], start=1):
            if _continues(change, book.sequence):
                book.take(change)
            elif change.last > book.sequence:  # a hole inside the buffer: only a newer snapshot can bridge it
                self._buffer = self._buffer[position:]
                self._has_base = False
                return self.want("sequence", received_ns)
        self._forget()
        if not book.tradable():
            book.answered()
            return book.lose("crossed", book.event_ns, received_ns)
        return book.publish(received_ns)

    def _forget(self) -> None:
        self._buffer = []
        self._has_base = False
        self._stale = 0


def _continues(change: Change, sequence: int) -> bool:
    """Return whether `change` leads on from the state `sequence`; its levels are absolute, so it may begin earlier."""
    if change.previous is None:
        return change.first <= sequence + 1 <= change.last
    return change.previous == sequence
