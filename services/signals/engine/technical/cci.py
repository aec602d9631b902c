"""Bars in, the commodity channel index out: how far the typical price strayed, in its own mean deviations."""

from typing import Final

from msgspec import Struct, field

from services.signals.engine.bars import Bar

_SCALE: Final = 0.015
"""Lambert's constant: most values fall within +-100."""
_ROUNDING: Final = 1e-13
"""A mean deviation below this share of the price is what rounding left of none."""


class Cci(Struct):
    """(typical - mean) / (0.015 x mean absolute deviation), typical = (high + low + close) / 3, over n bars.

    0 where nothing moved; TA-Lib divides one rounding error by another there.
    """

    period: int
    typical: list[float] = field(default_factory=list)

    def add(self, bar: Bar) -> float | None:
        """Take the next bar."""
        price = (bar.high + bar.low + bar.close) / 3
        self.typical.append(price)
        if len(self.typical) > self.period:
            del self.typical[0]
        if len(self.typical) < self.period:
            return None
        mean = sum(self.typical) / self.period
        deviation = sum([abs(value - mean) for value in self.typical]) / self.period
        return (price - mean) / (_SCALE * deviation) if deviation > _ROUNDING * mean else 0.0
