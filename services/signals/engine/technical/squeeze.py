"""Bollinger bands and Keltner channel in, whether the former lie within the latter, and since when, out."""

from msgspec import Struct


class Squeeze(Struct):
    """On while both bands lie within EMA(20) +- `factor` x ATR(14): spread is small against range (Carter's squeeze).

    Both sides are in price, so no percentage and no price level matters.
    """

    factor: float = 1.5
    bars: int = 0
    """Bars it has lasted; 0 while it is off."""

    def add(self, middle: float, atr: float, upper: float, lower: float) -> tuple[float, float, int]:
        """Take one bar's EMA, ATR and Bollinger bands; return (channel's upper, its lower, bars in squeeze)."""
        top, bottom = middle + self.factor * atr, middle - self.factor * atr
        self.bars = self.bars + 1 if upper < top and lower > bottom else 0
        return top, bottom, self.bars
