"""Trades and the passing of event time in, closed bars of every timeframe out, each bar once."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from libs.common.events import MINUTE_NS, Candle, Gap, MarketEvent, Origin, Side, Source, Timeframe, Trade
from services.signals.engine.averages import Sum
from services.signals.engine.bars import Bar
from services.signals.engine.holes import Holes

_HIGHER: Final = tuple(timeframe for timeframe in Timeframe if timeframe is not Timeframe.M1)
_UNKNOWN: Final = -1


class Forming(Struct):
    """A bar in the making; sizes in base units. `first_ns` and `last_ns` are the times of its open and its close."""

    timeframe: Timeframe
    open_ns: int
    open: float
    high: float
    low: float
    close: float
    bought: Sum = field(default_factory=Sum)
    traded: Sum = field(default_factory=Sum)
    trades: int = 0
    first_ns: int = 0
    last_ns: int = 0
    complete: bool = True
    delta: float = 0.0
    """Base units bought less sold by takers so far; in order of arrival, uncompensated."""
    delta_low: float = 0.0
    delta_high: float = 0.0

    @property
    def close_ns(self) -> int:
        """End of the bar, exclusive."""
        return self.open_ns + self.timeframe.ns

    @property
    def volume(self) -> float:
        """Base units traded so far."""
        return self.traded.value

    @property
    def taker_buy_volume(self) -> float:
        """Base units bought by takers so far."""
        return self.bought.value

    def add(self, trade: Trade) -> None:
        """Take one trade; equal times keep the order of arrival."""
        price, at_ns = trade.price, trade.event_ns
        if not self.trades:
            self.open = self.high = self.low = self.close = price
            self.first_ns = self.last_ns = at_ns
        if at_ns < self.first_ns:
            self.open, self.first_ns = price, at_ns
        if at_ns >= self.last_ns:
            self.close, self.last_ns = price, at_ns
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.trades += 1
        self.traded.add(trade.size)
        if trade.side is Side.BUY:
            self.bought.add(trade.size)
            self.delta += trade.size
            self.delta_high = max(self.delta_high, self.delta)
        else:
            self.delta -= trade.size
            self.delta_low = min(self.delta_low, self.delta)

    def extend(self, bar: "Forming") -> None:
        """Take the next closed lower bar: volumes are summed bar by bar, in order of time."""
        self.high = max(self.high, bar.high)
        self.low = min(self.low, bar.low)
        self.close = bar.close
        self.traded.add(bar.volume)
        self.bought.add(bar.taker_buy_volume)
        self.trades += bar.trades
        self.complete = self.complete and bar.complete
        self.delta_low = min(self.delta_low, self.delta + bar.delta_low)
        self.delta_high = max(self.delta_high, self.delta + bar.delta_high)
        self.delta += bar.delta

    def bar(self) -> Bar:
        """Return the closed bar as the indicators take it."""
        return Bar(
            self.open_ns,
            self.open,
            self.high,
            self.low,
            self.close,
            self.volume,
            Source.TRADES,
            self.taker_buy_volume,
            self.delta_low,
            self.delta_high,
        )

    def event(self, cause: MarketEvent, origin: Origin) -> Candle:
        """Return the closed bar as an event; it is known when `cause`, which closed it, is."""
        return Candle(
            venue=cause.venue,
            symbol=cause.symbol,
            event_ns=cause.event_ns,
            received_ns=cause.received_ns,
            origin=origin,
            timeframe=self.timeframe,
            open_ns=self.open_ns,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            taker_buy_volume=self.taker_buy_volume,
            trades=self.trades,
            closed=True,
            complete=self.complete,
            source=Source.TRADES,
        )


class Candles(Struct):
    """The bars of one market: minutes from trades, all longer ones from closed minutes, hence always in agreement.

    A minute without a trade is flat at the last close. A silence longer than `max_fill_ns` is a hole instead:
    the bars around it are incomplete, none is made up within it. A closed bar is never rewritten.
    """

    max_fill_ns: int
    minute: Forming | None = None
    higher: dict[Timeframe, Forming] = field(default_factory=dict)
    holes: Holes = field(default_factory=Holes)
    observed_ns: int = _UNKNOWN
    """Event time of the first event of this market: since then it was listened to."""
    closed_ns: int = _UNKNOWN
    """Every bar that ends up to here is closed."""

    def observe(self, event_ns: int) -> None:
        """Note that the market is listened to."""
        if self.observed_ns == _UNKNOWN:
            self.observed_ns = event_ns

    def due(self, until_ns: int) -> bool:
        """Tell whether a bar ends up to `until_ns`."""
        return self.minute is not None and self.minute.open_ns + MINUTE_NS <= until_ns

    def close(self, until_ns: int) -> Iterator[list[Forming]]:
        """Yield the bars that end up to `until_ns`: all that end at one moment together, short before long.

        While a moment is in hand, `higher` stands as it was then.
        """
        if self.minute is not None and until_ns - self.minute.close_ns > self.max_fill_ns:
            yield from self._break(self.minute, until_ns)
        while self.minute is not None and self.minute.close_ns <= until_ns:
            minute = self.minute
            yield self._close_minute(minute)
            self.minute = self._flat(minute.close_ns, minute.close)

    def add(self, trade: Trade) -> bool:
        """Take a trade once everything before it is closed; False when it came too late for its bar."""
        self.holes.heard(trade.event_ns)
        if trade.event_ns < self.closed_ns:
            return False
        if self.minute is None:
            self.minute = self._flat(Timeframe.M1.open_ns(trade.event_ns), trade.price)
        if trade.event_ns < self.minute.open_ns:
            return False
        self.minute.add(trade)
        return True

    def gap(self, gap: Gap) -> None:
        """Note a hole in the tape, or that one was mended."""
        self.holes.add(gap)

    def _flat(self, open_ns: int, price: float) -> Forming:
        return Forming(Timeframe.M1, open_ns, price, price, price, price)

    def _close_minute(self, minute: Forming) -> list[Forming]:
        minute.complete = self._whole(minute)
        self.closed_ns = minute.close_ns
        closed = [minute]
        for timeframe in _HIGHER:
            open_ns = timeframe.open_ns(minute.open_ns)
            bar = self.higher.get(timeframe)
            if bar is None:
                bar = Forming(timeframe, open_ns, minute.open, minute.high, minute.low, minute.close)
                self.higher[timeframe] = bar
            bar.extend(minute)
            if bar.close_ns == minute.close_ns:
                closed.append(self._close_higher(bar))
        if self.holes.items:
            self.holes.prune(min((bar.open_ns for bar in self.higher.values()), default=self.closed_ns))
        return closed

    def _close_higher(self, bar: Forming) -> Forming:
        bar.complete = bar.complete and self._whole(bar)
        return self.higher.pop(bar.timeframe)

    def _whole(self, bar: Forming) -> bool:
        return self.observed_ns <= bar.open_ns and not self.holes.touch(bar.open_ns, bar.close_ns)

    def _break(self, minute: Forming, until_ns: int) -> Iterator[list[Forming]]:
        self.holes.cut(max(minute.open_ns, minute.last_ns), until_ns)
        self.minute = None
        yield self._close_minute(minute)
        for timeframe in _HIGHER:
            bar = self.higher.get(timeframe)
            if bar is not None and bar.close_ns <= until_ns:
                yield [self._close_higher(bar)]
        self.closed_ns = Timeframe.M1.open_ns(until_ns)
