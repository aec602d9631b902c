"""In what the venues of Binance differ by REST: addresses, limits, weights, columns. Pure."""

from typing import Final

from msgspec import Struct

FUTURES_CANDLES: Final = ((99, 1), (499, 2), (1_000, 5), (1_500, 10))
"""Weights of candles by their number, on both kinds of futures."""


class Rules(Struct, frozen=True, kw_only=True):
    """One venue's; weights are those of its published limits."""

    ws_url: str
    """Scheme and host, and the path before `/stream` where there is one."""
    rest_url: str
    api: str
    """Path of all calls."""
    listing_weight: int = 1
    """Of `exchangeInfo`."""
    depth_weight: int
    """Of 1,000 levels."""
    candle_weights: tuple[tuple[int, int], ...]
    """(rows at most, weight), ascending; the last one is the limit."""
    page_weight: int
    """Of `aggTrades`."""
    single_weight: int
    """Of `historicalTrades`."""
    day_weight: int = 40
    """Of `ticker/24hr` of all symbols."""
    volume: int = 5
    """Column of a candle's volume in base units, or in contracts of one base unit."""
    taker_volume: int = 9
    micros: bool = False
    """Whether times may come in microseconds."""
