"""Stretches of time in, merged ones out: how much of a window they cover, each moment counted once. Pure."""

from bisect import bisect_left, bisect_right
from typing import Final

MOST: Final = 256
"""Stretches kept; beyond that the two that lie closest become one, which never makes them cover less."""


class Spans:
    """Half-open stretches [from_ns, to_ns), apart from each other, oldest first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._from: list[int] = []
        self._to: list[int] = []

    def __len__(self) -> int:
        """Count them."""
        return len(self._from)

    def add(self, from_ns: int, to_ns: int) -> None:
        """Take a stretch; what it touches or overlaps becomes one with it. An empty one is nothing."""
        if to_ns <= from_ns:
            return
        first = bisect_left(self._to, from_ns)
        last = bisect_right(self._from, to_ns)
        if first < last:
            from_ns = min(from_ns, self._from[first])
            to_ns = max(to_ns, self._to[last - 1])
        self._from[first:last] = [from_ns]
        self._to[first:last] = [to_ns]
        if len(self._from) > self._most:
            self._join_closest()

    def within(self, from_ns: int, to_ns: int, also: tuple[int, int] | None = None) -> int:
        """Return the nanoseconds of [from_ns, to_ns) that they cover, together with one more stretch."""
        if to_ns <= from_ns:
            return 0
        first, last = bisect_right(self._to, from_ns), bisect_left(self._from, to_ns)
        total = 0
        if first < last:
            total = sum(self._to[first:last]) - sum(self._from[first:last])
            total -= max(from_ns - self._from[first], 0) + max(self._to[last - 1] - to_ns, 0)
        if also is not None:
            since, until = max(also[0], from_ns), min(also[1], to_ns)
            total += max(until - since, 0) - (self.within(since, until) if until > since else 0)
        return total

    def forget_before(self, ns: int) -> None:
        """Drop what ended by then."""
        count = bisect_right(self._to, ns)
        del self._from[:count]
        del self._to[:count]

    def _join_closest(self) -> None:
        left = min(range(len(self._from) - 1), key=lambda one: self._from[one + 1] - self._to[one])
        del self._from[left + 1]
        del self._to[left]
