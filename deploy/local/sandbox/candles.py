"""Candles of one market: fills and passing minutes in, bars of every timeframe that agree with each other out."""

import math
from random import Random
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from deploy.local.sandbox.latent import SIGMA_PER_MINUTE
from deploy.local.sandbox.tape import Fill

MINUTE_MS: Final = 60_000
TIMEFRAMES: Final = {
    "1m": MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "1d": 1440 * MINUTE_MS,
    "1w": 10_080 * MINUTE_MS,
}
_WEEK_SHIFT_MS: Final = 3 * 1440 * MINUTE_MS  # the epoch was a Thursday; weeks open on Monday
_KEPT: Final = 5000
_HISTORY: Final = 1000
"""Bars of each timeframe before the market starts, at least."""


class Bar(Struct):
    """One candle; prices in ticks, sizes in lots, quote volumes in ticks times lots."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    quote: int = 0
    buy_lots: int = 0
    buy_quote: int = 0
    trades: int = 0
    inverse: float = 0.0
    """Lots over ticks: the turnover of contracts whose size is in quote currency."""

    def merge(self, later: "Bar") -> None:
        """Take a later bar into this one."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.lots += later.lots
        self.quote += later.quote
        self.buy_lots += later.buy_lots
        self.buy_quote += later.buy_quote
        self.trades += later.trades
        self.inverse += later.inverse


def opened(ms: int, period_ms: int) -> int:
    """Return when the bar around `ms` opened, UTC; weeks open on Monday."""
    shift = _WEEK_SHIFT_MS if period_ms == TIMEFRAMES["1w"] else 0
    return (ms + shift) // period_ms * period_ms - shift


class Candles:
    """Bars of all timeframes of one market. A bar without trades repeats the last close, as the venues print it."""

    def __init__(self) -> None:
        self.bars: dict[str, list[Bar]] = {name: [] for name in TIMEFRAMES}
        self._minute: Bar | None = None
        self.ms = 0
        """The time passed; bars that end by it are final."""

    def add(self, fill: Fill) -> None:
        """Take one fill into the minute it belongs to; closes the minutes before it."""
        self.pass_to(fill.ms)
        price, lots = fill.price, fill.lots
        bar = self._minute
        if bar is None:
            bar = self._minute = Bar(opened(fill.ms, MINUTE_MS), price, price, price, price)
        elif not bar.trades:
            bar.open = bar.high = bar.low = price
        bar.high = max(bar.high, price)
        bar.low = min(bar.low, price)
        bar.close = price
        bar.lots += lots
        bar.quote += price * lots
        bar.inverse += lots / price
        bar.trades += 1
        if fill.buy:
            bar.buy_lots += lots
            bar.buy_quote += price * lots

    def pass_to(self, ms: int) -> None:
        """Close every minute that ended by `ms`."""
        self.ms = max(self.ms, ms)
        while self._minute is not None and ms >= self._minute.open_ms + MINUTE_MS:
            bar = self._minute
            for name, period in TIMEFRAMES.items():
                _fold(self.bars[name], bar, period)
                del self.bars[name][: max(0, len(self.bars[name]) - _KEPT)]
            self._minute = Bar(bar.open_ms + MINUTE_MS, bar.close, bar.close, bar.close, bar.close)

    def read(self, timeframe: str) -> list[Bar]:
        """Return copies of the bars, oldest first, the forming one last."""
        bars = self.bars[timeframe]
        tail = [replace(bar) for bar in bars[-1:]]
        if self._minute is not None:
            _fold(tail, self._minute, TIMEFRAMES[timeframe])
        return bars[:-1] + tail

    def newest(self, timeframe: str, count: int) -> list[Bar]:
        """Return copies of the newest `count` bars, oldest first, the forming one last."""
        tail = [replace(bar) for bar in self.bars[timeframe][-count:]]
        if self._minute is not None:
            _fold(tail, self._minute, TIMEFRAMES[timeframe])
        return tail[-count:]

    def invent(self, chance: Random, start_ms: int, price: int, minute_lots: float) -> None:
        """Fill in a past that ends at `price` when the market starts; `start_ms` is a full minute.

        The walk goes backward, the coarser timeframes begin where the finer ones end, and a timeframe's recent bars
        are made of the finer ones, so that all of them agree wherever they overlap.
        """
        until, log = start_ms, math.log(price)
        names = list(TIMEFRAMES)
        finer: list[Bar] = []
        for at, name in enumerate(names):
            period = TIMEFRAMES[name]
            coarser = TIMEFRAMES[names[min(at + 1, len(names) - 1)]]
            begin = opened(min(until, start_ms - _HISTORY * period), coarser)
            own: list[Bar] = []
            while until > begin:
                until -= period
                bar, log = _before(chance, log, until, period // MINUTE_MS, minute_lots)
                own.append(bar)
            own.reverse()
            for bar in finer:
                _fold(own, bar, period)
            self.bars[name] = finer = own
        self.ms = start_ms
        self._minute = Bar(start_ms, price, price, price, price)


def _fold(bars: list[Bar], bar: Bar, period_ms: int) -> None:
    opens = opened(bar.open_ms, period_ms)
    if bars and bars[-1].open_ms == opens:
        bars[-1].merge(bar)
    else:
        bars.append(replace(bar, open_ms=opens))


def _before(chance: Random, log: float, open_ms: int, minutes: int, minute_lots: float) -> tuple[Bar, float]:
    sigma = SIGMA_PER_MINUTE * 1.5 * math.sqrt(minutes)
    opening = log - chance.gauss(0.0, sigma)
    first, last = max(1, round(math.exp(opening))), max(1, round(math.exp(log)))
    high = round(max(first, last) * (1 + abs(chance.gauss(0.0, sigma / 2))))
    low = max(1, round(min(first, last) / (1 + abs(chance.gauss(0.0, sigma / 2)))))
    lots = max(1, round(minute_lots * minutes * chance.lognormvariate(0.0, 0.5)))
    buy = round(lots * min(0.9, max(0.1, chance.gauss(0.5 + 0.1 * (last > first) - 0.1 * (last < first), 0.08))))
    mean = (high + low) // 2
    trades = max(1, round(minutes * 60 * chance.uniform(1.0, 4.0)))
    sums = (lots, lots * mean, buy, buy * mean, min(trades, lots), lots / max(1, mean))
    return Bar(open_ms, first, high, low, last, *sums), opening
