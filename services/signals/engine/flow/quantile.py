"""Sizes in, a rolling quantile of them out, within 1 % of the value, from a bounded number of counts."""

from math import ceil, exp, log
from typing import Final

from msgspec import Struct, field

_WIDTH: Final = log(1.02)
"""Logarithmic bins: the middle of a bin lies within 1 % of all that is in it."""
_MOST: Final = 2048
"""Bins a generation; 2048 of them span a factor of 4e17. What would need another one goes into the last one used."""


class Quantile(Struct):
    """Counts by logarithmic bins in two generations, so that between one and two spans are remembered."""

    span_ns: int
    open_ns: int = -1
    young: dict[int, int] = field(default_factory=dict)
    old: dict[int, int] = field(default_factory=dict)
    count: int = 0
    """Of both generations."""
    clamped: int = 0
    """Sizes that found no bin of their own."""

    def add(self, size: float, at_ns: int) -> None:
        """Count one size, greater than zero."""
        if self.open_ns < 0:
            self.open_ns = at_ns
        if at_ns - self.open_ns >= self.span_ns:
            fresh = at_ns - self.open_ns < 2 * self.span_ns
            self.old, self.young = (self.young if fresh else {}), {}
            self.open_ns = self.open_ns + self.span_ns if fresh else at_ns
            self.count = sum(self.old.values())
        row = round(log(size) / _WIDTH)
        young = self.young
        if row not in young and len(young) >= _MOST:
            row = next(reversed(young))
            self.clamped += 1
        young[row] = young.get(row, 0) + 1
        self.count += 1

    def at(self, share: float) -> float | None:
        """Return the size that `share` of all sizes do not exceed; None while nothing was counted."""
        if not self.count:
            return None
        left = self.count - ceil(share * self.count) + 1
        for row in sorted({**self.old, **self.young}, reverse=True):
            left -= self.young.get(row, 0) + self.old.get(row, 0)
            if left <= 0:
                return exp(row * _WIDTH)
        return None
