"""Binance spot's own part of REST: pairs, and what calls cost there."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from deploy.local.sandbox.binance_rest import Refusal, Rest, agg_fields, number, steps
from deploy.local.sandbox.shown import Shown, Standing
from deploy.local.sandbox.tape import Print

_DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1000, 50), (5000, 250))
"""(levels at most, weight)."""
_STATUS: Final = {
    Standing.ANNOUNCED: "PRE_TRADING",
    Standing.LIVE: "TRADING",
    Standing.HALTED: "BREAK",
    Standing.DELISTED: "BREAK",
}


class SpotRest(Rest):
    """The calls under /api/v3."""

    prefix = "/binance-spot/api/v3/"
    weight_limit = 6000
    weights: ClassVar[Mapping[str, int]] = {
        "exchangeInfo": 20,
        "aggTrades": 4,
        "historicalTrades": 25,
        "trades": 25,
        "klines": 2,
        "ticker/24hr": 2,
    }
    most_bars = 1000
    single_limit = (500, 1000)
    extra: ClassVar[Mapping[str, Any]] = {"isBestMatch": True}

    def weight(self, call: str, query: Mapping[str, str]) -> int:
        """Return what a call costs."""
        if call == "depth":
            limit = int(query["limit"]) if query.get("limit", "").isdecimal() else 100
            return next((weight for most, weight in _DEPTH_WEIGHTS if limit <= most), 250)
        if call == "ticker/24hr" and "symbol" not in query:
            return 80
        return super().weight(call, query)

    def levels(self, query: Mapping[str, str]) -> int:
        """Return how many levels a depth call asks for; more than 5,000 are 5,000."""
        limit = number(query, "limit", 100)
        if not limit:
            raise Refusal(-1100, "Illegal characters found in parameter 'limit'; legal range is '[0-9]{1,20}'.")
        return min(limit, 5000)

    def agg_row(self, market: Shown, one: Print) -> dict[str, Any]:
        """Return a row of aggTrades; `M` is to be ignored, says the vendor."""
        return agg_fields(market, one) | {"M": True}

    def catalogue(self, _ms: int) -> dict[str, Any]:
        """Return what the catalogue says before its rows."""
        return {"exchangeFilters": []}

    def day_row(self, market: Shown, ms: int) -> dict[str, Any]:
        """Return a market's 24 hours, with its best prices."""
        row, book = market.listing, market.book
        bid, ask = book.best_bid, book.best_ask
        best = {
            "prevClosePrice": row.price_text(market.candles.newest("1h", 24)[0].open) if bid else "0",
            "bidPrice": row.price_text(bid or 0),
            "bidQty": row.size_text(book.bids.sizes[bid] if bid is not None else 0),
            "askPrice": row.price_text(ask or 0),
            "askQty": row.size_text(book.asks.sizes[ask] if ask is not None else 0),
        }
        return super().day_row(market, ms) | best

    def symbol_row(self, market: Shown) -> dict[str, Any]:
        """Return a pair's row."""
        row = market.listing
        return {
            "symbol": row.native,
            "status": _STATUS[market.standing],
            "baseAsset": row.base,
            "baseAssetPrecision": 8,
            "quoteAsset": row.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
            "icebergAllowed": True,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": [*steps(row), {"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": True}],
            "permissions": [],
            "permissionSets": [["SPOT"]],
        }
