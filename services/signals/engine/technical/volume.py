"""What volume says: on-balance volume and the session's volume-weighted average price, bar by bar."""

from math import sqrt

from msgspec import Struct, field

from libs.common.events import Timeframe
from services.signals.engine.bars import Bar


class Obv(Struct):
    """On-balance volume (Granville), in base units: volume of rising closes less that of falling ones.

    It starts with the first bar's volume, as TA-Lib's does; its level means nothing, so readers take the flow: its
    change over the newest n bars over the volume of these, in [-1, 1].
    """

    period: int
    value: float = 0.0
    last: float | None = None
    signed: list[float] = field(default_factory=list)
    volumes: list[float] = field(default_factory=list)

    def add(self, bar: Bar) -> tuple[float, float | None]:
        """Take the next bar; return (OBV, flow); the flow is None before bar n + 1, and where nothing was traded."""
        last, self.last = self.last, bar.close
        if last is None:
            self.value = bar.volume
            return self.value, None
        signed = bar.volume if bar.close > last else -bar.volume if bar.close < last else 0.0
        self.value += signed
        self.signed.append(signed)
        self.volumes.append(bar.volume)
        if len(self.volumes) > self.period:
            del self.signed[0], self.volumes[0]
        traded = sum(self.volumes)
        if len(self.volumes) < self.period or traded <= 0:
            return self.value, None
        return self.value, sum(self.signed) / traded


class SessionVwap(Struct):
    """VWAP of the UTC day: sum(P q) / sum q with the typical price of each bar, and the deviation around it.

    The variance is weighted by volume and updated in place (West 1979), so no difference of squares cancels. Absent
    before the first midnight that the bars reach (part of a day is not the day's), and while nothing was traded.
    """

    bars: int = -1
    """Bars of this session; -1 before the first session began."""
    volume: float = 0.0
    mean: float = 0.0
    moment: float = 0.0

    def add(self, bar: Bar) -> tuple[float, float, int] | None:
        """Take the next bar; return (VWAP, standard deviation, bars of the session)."""
        if bar.open_ns % Timeframe.D1.ns == 0:
            self.bars, self.volume, self.mean, self.moment = 0, 0.0, 0.0, 0.0
        if self.bars < 0:
            return None
        self.bars += 1
        if bar.volume > 0:
            price = (bar.high + bar.low + bar.close) / 3
            if self.volume <= 0:
                self.mean = price  # exactly: what rounding left of it would be a deviation
            self.volume += bar.volume
            before = price - self.mean
            self.mean += before * bar.volume / self.volume
            self.moment += bar.volume * before * (price - self.mean)
        if self.volume <= 0:
            return None
        return self.mean, sqrt(max(0.0, self.moment / self.volume)), self.bars
