"""Highs and lows of the last closed day, week and month, and of the running and last sessions."""

from msgspec import Struct, field

from libs.common.events import DAY_NS, HOUR_NS, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.structure import calendar
from services.signals.engine.structure.levels import Level


class Span(Struct):
    """The range of one running period."""

    number: int
    open_ns: int
    high: float
    low: float
    whole: bool
    """It was seen from its first bar on."""

    def take(self, bar: Bar) -> None:
        """Take a bar of it."""
        self.high = max(self.high, bar.high)
        self.low = min(self.low, bar.low)


class Periods(Struct):
    """The running span of each period; a period that is shorter than two bars is left out."""

    bar_ns: int
    spans: dict[str, Span] = field(default_factory=dict)
    last_ns: int = -1

    def add(self, bar: Bar, close_ns: int) -> list[Level]:
        """Take a bar; return the levels of periods that ended before it, known at its open.

        A period of which only a part was seen gives none. A session of a city ends with the first bar outside of it.
        """
        ended: list[Level] = []
        open_ns = bar.open_ns
        if self.bar_ns <= DAY_NS // 2:
            ended += self._turn("day", calendar.day(open_ns), bar, open_ns % DAY_NS == 0)
        if self.bar_ns <= DAY_NS:
            ended += self._turn("week", calendar.week(open_ns), bar, Timeframe.W1.open_ns(open_ns) == open_ns)
            number = calendar.month(open_ns)
            first = open_ns % DAY_NS == 0 and calendar.month(open_ns - 1) != number
            ended += self._turn("month", number, bar, first)
        if self.bar_ns <= HOUR_NS:
            for city in calendar.CITIES:
                number_or_none = calendar.session(city, open_ns)
                if number_or_none is None:
                    ended += self._end(city.name)
                else:
                    known = self.last_ns == open_ns and calendar.session(city, open_ns - 1) is None
                    ended += self._turn(city.name, number_or_none, bar, known)
        self.last_ns = close_ns
        return ended

    def _turn(self, name: str, number: int, bar: Bar, first: bool) -> list[Level]:
        span = self.spans.get(name)
        if span is not None and span.number == number:
            span.take(bar)
            return []
        ended = self._end(name)
        self.spans[name] = Span(number, bar.open_ns, bar.high, bar.low, first)
        return ended

    def _end(self, name: str) -> list[Level]:
        span = self.spans.pop(name, None)
        if span is None or not span.whole:
            return []
        return [
            Level(f"previous_{name}_high", 1, span.high, span.open_ns, self.last_ns),
            Level(f"previous_{name}_low", -1, span.low, span.open_ns, self.last_ns),
        ]
