"""Highs and lows of the last closed day, week and month, and of the running and last sessions."""

from msgspec import Struct, field

from libs.common.events import DAY_NS, HOUR_NS
from services.signals.engine.bars import Bar
from services.signals.engine.structure import calendar
from services.signals.engine.structure.terms import Moment, Structure


class Span(Struct):
    """The range of one running period."""

    number: int
    open_ns: int
    high: float
    low: float
    whole: bool
    """It was seen from its first bar on."""
    bar: int
    """Number of that bar."""

    def take(self, bar: Bar) -> None:
        """Take a bar of it."""
        self.high = max(self.high, bar.high)
        self.low = min(self.low, bar.low)


class Periods(Struct):
    """The running span of each period; a period that is shorter than two bars is left out."""

    bar_ns: int
    spans: dict[str, Span] = field(default_factory=dict)
    last_ns: int = -1

    def add(self, bar: Bar, number: int, close_ns: int) -> list[Structure]:
        """Take a bar; return the highs and lows of the periods that are known to be over at its close.

        That is the close at which they end, or where bars miss there, the next one. A period of which the beginning
        was not seen gives none.
        """
        ended: list[Structure] = []
        for name, period in self._periods(bar.open_ns).items():
            if name in self.spans and self.spans[name].number != period:
                ended += self._end(name, close_ns)
            if period is None:
                continue
            if name in self.spans:
                self.spans[name].take(bar)
            else:
                whole = self._begins(name, period, bar.open_ns)
                self.spans[name] = Span(period, bar.open_ns, bar.high, bar.low, whole, number)
        for name, period in self._periods(close_ns).items():
            if name in self.spans and self.spans[name].number != period:
                ended += self._end(name, close_ns)
        self.last_ns = close_ns
        return ended

    def _periods(self, at_ns: int) -> dict[str, int | None]:
        """Return the number of each period that runs at a time; None outside of a city's session."""
        found: dict[str, int | None] = {}
        if self.bar_ns <= DAY_NS // 2:
            found["day"] = calendar.day(at_ns)
        if self.bar_ns <= DAY_NS:
            found["week"], found["month"] = calendar.week(at_ns), calendar.month(at_ns)
        if self.bar_ns <= HOUR_NS:
            found.update({city.name: calendar.session(city, at_ns) for city in calendar.CITIES})
        return found

    def _begins(self, name: str, period: int, open_ns: int) -> bool:
        """Tell whether a period begins with the bar that opens at `open_ns`."""
        match name:
            case "day":
                return open_ns % DAY_NS == 0
            case "week":
                return open_ns == period
            case "month":
                return calendar.month(open_ns - 1) != period
            case _:
                return self.last_ns == open_ns and self._periods(open_ns - 1)[name] is None

    def _end(self, name: str, close_ns: int) -> list[Structure]:
        span = self.spans.pop(name)
        if not span.whole:
            return []
        return [
            Structure(
                kind=f"previous_{name}_{word}",
                side=side,
                low=price,
                high=price,
                formed_ns=span.open_ns,
                known_ns=close_ns,
                history=[Moment("fresh", close_ns)],
                bar=span.bar,
            )
            for word, side, price in (("high", 1, span.high), ("low", -1, span.low))
        ]
