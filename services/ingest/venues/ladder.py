"""One order book as plain state: absolute levels in, the best levels in order out. Pure."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from itertools import islice

from libs.common.events import Level


class Ladder:
    """One side of a book: sizes by price, and the prices in ascending order.

    Changing a level costs a hash look-up, adding or removing one a binary search and a short memory move.
    """

    def __init__(self, *, best_is_highest: bool) -> None:
        self._best_is_highest = best_is_highest
        self._sizes: dict[float, float] = {}
        self._prices: list[float] = []

    def __len__(self) -> int:
        """Number of levels."""
        return len(self._prices)

    @property
    def best(self) -> float | None:
        """The best price; None on an empty side."""
        if not self._prices:
            return None
        return self._prices[-1] if self._best_is_highest else self._prices[0]

    def replace(self, levels: Iterable[Level]) -> None:
        """Forget everything and take `levels`, in any order; of a price said twice, the last word counts."""
        self._sizes = {price: size for price, size in dict(levels).items() if size > 0}
        self._prices = sorted(self._sizes)

    def apply(self, levels: Iterable[Level]) -> None:
        """Set absolute sizes; 0 removes a level, and removing an unknown one is no error."""
        sizes, prices = self._sizes, self._prices
        for price, size in levels:
            if size > 0:
                if price not in sizes:
                    insort(prices, price)
                sizes[price] = size
            elif sizes.pop(price, None) is not None:
                del prices[bisect_left(prices, price)]

    def trim(self, depth: int) -> list[Level]:
        """Forget the worst levels beyond `depth`; return their removal as levels of size 0."""
        surplus = len(self._prices) - depth
        if surplus <= 0:
            return []
        part = slice(0, surplus) if self._best_is_highest else slice(depth, None)
        gone = self._prices[part]
        del self._prices[part]
        for price in gone:
            del self._sizes[price]
        return [(price, 0.0) for price in gone]

    def __iter__(self) -> Iterator[Level]:
        """Yield the levels, best first."""
        prices = reversed(self._prices) if self._best_is_highest else iter(self._prices)
        sizes = self._sizes
        return ((price, sizes[price]) for price in prices)

    def top(self, count: int) -> list[Level]:
        """Return the best `count` levels, best first."""
        return list(islice(self, count))
