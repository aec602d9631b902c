"""A value in, its rank among the newest n out."""

from bisect import bisect_left, bisect_right, insort

from msgspec import Struct, field


class Rank(Struct):
    """The newest n values, in order of time and of size."""

    period: int
    values: list[float] = field(default_factory=list)
    ordered: list[float] = field(default_factory=list)

    def add(self, x: float) -> float:
        """Take the next value; return the share of the window below it, ties half, in (0, 1)."""
        if len(self.values) == self.period:
            del self.ordered[bisect_left(self.ordered, self.values.pop(0))]
        self.values.append(x)
        insort(self.ordered, x)
        return (bisect_left(self.ordered, x) + bisect_right(self.ordered, x)) / (2 * len(self.ordered))
