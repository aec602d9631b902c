"""One market's last 24 hours: its candles in, what the venues' tickers say of them out."""

from msgspec import Struct

from deploy.local.sandbox.candles import Bar
from deploy.local.sandbox.shown import Shown

_HOURS = 24


class Day(Struct, frozen=True, kw_only=True):
    """Hourly bars of a day and the last trade; prices in ticks, sizes in lots."""

    first: Bar
    whole: Bar
    """The day as one bar."""
    last: int
    last_lots: int
    """Size of the last trade; 0 where nothing was traded yet."""


def day_of(market: Shown) -> Day | None:
    """Return the last 24 hours of `market`; None where it has no candles yet, as a recording at its beginning."""
    bars = market.candles.newest("1h", _HOURS)
    if not bars:
        return None
    whole = Bar(bars[0].open_ms, bars[0].open, bars[0].high, bars[0].low, bars[0].close)
    for bar in bars:
        whole.merge(bar)
    fill = market.tape.fills[-1] if market.tape.fills else None
    last = (fill.price, fill.lots) if fill else (whole.close, 0)
    return Day(first=bars[0], whole=whole, last=last[0], last_lots=last[1])
