"""How far a book is known: each side's proven edge in, what resting orders cost to take out; beyond it nothing."""

from bisect import bisect_right
from operator import mul

from msgspec import Struct

from services.signals.engine.book import Book, BookSide

_BASIS_POINT = 1e-4


class Edges(Struct):
    """The keys up to which each side is whole.

    Most venues keep a fixed number of levels: what they show is whole up to its last level. Where changes go beyond
    the venue's snapshot (`partial`), a level out there that has not changed since is not known. Some that did have
    joined the snapshot before it reached us, so its last levels prove nothing; the edge is one well inside of it, and
    is moved only by the best price, behind which nothing rests unseen.
    """

    partial: bool = False
    bid: float = 0.0
    ask: float = 0.0

    def restart(self, book: Book, *, partial_levels: int | None) -> None:
        """Take the book right after a snapshot; `partial_levels` of a side are known, None: all of them."""
        self.partial = partial_levels is not None
        at = -1 if partial_levels is None else partial_levels - 1
        bids, asks = book.bids.keys, book.asks.keys
        self.bid, self.ask = bids[min(at, len(bids) - 1)], asks[min(at, len(asks) - 1)]

    def follow(self, book: Book) -> None:
        """Take a later state of the book; both sides have levels."""
        bids, asks = book.bids.keys, book.asks.keys
        self.bid = max(self.bid, bids[0]) if self.partial else bids[-1]
        self.ask = max(self.ask, asks[0]) if self.partial else asks[-1]


def resting_curve(side: BookSide, edge: float, mid: float, steps: tuple[int, ...]) -> list[float | None]:
    """Return C(x) for each x of `steps` (ascending basis points): what rests within x of `mid`, in quote currency.

    That much must be taken for the price to leave the band (E2.30, own book only). None where the side is not known
    up to there: nothing is extrapolated.
    """
    curve: list[float | None] = []
    start, total = 0, 0.0
    for step in steps:
        limit = side.sign * mid + mid * step * _BASIS_POINT
        if edge < limit:
            curve.append(None)
            continue
        end = bisect_right(side.keys, limit, start)
        total += side.sign * sum(map(mul, side.keys[start:end], side.shown(start, end)))
        start = end
        curve.append(total)
    return curve
