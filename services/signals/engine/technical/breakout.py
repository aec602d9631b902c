"""Squeezes and closes in, the breakout of the last squeeze out: the first close beyond a band soon after its end."""

from msgspec import Struct


class Breakout(Struct):
    """Which way price left a squeeze, and how many bars ago."""

    least_squeeze_bars: int
    window_bars: int
    squeezed: int = 0
    """Length of the squeeze that is on, in bars."""
    open_bars: int = 0
    """Bars left in which a close may break out."""
    side: int = 0
    """Of the last breakout; 0 before any."""
    age: int = 0
    """Bars since."""

    def add(self, close: float, upper: float, lower: float, squeeze_bars: int) -> None:
        """Take one bar's close, Bollinger bands and squeeze."""
        self.age += 1
        if squeeze_bars == 0 and self.squeezed >= self.least_squeeze_bars:
            self.open_bars = self.window_bars
        if squeeze_bars > 0:
            self.open_bars = 0
        self.squeezed = squeeze_bars
        if self.open_bars == 0:
            return
        self.open_bars -= 1
        side = 1 if close > upper else -1 if close < lower else 0
        if side:
            self.side, self.age, self.open_bars = side, 0, 0
