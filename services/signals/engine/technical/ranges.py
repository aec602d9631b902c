"""Where the close lies in the range of the newest bars: Stochastic and Williams %R.

Formulas are TA-Lib's; where there was no range at all, theirs says 0, which would be a direction, and ours the middle.
"""

from msgspec import Struct, field

from services.signals.engine.averages import Window
from services.signals.engine.bars import Bar
from services.signals.engine.technical.extremes import Extremes


class RangePosition(Struct):
    """Stochastic n,3,3 and Williams %R n, which are one measure, smoothed and not."""

    extremes: Extremes
    slow: Window = field(default_factory=lambda: Window(3))
    signal: Window = field(default_factory=lambda: Window(3))

    @classmethod
    def of(cls, period: int) -> "RangePosition":
        """Return a cold one."""
        return cls(Extremes(period))

    def add(self, bar: Bar) -> tuple[float | None, float | None, float | None]:
        """Take the next bar; return (slow %K and %D in [0, 100], Williams %R in [-100, 0])."""
        extremes = self.extremes.add(bar.high, bar.low)
        if extremes is None:
            return None, None, None
        highest, lowest = extremes
        fast = 100.0 * (bar.close - lowest) / (highest - lowest) if highest > lowest else 50.0
        williams = -100.0 * (highest - bar.close) / (highest - lowest) if highest > lowest else -50.0
        slow = self.slow.add(fast)
        signal = None if slow is None else self.signal.add(slow[0])
        return (None, None, williams) if slow is None or signal is None else (slow[0], signal[0], williams)
