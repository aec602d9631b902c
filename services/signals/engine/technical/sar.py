"""Bars in, Wilder's parabolic stop and reverse .02/.2 out."""

from msgspec import Struct

from services.signals.engine.bars import Bar


class Sar(Struct):
    """The stop moves towards the extreme of its trend, faster with each new extreme, and never into the last two bars.

    The start is TA-Lib's: short where the second bar's downward movement is the larger, from the first bar's far end.
    """

    step: float = 0.02
    most: float = 0.2
    up: bool = True
    stop: float | None = None
    """That of the next bar."""
    extreme: float = 0.0
    pace: float = 0.0

    def add(self, bar: Bar, last: Bar) -> tuple[float, int]:
        """Take a bar and the one before it; return (the stop at this bar, +1 below the price or -1 above it)."""
        stop = self.stop
        if stop is None:
            down = last.low - bar.low
            self.up = not (down > 0 and bar.high - last.high < down)
            stop, self.extreme, self.pace = (last.low if self.up else last.high), self._far(bar), self.step
            last = bar
        if bar.low <= stop if self.up else bar.high >= stop:
            stop, self.up = self.extreme, not self.up
            shown = stop = self._clear(stop, bar, last)
            self.extreme, self.pace = self._far(bar), self.step
        else:
            shown, far = stop, self._far(bar)
            if far > self.extreme if self.up else far < self.extreme:
                self.extreme, self.pace = far, min(self.pace + self.step, self.most)
        self.stop = self._clear(stop + self.pace * (self.extreme - stop), bar, last)
        return shown, 1 if self.up else -1

    def _far(self, bar: Bar) -> float:
        return bar.high if self.up else bar.low

    def _clear(self, stop: float, bar: Bar, last: Bar) -> float:
        return min(stop, bar.low, last.low) if self.up else max(stop, bar.high, last.high)
