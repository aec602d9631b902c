"""Closed complete bars of one timeframe, in ascending order, holes included, from our trades or a venue's REST."""

from bisect import bisect_left

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

    def run(self, close_ns: int) -> list[Bar]:
        """Return the longest unbroken run of bars that ends with the bar closing at `close_ns`; [] without that bar."""
        last = self._position(close_ns - self.timeframe.ns)
        if last == len(self.bars) or self.bars[last].open_ns != close_ns - self.timeframe.ns:
            return []
        first = last
        while first and self.bars[first - 1].open_ns + self.timeframe.ns == self.bars[first].open_ns:
            first -= 1
        return self.bars[first : last + 1]

    def _position(self, open_ns: int) -> int:
        if not self.bars or self.bars[-1].open_ns < open_ns:
            return len(self.bars)
        return bisect_left(self.bars, open_ns, key=lambda bar: bar.open_ns)
