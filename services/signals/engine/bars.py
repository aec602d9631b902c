"""Closed complete bars of one timeframe, in ascending order, holes included, from our trades or a venue's REST."""

from bisect import bisect_left
from collections.abc import Sequence

from msgspec import Struct, field

from libs.common.events import Source, Timeframe


class Bar(Struct, frozen=True, array_like=True):
    """One closed complete bar: prices in quote currency, volume in base units."""

    open_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    source: Source = Source.TRADES
    bought: float | None = None
    """Base units bought by takers; absent where the source does not say."""
    delta_low: float | None = None
    delta_high: float | None = None
    """Least and greatest cumulative delta within the bar, from 0 at its open; absent unless made from trades."""

    @property
    def delta(self) -> float | None:
        """Base units bought less base units sold by takers."""
        return None if self.bought is None else 2 * self.bought - self.volume


def merge(parts: Sequence[Bar]) -> Bar:
    """Return the bar that `parts`, adjoining and oldest first, make together; volumes are summed in that order."""
    bought = [part.bought for part in parts if part.bought is not None]
    lowest, highest = _extremes(parts)
    return Bar(
        parts[0].open_ns,
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum(part.volume for part in parts),
        Source.REST if any(part.source is Source.REST for part in parts) else Source.TRADES,
        sum(bought) if len(bought) == len(parts) else None,
        lowest,
        highest,
    )


def _extremes(parts: Sequence[Bar]) -> tuple[float, float] | tuple[None, None]:
    """Return the least and greatest cumulative delta over `parts`; nothing when one of them does not tell."""
    total, lowest, highest = 0.0, 0.0, 0.0
    for part in parts:
        if part.delta is None or part.delta_low is None or part.delta_high is None:
            return None, None
        lowest, highest = min(lowest, total + part.delta_low), max(highest, total + part.delta_high)
        total += part.delta
    return lowest, highest


class History(Struct):
    """The newest closed bars; the first value of a bar counts, so that nothing an indicator saw ever changes."""

    timeframe: Timeframe
    limit: int
    bars: list[Bar] = field(default_factory=list)

    def insert(self, bar: Bar) -> bool:
        """Remember `bar`; False when its time is already taken or older than everything a full history holds."""
        at = self._position(bar.open_ns)
        if at < len(self.bars) and self.bars[at].open_ns == bar.open_ns:
            return False
        if at == 0 and len(self.bars) >= self.limit:
            return False
        self.bars.insert(at, bar)
        if len(self.bars) > self.limit:
            del self.bars[0]
        return True

    def get(self, open_ns: int) -> Bar | None:
        """Return the bar that opens at `open_ns`."""
        at = self._position(open_ns)
        return self.bars[at] if at < len(self.bars) and self.bars[at].open_ns == open_ns else None

    def run(self, close_ns: int, most: int | None = None) -> list[Bar]:
        """Return the unbroken run of bars, or the newest `most` of it, that ends at `close_ns`; [] without that bar."""
        open_ns = close_ns - self.timeframe.ns
        if self.get(open_ns) is None:
            return []
        first = last = self._position(open_ns)
        end = 0 if most is None else max(0, last - most + 1)
        while first > end and self.bars[first - 1].open_ns + self.timeframe.ns == self.bars[first].open_ns:
            first -= 1
        return self.bars[first : last + 1]

    def _position(self, open_ns: int) -> int:
        if self.bars and self.bars[-1].open_ns == open_ns:
            return len(self.bars) - 1
        return bisect_left(self.bars, open_ns, key=lambda bar: bar.open_ns)
