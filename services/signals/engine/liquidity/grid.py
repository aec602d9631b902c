"""A market's price grid: a price in, the number of its bin out; fixed once, the same for any unit of the price."""

from bisect import bisect_left
from itertools import pairwise
from math import floor
from typing import Final

from msgspec import Struct

from services.signals.engine.book import BookSide

_SLACK: Final = 1e-9
"""Of a bin: a price that is a bin's edge but for its last binary digit belongs to the bin it opens."""
_BASIS_POINT: Final = 1e-4


class Grid(Struct, frozen=True):
    """Bins of `step` times ten to the `exponent`; bin b holds prices of [b w, (b + 1) w), w the width."""

    price: float
    """Where it was laid."""
    step: int
    """1, 2 or 5."""
    exponent: int
    per_price: float
    """1 / w, so that a product and no quotient is needed for each trade."""

    @classmethod
    def around(cls, price: float, most_bp: float) -> "Grid":
        """Return the grid with the widest bins that are at most `most_bp` basis points of `price` wide."""
        mantissa, exponent = f"{price * most_bp * _BASIS_POINT:.12e}".split("e")
        step = max(step for step in (1, 2, 5) if step <= float(mantissa))
        power = int(exponent)
        return cls(price, step, power, 10.0**-power / step if power < 0 else 1.0 / (step * 10.0**power))

    @property
    def width(self) -> float:
        """Quote currency."""
        return self.at(1)

    @property
    def width_bp(self) -> float:
        """Of the price at which the grid was laid."""
        return self.width / self.price / _BASIS_POINT

    def at(self, edge: float) -> float:
        """Return the price at `edge`, counted in bins from zero."""
        return edge * self.step / 10.0**-self.exponent if self.exponent < 0 else edge * self.step * 10.0**self.exponent

    def bin(self, price: float) -> int:
        """Return the number of the bin of `price`; given a book side's key, the number of that side's bin.

        The key of a bid is its negated price, so a bid's bins hold prices of (.., ..]: the mirrored book has the
        mirrored bins.
        """
        return floor(price * self.per_price + _SLACK)

    def depths(self, side: BookSide, first: int, count: int) -> list[float]:
        """Return base units in each of `count` bins of `side`, from bin `first` outward; by bisection, no scan."""
        keys, width = side.keys, self.width
        edge = first - _SLACK
        ends = [bisect_left(keys, (edge + number) * width) for number in range(count + 1)]
        sizes = side.shown(ends[0], ends[-1])
        ends = [end - ends[0] for end in ends]
        return [sum(sizes[start:end]) if start < end else 0.0 for start, end in pairwise(ends)]
