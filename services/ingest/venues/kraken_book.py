"""A book without numbers that each message's checksum vouches for: whole books and changes in, one book out. Pure.

Kraken's checksum is of the first ten levels a side, asks first, both from the best on: of each level the digits of
price and size as they came, without the point and without leading zeros, one after the other; of all that the CRC-32.
https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2 has the rule and an example.

So a book of ten levels is proven whole with every message; of a deeper one only its first ten levels are.

The venue does not number its messages. Ours get numbers that no other connection's can continue: a whole book's is
the microsecond it was received in, each change adds one, and nobody sends a change every microsecond.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias
from zlib import crc32

from msgspec import Struct

from libs.common.events import Level
from services.ingest.venues.books import Book, Change, State
from services.ingest.venues.ladder import Ladder
from services.ingest.venues.terms import Item

CHECKSUM_DEPTH: Final = 10
MICROSECOND_NS: Final = 1_000

Texts: TypeAlias = Sequence[tuple[str, str]]
"""(price, size) of levels in the venue's own digits."""


class Push(Struct, frozen=True, kw_only=True):
    """One message of a book, whole or changed levels, in the order they came."""

    bids: Texts
    asks: Texts
    checksum: int | None
    event_ns: int


class _Digits:
    """One side's levels as the checksum wants them, by price."""

    def __init__(self) -> None:
        self._of: dict[float, str] = {}

    def take(self, texts: Texts) -> None:
        for price, size in texts:
            if float(size):
                self._of[float(price)] = bare(price) + bare(size)
            else:
                self._of.pop(float(price), None)

    def forget(self, levels: Sequence[Level]) -> None:
        for price, _ in levels:
            self._of.pop(price, None)

    def of(self, ladder: Ladder) -> str:
        return "".join(self._of[price] for price, _ in ladder.top(CHECKSUM_DEPTH))


def bare(number: str) -> str:
    """Return the digits of a number without the point and without leading zeros."""
    return number.replace(".", "").lstrip("0")


def numbers(texts: Texts) -> list[Level]:
    """Return levels as numbers."""
    return [(float(price), float(size)) for price, size in texts]


class VouchedBook:
    """Publishes a state only if the checksum that came with it fits."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._bids = _Digits()
        self._asks = _Digits()
        self._last: Push | None = None

    def whole(self, push: Push, received_ns: int) -> list[Item]:
        """Take a whole book; it replaces what was there."""
        book = self.book
        synced = book.state is State.SYNCED
        first = max((received_ns or push.event_ns) // MICROSECOND_NS, book.sequence + 1)
        book.replace(numbers(push.bids), numbers(push.asks), sequence=first, event_ns=push.event_ns)
        if synced:
            book.state = State.SYNCED  # still ours to lose
        self._last = push
        self._bids, self._asks = _Digits(), _Digits()
        self._bids.take(push.bids)
        self._asks.take(push.asks)
        return self._doubt(push, received_ns) or book.publish(received_ns)

    def change(self, push: Push, received_ns: int) -> list[Item]:
        """Take changed levels; a state that its checksum does not fit loses the book."""
        book = self.book
        if book.state is not State.SYNCED:
            book.checks.stale += 1
            return book.request("start", received_ns)
        if push == self._last:
            book.checks.stale += 1
            return []
        self._last = push
        before = book.sequence
        bids, asks = book.take(
            Change(
                bids=numbers(push.bids),
                asks=numbers(push.asks),
                previous=before,
                first=before + 1,
                last=before + 1,
                event_ns=push.event_ns,
            )
        )
        self._bids.take(push.bids)
        self._asks.take(push.asks)
        self._bids.forget(bids[len(push.bids) :])
        self._asks.forget(asks[len(push.asks) :])
        return self._doubt(push, received_ns) or [book.delta(before, bids, asks, received_ns)]

    def lose(self, cause: str, event_ns: int, received_ns: int) -> list[Item]:
        """Give the book up."""
        return self.book.lose(cause, event_ns, received_ns)

    def _doubt(self, push: Push, received_ns: int) -> list[Item]:
        """Check the state just reached; return what follows where it is wrong, nothing where it is right."""
        book = self.book
        if push.checksum is None:
            return self.lose("unverifiable", push.event_ns, received_ns)
        if crc32((self._asks.of(book.asks) + self._bids.of(book.bids)).encode()) != push.checksum:
            book.checks.checksums_failed += 1
            return self.lose("checksum", push.event_ns, received_ns)
        book.checks.checksums_verified += 1
        return [] if book.tradable() else self.lose("crossed", push.event_ns, received_ns)
