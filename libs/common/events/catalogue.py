"""The names of vendors' numbers in, their unit and meaning out: the only place where a metric is defined."""

from enum import StrEnum, unique
from typing import Final

from msgspec import Struct

MARKET_WIDE: Final = "*"
"""The symbol of a number about the whole market; it is no canonical symbol, and `symbols.parse` refuses it.

Its records stand in one partition of `market.metrics.v1`: who needs them beside every market reads that topic whole.
"""


@unique
class Unit(StrEnum):
    """In what a number is counted."""

    COINS = "coins"
    """Base units."""
    COUNT = "count"
    FRACTION = "fraction"
    """1 is the whole, 0.01 is one percent; never percent."""
    POINTS = "points"
    """0 to 100, by the vendor's own formula."""
    RANK = "rank"
    """1 is best."""
    RATIO = "ratio"
    USD = "usd"


class Definition(Struct, frozen=True):
    """What a metric is."""

    unit: Unit
    meaning: str


METRICS: Final[dict[str, Definition]] = {
    "open_interest": Definition(Unit.USD, "open contracts of all exchanges at the end of the interval, one side"),
    "funding_rate_oi_weighted": Definition(
        Unit.FRACTION, "funding rate, weighted by open interest, at the end of the interval; above 0 longs pay"
    ),
    "liquidations_long": Definition(Unit.USD, "long positions that were liquidated within the interval"),
    "liquidations_short": Definition(Unit.USD, "short positions that were liquidated within the interval"),
    "liquidation_order_long": Definition(
        Unit.USD, "long positions of one exchange that were liquidated at that moment; an exchange may be followed too"
    ),
    "liquidation_order_short": Definition(
        Unit.USD, "short positions of one exchange that were liquidated at that moment; an exchange may be followed too"
    ),
    "accounts_long": Definition(Unit.FRACTION, "accounts that are net long, of all with a position"),
    "accounts_short": Definition(Unit.FRACTION, "accounts that are net short, of all with a position"),
    "accounts_long_short_ratio": Definition(Unit.RATIO, "accounts that are net long for one that is net short"),
    "top_accounts_long": Definition(Unit.FRACTION, "of the accounts with the largest margin: those that are net long"),
    "top_accounts_short": Definition(Unit.FRACTION, "of the accounts with the largest margin: those net short"),
    "top_accounts_long_short_ratio": Definition(
        Unit.RATIO, "of the accounts with the largest margin: net long for one that is net short"
    ),
    "top_positions_long": Definition(Unit.FRACTION, "of what the accounts with the largest margin hold: long"),
    "top_positions_short": Definition(Unit.FRACTION, "of what the accounts with the largest margin hold: short"),
    "top_positions_long_short_ratio": Definition(
        Unit.RATIO, "of what the accounts with the largest margin hold: long for one that is short"
    ),
    "taker_buy_volume": Definition(Unit.USD, "futures bought by takers within the interval"),
    "taker_sell_volume": Definition(Unit.USD, "futures sold by takers within the interval"),
    "etf_flow": Definition(Unit.USD, "net flow into all spot ETFs of the coin within the day; below 0 is out"),
    "whale_long_opened": Definition(Unit.USD, "large long positions opened on Hyperliquid at that moment"),
    "whale_long_closed": Definition(Unit.USD, "large long positions closed on Hyperliquid at that moment"),
    "whale_short_opened": Definition(Unit.USD, "large short positions opened on Hyperliquid at that moment"),
    "whale_short_closed": Definition(Unit.USD, "large short positions closed on Hyperliquid at that moment"),
    "large_bids": Definition(Unit.USD, "what is left of the large resting buy orders; the vendor's thresholds"),
    "large_asks": Definition(Unit.USD, "what is left of the large resting sell orders; the vendor's thresholds"),
    "exchange_balance": Definition(Unit.COINS, "coins in the wallets of the exchange"),
    "fear_greed": Definition(Unit.POINTS, "mood of the market: 0 extreme fear, 100 extreme greed"),
    "galaxy_score": Definition(Unit.POINTS, "LunarCrush's score of social and market health"),
    "alt_rank": Definition(Unit.RANK, "LunarCrush's rank of social and market activity among all coins"),
    "social_volume_24h": Definition(Unit.COUNT, "posts about the coin in 24 hours"),
    "social_sentiment": Definition(Unit.FRACTION, "posts that are positive, weighted by interactions"),
    "market_cap": Definition(Unit.USD, "price x circulating supply"),
    "volume_24h": Definition(Unit.USD, "traded on all exchanges in 24 hours"),
}
