"""Whole bars of one timeframe in, oldest first, whole bars of all longer timeframes out."""

from msgspec import Struct, field

from libs.common.events import Source, Timeframe
from services.signals.engine.averages import Sum
from services.signals.engine.bars import Bar
from services.signals.engine.candles import Forming


class Ladder(Struct):
    """The bars that others make together; one that lacks a part is never made, and volumes are summed in order."""

    timeframe: Timeframe
    higher: dict[Timeframe, Forming] = field(default_factory=dict)
    """The open longer bars of which every part so far is known."""
    next_ns: int = -1
    """Where the next bar opens when none is missing."""

    def add(self, bar: Bar) -> dict[Timeframe, Bar]:
        """Take the next closed bar; return it and the longer ones that end with it, short before long."""
        if bar.open_ns != self.next_ns:
            self.higher.clear()
        self.next_ns = bar.open_ns + self.timeframe.ns
        closed = {self.timeframe: bar}
        part = forming_of(self.timeframe, bar)
        for timeframe in Timeframe:
            if timeframe.ns <= self.timeframe.ns:
                continue
            forming = self.higher.get(timeframe)
            if forming is None:
                if timeframe.open_ns(bar.open_ns) != bar.open_ns:
                    continue
                forming = Forming(timeframe, bar.open_ns, bar.open, bar.high, bar.low, bar.close)
                self.higher[timeframe] = forming
            forming.extend(part)
            if forming.close_ns == self.next_ns:
                closed[timeframe] = _whole(self.higher.pop(timeframe))
        return closed


def forming_of(timeframe: Timeframe, bar: Bar) -> Forming:
    """Return `bar` as one whose end is just reached; who took its volume is not known."""
    return Forming(
        timeframe, bar.open_ns, bar.open, bar.high, bar.low, bar.close, traded=Sum(bar.volume), complete=True
    )


def _whole(forming: Forming) -> Bar:
    prices = (forming.open, forming.high, forming.low, forming.close)
    return Bar(forming.open_ns, *prices, forming.volume, Source.REST)
