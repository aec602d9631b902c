"""Bars in, the lines of Ichimoku 9/26/52 as of each close out; nothing is read ahead of its bar."""

from msgspec import Struct, field

from services.signals.engine.bars import Bar
from services.signals.engine.technical.extremes import Extremes


class Lines(Struct, frozen=True):
    """Prices in quote currency."""

    tenkan: float | None = None
    kijun: float | None = None
    senkou_a: float | None = None
    """Computed at this close; charts draw it `shift` bars to the right."""
    senkou_b: float | None = None
    cloud_a: float | None = None
    """The senkou lines computed `shift` bars ago: the cloud that a chart shows at this bar."""
    cloud_b: float | None = None


class Ichimoku(Struct):
    """Middles of ranges: tenkan of 9 bars, kijun of 26, senkou A their mean, senkou B of 52 (Hosoda)."""

    fast: Extremes = field(default_factory=lambda: Extremes(9))
    base: Extremes = field(default_factory=lambda: Extremes(26))
    slow: Extremes = field(default_factory=lambda: Extremes(52))
    shift: int = 26
    spans: list[tuple[float, float]] = field(default_factory=list)
    """The newest `shift` pairs of senkou lines, oldest first."""

    def add(self, bar: Bar) -> Lines:
        """Take the next bar."""
        tenkan = _middle(self.fast.add(bar.high, bar.low))
        kijun = _middle(self.base.add(bar.high, bar.low))
        senkou_b = _middle(self.slow.add(bar.high, bar.low))
        senkou_a = None if tenkan is None or kijun is None else (tenkan + kijun) / 2
        if senkou_a is None or senkou_b is None:
            return Lines(tenkan, kijun, senkou_a, senkou_b)
        self.spans.append((senkou_a, senkou_b))
        if len(self.spans) <= self.shift:
            return Lines(tenkan, kijun, senkou_a, senkou_b)
        return Lines(tenkan, kijun, senkou_a, senkou_b, *self.spans.pop(0))


def _middle(extremes: tuple[float, float] | None) -> float | None:
    return None if extremes is None else (extremes[0] + extremes[1]) / 2
