"""Indicators of several steps, one bar in, one value out, None until warm: RSI, MACD, ATR, ADX.

Formulas and seeds are TA-Lib's; where a value is undefined, ours is named in the docstring.
"""

from msgspec import Struct, field

from services.signals.engine.averages import Ema, Rma
from services.signals.engine.bars import Bar


class Rsi(Struct):
    """Wilder's relative strength index: 100 x gain / (gain + loss).

    100 when nothing was lost, and 50 when nothing moved at all (TA-Lib says 0 there, which would be a direction).
    """

    gain: Rma
    loss: Rma
    last: float | None = None

    @classmethod
    def of(cls, period: int) -> "Rsi":
        """Return a cold one."""
        return cls(Rma(period), Rma(period))

    def add(self, close: float) -> float | None:
        """Take the next close."""
        last, self.last = self.last, close
        if last is None:
            return None
        gain = self.gain.add(max(close - last, 0.0))
        loss = self.loss.add(max(last - close, 0.0))
        if gain is None or loss is None:
            return None
        return 100.0 * gain / (gain + loss) if gain + loss > 0 else 50.0


class Macd(Struct):
    """Moving average convergence and divergence; both averages start at the slow one's first value, as in TA-Lib."""

    fast: Ema
    slow: Ema
    signal: Ema
    recent: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, fast: int, slow: int, signal: int) -> "Macd":
        """Return a cold one."""
        return cls(Ema(fast), Ema(slow), Ema(signal))

    def add(self, close: float) -> tuple[float, float, float] | None:
        """Take the next close; return (macd, signal, histogram)."""
        slow = self.slow.add(close)
        if self.fast.value is None:
            self.recent = [*self.recent[1 - self.fast.period :], close]
            if slow is not None:
                self.fast.value = sum(self.recent) / self.fast.period
                self.recent = []
            fast = self.fast.value
        else:
            fast = self.fast.add(close)
        if fast is None or slow is None:
            return None
        signal = self.signal.add(fast - slow)
        return None if signal is None else (fast - slow, signal, fast - slow - signal)


def true_range(bar: Bar, last: Bar) -> float:
    """Return the largest of high - low, |high - last close| and |low - last close|."""
    return max(bar.high - bar.low, abs(bar.high - last.close), abs(bar.low - last.close))


class Adx(Struct):
    """Wilder's directional movement: (ADX, +DI, -DI), with TA-Lib's seeds: sums of n-1, then n directional indices.

    A bar without any range since the seed leaves the index as it was.
    """

    period: int
    bars: int = 0
    plus: float = 0.0
    minus: float = 0.0
    range: float = 0.0
    total: float = 0.0
    value: float | None = None

    def add(self, bar: Bar, last: Bar) -> tuple[float, float, float] | None:
        """Take a bar and the one before it."""
        self.bars += 1
        keep = 1.0 if self.bars < self.period else 1.0 - 1.0 / self.period
        up, down = bar.high - last.high, last.low - bar.low
        self.plus = self.plus * keep + (up if up > 0 and up > down else 0.0)
        self.minus = self.minus * keep + (down if down > 0 and down > up else 0.0)
        self.range = self.range * keep + true_range(bar, last)
        if self.bars < self.period:
            return None
        both = self.plus + self.minus
        index = 100.0 * abs(self.plus - self.minus) / both if both > 0 and self.range > 0 else None
        if self.value is None:
            self.total += index or 0.0
            if self.bars == 2 * self.period - 1:
                self.value = self.total / self.period
        elif index is not None:
            self.value = (self.value * (self.period - 1) + index) / self.period
        if self.value is None:
            return None
        if self.range <= 0:
            return self.value, 0.0, 0.0
        return self.value, 100.0 * self.plus / self.range, 100.0 * self.minus / self.range
