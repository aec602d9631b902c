"""A book whose snapshots come by the socket: snapshots and chained changes in, one continuous book out. Pure.

OKX rules: a change continues the state its `prevSeqId` names; an equal pair is a keepalive; a smaller `seqId` that is
linked is a maintenance reset. Recordings made before 2022-06 have no ids: there each message's checksum decides.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias
from zlib import crc32

from msgspec import Struct

from libs.common.events import Level
from services.ingest.venues.books import Book, Change, State
from services.ingest.venues.ladder import Ladder
from services.ingest.venues.terms import Item

CHECKSUM_DEPTH: Final = 25

Texts: TypeAlias = Sequence[tuple[str, str]]
"""(price, size) of levels in the venue's own letters."""


class Message(Struct, frozen=True, kw_only=True):
    """One push of a book, whole or changed levels; sizes in base units."""

    bids: Sequence[Level]
    asks: Sequence[Level]
    bid_texts: Texts = ()
    """Only where there is a checksum."""
    ask_texts: Texts = ()
    sequence: int | None
    """None where the protocol had none."""
    previous: int | None
    checksum: int
    """0 where the venue sends none."""
    event_ns: int


class _Letters:
    """The original strings of a book, kept only as long as checksums are sent."""

    def __init__(self) -> None:
        self._bids: dict[float, str] = {}
        self._asks: dict[float, str] = {}

    def take(self, message: Message) -> None:
        for side, texts in ((self._bids, message.bid_texts), (self._asks, message.ask_texts)):
            for price, size in texts:
                if float(size):
                    side[float(price)] = f"{price}:{size}"
                else:
                    side.pop(float(price), None)

    def checksum(self, bids: Ladder, asks: Ladder) -> int:
        """Return the CRC-32 of the first 25 levels, sides interleaved, the longer one's rest at the end."""
        sides = [
            [letters[price] for price, _ in ladder.top(CHECKSUM_DEPTH)]
            for letters, ladder in ((self._bids, bids), (self._asks, asks))
        ]
        shorter = min(map(len, sides))
        words = [word for pair in zip(*sides, strict=False) for word in pair]
        return crc32(":".join([*words, *sides[0][shorter:], *sides[1][shorter:]]).encode())


class SocketBook:
    """Follows the chain, or the checksums where there is no chain."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._letters: _Letters | None = None
        self._last: tuple[int | None, int | None] = (None, None)

    def snapshot(self, message: Message, received_ns: int) -> list[Item]:
        """Take a whole book; it replaces what was there."""
        book = self.book
        if message.sequence is None and not message.checksum:
            return self.lose("unverifiable", message.event_ns, received_ns)
        synced = book.state is State.SYNCED
        sequence = message.sequence if message.sequence is not None else book.sequence + 1
        book.replace(message.bids, message.asks, sequence=sequence, event_ns=message.event_ns)
        if synced:
            book.state = State.SYNCED  # still ours to lose
        self._letters = _Letters() if message.checksum else None
        self._last = (message.previous, message.sequence)
        return self._doubt(message, received_ns) or book.publish(received_ns)

    def change(self, message: Message, received_ns: int) -> list[Item]:
        """Take changed levels; anything that does not continue the book loses it."""
        book = self.book
        if book.state is not State.SYNCED:
            book.checks.stale += 1
            return book.request("start", received_ns)
        before = book.sequence
        if message.sequence is None or message.previous is None:
            return self._unchained(message, received_ns)
        if message.previous != before:
            if (message.previous, message.sequence) == self._last:
                book.checks.stale += 1
                return []
            return self.lose("sequence", message.event_ns, received_ns, message.previous)
        self._last = (message.previous, message.sequence)
        return self._apply(message, message.sequence, received_ns)

    def lose(self, cause: str, event_ns: int, received_ns: int, last_missing: int | None = None) -> list[Item]:
        """Give the book up: a change was lost on the way."""
        self._letters = None
        return self.book.lose(cause, event_ns, received_ns, last_missing)

    def _unchained(self, message: Message, received_ns: int) -> list[Item]:
        """Continue without ids, on a local count, as long as checksums vouch for every state."""
        chained = self._last[1] is not None
        if chained or message.sequence is not None or not message.checksum or self._letters is None:
            return self.lose("unverifiable", message.event_ns, received_ns)
        empty = not message.bids and not message.asks
        return self._apply(message, self.book.sequence + (not empty), received_ns)

    def _apply(self, message: Message, sequence: int, received_ns: int) -> list[Item]:
        book = self.book
        before = book.sequence
        bids, asks = book.take(
            Change(
                bids=message.bids,
                asks=message.asks,
                previous=before,
                first=before + 1,
                last=sequence,
                event_ns=message.event_ns,
            )
        )
        doubt = self._doubt(message, received_ns)
        if doubt:
            return doubt
        if not bids and not asks and sequence == before:
            book.checks.stale += 1  # a keepalive
            return []
        return [book.delta(before, bids, asks, received_ns)]

    def _doubt(self, message: Message, received_ns: int) -> list[Item]:
        """Check the state just reached; return what follows where it is wrong, nothing where it is right."""
        book = self.book
        if not message.checksum:
            self._letters = None
        if self._letters is not None:
            self._letters.take(message)
            if self._letters.checksum(book.bids, book.asks) != message.checksum & 0xFFFFFFFF:
                book.checks.checksums_failed += 1
                return self.lose("checksum", message.event_ns, received_ns)
            book.checks.checksums_verified += 1
        if not book.tradable():
            return self.lose("crossed", message.event_ns, received_ns)
        return []
