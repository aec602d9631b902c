"""Bars in, Supertrend 10/3 out: the band that price would have to close beyond to turn the trend."""

from msgspec import Struct, field

from services.signals.engine.averages import Rma
from services.signals.engine.bars import Bar


class Supertrend(Struct):
    """Final bands: a band moves towards the price only, until a close beyond the other side's turns the trend.

    basic = (high + low) / 2 +- 3 x Wilder's ATR(10); the first trend is up where the first close is not below the
    middle of its bar (others start down whatever the market does).
    """

    factor: float = 3.0
    atr: Rma = field(default_factory=lambda: Rma(10))
    upper: float | None = None
    lower: float | None = None
    up: bool = True
    last: float = 0.0
    """The close before."""

    def add(self, bar: Bar, true_range: float) -> tuple[float, int] | None:
        """Take the next bar and its true range; return (the band in force, +1 up or -1 down)."""
        atr = self.atr.add(true_range)
        last, self.last = self.last, bar.close
        if atr is None:
            return None
        middle = (bar.high + bar.low) / 2
        upper, lower = middle + self.factor * atr, middle - self.factor * atr
        if self.upper is None or self.lower is None:
            self.up = bar.close >= middle
        else:
            upper = upper if upper < self.upper or last > self.upper else self.upper
            lower = lower if lower > self.lower or last < self.lower else self.lower
            self.up = bar.close >= lower if self.up else bar.close > upper
        self.upper, self.lower = upper, lower
        return (lower, 1) if self.up else (upper, -1)
