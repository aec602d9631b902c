"""A local order book: snapshots and deltas in, best levels and their balance out; invalid while one is missing."""

import math
from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct, field

from libs.common.events import BookDelta, BookSnapshot, Level

_UNKNOWN = -1
_INFINITY = math.inf

Levels: TypeAlias = list[tuple[float, float]]
"""(price, size), best first."""


class BookSide(Struct):
    """The levels of one side, best first: keys ascend, and are prices for asks, negated prices for bids."""

    sign: int
    limit: int
    keys: list[float] = field(default_factory=list)
    sizes: dict[float, float] = field(default_factory=dict)
    """By key: most changes are of levels that stand, and need no search."""

    def replace(self, levels: Iterable[Level]) -> int:
        """Take a whole side; return how many levels could not be."""
        self.keys, self.sizes = [], {}
        return self.change(levels)

    def change(self, levels: Iterable[Level]) -> int:
        """Set each level's absolute size, 0 removes it; return how many levels could not be."""
        keys, sizes, sign = self.keys, self.sizes, self.sign
        invalid = 0
        for price, size in levels:
            key = sign * price
            if key in sizes:
                if 0 < size < _INFINITY:
                    sizes[key] = size
                elif size == 0:
                    del sizes[key], keys[bisect_left(keys, key)]
                else:
                    invalid += 1
            elif not (0 < price < _INFINITY and 0 <= size < _INFINITY):
                invalid += 1
            elif size > 0:
                insort(keys, key)
                sizes[key] = size
        if len(keys) > self.limit:
            for key in keys[self.limit :]:
                del sizes[key]
            del keys[self.limit :]
        return invalid

    def top(self, depth: int) -> Levels:
        """Return up to `depth` levels, best first."""
        sign, sizes = self.sign, self.sizes
        return [(sign * key, sizes[key]) for key in self.keys[:depth]]

    def shown(self, start: int, end: int) -> list[float]:
        """Return the sizes of the levels from place `start` up to `end`."""
        return list(map(self.sizes.__getitem__, self.keys[start:end]))


class Book(Struct):
    """Both sides, and the sequence they stand for. `valid` from a snapshot until a delta does not continue it."""

    bids: BookSide
    asks: BookSide
    sequence: int = _UNKNOWN
    event_ns: int = _UNKNOWN
    valid: bool = False
    invalid_levels: int = 0

    @classmethod
    def new(cls, limit: int) -> "Book":
        """Return a book without anything, invalid."""
        return cls(BookSide(-1, limit), BookSide(1, limit))

    def replace(self, snapshot: BookSnapshot) -> bool:
        """Take a snapshot; False when the book is already there or beyond."""
        if self.valid and snapshot.sequence == self.sequence:
            return False
        if snapshot.sequence < self.sequence and snapshot.event_ns <= self.event_ns:
            return False
        self.invalid_levels += self.bids.replace(snapshot.bids) + self.asks.replace(snapshot.asks)
        self.sequence, self.event_ns, self.valid = snapshot.sequence, snapshot.event_ns, True
        return True

    def change(self, delta: BookDelta) -> bool:
        """Take a delta; False when it was not used: the book is invalid, now or before, or was already beyond it."""
        if not self.valid:
            return False
        if delta.first_sequence != self.sequence + 1:
            old = delta.event_ns < self.event_ns
            old = old or (delta.last_sequence <= self.sequence and delta.event_ns == self.event_ns)
            self.valid = old
            return False
        self.invalid_levels += self.bids.change(delta.bids) + self.asks.change(delta.asks)
        self.sequence, self.event_ns = delta.last_sequence, max(self.event_ns, delta.event_ns)
        return True

    def lose(self) -> None:
        """Stop trusting the book until the next snapshot."""
        self.valid = False

    @property
    def crossed(self) -> bool:
        """Tell whether the best bid is not below the best ask."""
        return bool(self.bids.keys and self.asks.keys and -self.bids.keys[0] >= self.asks.keys[0])

    @property
    def two_sided(self) -> bool:
        """Tell whether both sides have a level."""
        return bool(self.bids.keys and self.asks.keys)


def mid(bids: Levels, asks: Levels) -> float:
    """Return M = (Pa + Pb) / 2."""
    return (bids[0][0] + asks[0][0]) / 2


def queue_share(bids: Levels, asks: Levels) -> float:
    """Return I = qb / (qb + qa) of the given levels, in [0, 1]; 1/2 is balance."""
    bid = math.fsum(size for _, size in bids)
    ask = math.fsum(size for _, size in asks)
    return bid / (bid + ask)


def weighted_mid(bids: Levels, asks: Levels) -> float:
    """Return W = I Pa + (1 - I) Pb at the best level: a heavier bid pulls towards the ask."""
    share = queue_share(bids[:1], asks[:1])
    return share * asks[0][0] + (1 - share) * bids[0][0]
