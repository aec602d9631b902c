"""An order book on integer ticks and lots: set and take levels in, changed levels and their sequence out."""

from bisect import bisect_left, insort

from msgspec import Struct, field


class Changes(Struct):
    """What changed since the last push of one kind of depth stream."""

    previous: int
    """Sequence of the book at that push."""
    first: int = 0
    """Sequence of the first change since; 0 when nothing changed."""
    bids: set[int] = field(default_factory=set)
    asks: set[int] = field(default_factory=set)

    def clear(self, sequence: int) -> None:
        """Begin anew after a push up to `sequence`."""
        self.previous = sequence
        self.first = 0
        self.bids.clear()
        self.asks.clear()


class Side:
    """One side: sizes by price and the prices in ascending order."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self.prices: list[int] = []

    def put(self, price: int, lots: int) -> bool:
        """Set a level; 0 removes it. Returns whether anything changed."""
        old = self.sizes.get(price, 0)
        if old == lots:
            return False
        if not lots:
            del self.sizes[price]
            del self.prices[bisect_left(self.prices, price)]
            return True
        if not old:
            insort(self.prices, price)
        self.sizes[price] = lots
        return True


class Book:
    """Both sides and a sequence that counts changes; `watch` remembers changes for a stream."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.bids = Side()
        self.asks = Side()
        self._watches: list[Changes] = []

    @property
    def best_bid(self) -> int | None:
        """The highest bid in ticks."""
        return self.bids.prices[-1] if self.bids.prices else None

    @property
    def best_ask(self) -> int | None:
        """The lowest ask in ticks."""
        return self.asks.prices[0] if self.asks.prices else None

    def watch(self) -> Changes:
        """Return a collector of changes from now on."""
        changes = Changes(previous=self.sequence)
        self._watches.append(changes)
        return changes

    def unwatch(self, changes: Changes) -> None:
        """Forget a collector."""
        self._watches = [one for one in self._watches if one is not changes]

    def put(self, bid: bool, price: int, lots: int) -> None:
        """Set the level at `price`; 0 removes it."""
        side = self.bids if bid else self.asks
        if not side.put(price, lots):
            return
        self.sequence += 1
        for changes in self._watches:
            (changes.bids if bid else changes.asks).add(price)
            if not changes.first:
                changes.first = self.sequence

    def take(self, buy: bool, lots: int, limit: int, levels: int) -> list[tuple[int, int]]:
        """Fill a taker's order from the best level on, not past `limit`, over at most `levels`; the rest is gone.

        Returns (price, lots) a level.
        """
        side = self.asks if buy else self.bids
        fills: list[tuple[int, int]] = []
        while lots and side.prices and len(fills) < levels:
            price = side.prices[0 if buy else -1]
            if (price > limit) if buy else (price < limit):
                break
            taken = min(lots, side.sizes[price])
            self.put(not buy, price, side.sizes[price] - taken)
            fills.append((price, taken))
            lots -= taken
        return fills

    def depth(self, limit: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the best `limit` levels of bids and asks, best first, as (price, lots)."""
        bids = [(price, self.bids.sizes[price]) for price in self.bids.prices[: -limit - 1 : -1]]
        asks = [(price, self.asks.sizes[price]) for price in self.asks.prices[:limit]]
        return bids, asks
