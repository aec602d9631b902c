"""Running sums, averages and spreads: one value in, one value out, None until warm."""

from math import sqrt

from msgspec import Struct, field


class Sum(Struct, array_like=True):
    """A sum that keeps what rounding takes away (Neumaier): thousands of sizes add up to the venue's own volume."""

    total: float = 0.0
    lost: float = 0.0

    def add(self, x: float) -> None:
        """Take the next value."""
        total = self.total + x
        if abs(self.total) >= abs(x):
            self.lost += (self.total - total) + x
        else:
            self.lost += (x - total) + self.total
        self.total = total

    @property
    def value(self) -> float:
        """The sum so far."""
        return self.total + self.lost


class Ema(Struct):
    """Exponential average with alpha 2/(n+1), seeded with the simple average of the first n values (TA-Lib's way)."""

    period: int
    value: float | None = None
    count: int = 0
    total: float = 0.0

    def add(self, x: float) -> float | None:
        """Take the next value; return the average, None before the n-th."""
        if self.value is None:
            self.count += 1
            self.total += x
            if self.count == self.period:
                self.value = self.total / self.period
        else:
            self.value += (x - self.value) * 2.0 / (self.period + 1)
        return self.value


class Rma(Struct):
    """Wilder's average: y += (x - y)/n, seeded with the simple average of the first n values."""

    period: int
    value: float | None = None
    count: int = 0
    total: float = 0.0

    def add(self, x: float) -> float | None:
        """Take the next value; return the average, None before the n-th."""
        if self.value is None:
            self.count += 1
            self.total += x
            if self.count == self.period:
                self.value = self.total / self.period
        else:
            self.value = (self.value * (self.period - 1) + x) / self.period
        return self.value


class Window(Struct):
    """The last n values, with their mean and population standard deviation (divisor n).

    Both are computed anew from the window, in two passes: no running sum drifts, no difference of squares cancels.
    """

    period: int
    values: list[float] = field(default_factory=list)

    def add(self, x: float) -> tuple[float, float] | None:
        """Take the next value; return (mean, deviation), None before the n-th."""
        self.values.append(x)
        if len(self.values) > self.period:
            del self.values[0]
        if len(self.values) < self.period:
            return None
        mean = sum(self.values) / self.period
        return mean, sqrt(sum((value - mean) ** 2 for value in self.values) / self.period)
