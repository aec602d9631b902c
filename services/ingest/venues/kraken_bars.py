"""Kraken's candles by REST in, bars of UTC out; weeks are put together from days. Pure.

The venue offers weeks, and does not say on which day they open; seven of its days from a Monday on are a week of ours.
https://docs.kraken.com/api-reference/market-data/get-ohlc-data
"""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct, json

from libs.common.events import DAY_NS, SECOND_NS, Timeframe
from services.ingest.venues.bars import opening_ns
from services.ingest.venues.kraken_answers import rows_of
from services.ingest.venues.kraken_wire import VENUE, Seconds
from services.ingest.venues.terms import AnswerError
from services.ingest.venues.wire import UNREADABLE, LevelSize, Price
from services.ingest.venues.wire import Sequence as Count

MINUTES: Final = {
    Timeframe.M1: 1,
    Timeframe.M5: 5,
    Timeframe.M15: 15,
    Timeframe.H1: 60,
    Timeframe.H4: 240,
    Timeframe.D1: 1440,
    Timeframe.W1: 1440,
}
"""What is asked for; a week is asked for as days."""
SETTLE_NS: Final = 5 * SECOND_NS
"""A bar is closed when another follows it, or this long after its end; the venue says that its last one never is."""
WEEK_DAYS: Final = 7


class Bar(Struct, frozen=True, kw_only=True):
    """One bar; volume in base units."""

    open_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int
    closed: bool


_decode_row = json.Decoder(tuple[Seconds, Price, Price, Price, Price, LevelSize, LevelSize, Count], strict=False).decode
"""Opening second, open, high, low, close, average price, volume, number of trades."""


def bars_of(body: bytes, timeframe: Timeframe, received_ns: int) -> list[Bar]:
    """Return the bars of an answer, oldest first.

    Raises:
        AnswerError: the venue refused, or a row is unreadable or opens no bar of UTC.
    """
    asked = Timeframe.D1 if timeframe is Timeframe.W1 else timeframe
    try:
        rows = sorted(map(_decode_row, rows_of(body)))
    except UNREADABLE as e:
        raise AnswerError(f"kraken candles: {e}: {body[:200]!r}") from e
    newest = rows[-1][0] if rows else 0
    bars = []
    for second, opened, high, low, close, _, volume, trades in rows:
        open_ns = opening_ns(VENUE, asked, second * 1000)
        bar = Bar(
            open_ns=open_ns,
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=volume,
            trades=trades,
            closed=second < newest or received_ns >= open_ns + asked.ns + SETTLE_NS,
        )
        bars.append(bar)
    return weeks(bars) if timeframe is Timeframe.W1 else bars


def weeks(days: Sequence[Bar]) -> list[Bar]:
    """Return the weeks that are whole, and the running one; a week with a day missing is left out."""
    found = []
    for monday, group in groupby(days, key=lambda day: Timeframe.W1.open_ns(day.open_ns)):
        week = list(group)
        running = week[-1] is days[-1]
        unbroken = all(day.open_ns == monday + number * DAY_NS for number, day in enumerate(week))
        if unbroken and (running or len(week) == WEEK_DAYS):
            found.append(
                Bar(
                    open_ns=monday,
                    open=week[0].open,
                    high=max(day.high for day in week),
                    low=min(day.low for day in week),
                    close=week[-1].close,
                    volume=math.fsum(day.volume for day in week),
                    trades=sum(day.trades for day in week),
                    closed=len(week) == WEEK_DAYS and week[-1].closed,
                )
            )
    return found
