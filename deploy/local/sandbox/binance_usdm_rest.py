"""Binance USD-M's own part of REST: contracts, marks, open interest, and what calls cost there."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from deploy.local.sandbox.binance_rest import Call, Refusal, Rest, agg_fields, number, steps
from deploy.local.sandbox.listings import Listing
from deploy.local.sandbox.market import FUNDING_MS, Market
from deploy.local.sandbox.shown import Shown, Standing
from deploy.local.sandbox.tape import Print

_DEPTH_WEIGHTS: Final = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
_DELIVERY_MS: Final = 4_133_404_800_000
_STATUS: Final = {
    Standing.ANNOUNCED: "PENDING_TRADING",
    Standing.LIVE: "TRADING",
    Standing.HALTED: "BREAK",
    Standing.DELISTED: "SETTLING",
}


class UsdmRest(Rest):
    """The calls under /fapi/v1."""

    prefix = "/binance-usdm/fapi/v1/"
    weight_limit = 2400
    weights: ClassVar[Mapping[str, int]] = {"exchangeInfo": 1, "aggTrades": 20, "historicalTrades": 200, "trades": 5}
    most_bars = 1500
    single_limit = (100, 500)
    extra: ClassVar[Mapping[str, Any]] = {"isRPITrade": False}

    def calls(self) -> dict[str, Call]:
        """Return the calls by their path after the prefix."""
        return super().calls() | {"premiumIndex": self._premium, "openInterest": self._open_interest}

    def weight(self, call: str, query: Mapping[str, str]) -> int:
        """Return what a call costs."""
        limit = int(query["limit"]) if query.get("limit", "").isdecimal() else 500
        if call == "depth":
            return _DEPTH_WEIGHTS.get(limit, 20)
        if call == "klines":
            return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10
        if call == "ticker/24hr" and "symbol" not in query:
            return 40
        if call == "premiumIndex" and "symbol" not in query:
            return 10
        return super().weight(call, query)

    def levels(self, query: Mapping[str, str]) -> int:
        """Return how many levels a depth call asks for."""
        limit = number(query, "limit", 500)
        if limit not in _DEPTH_WEIGHTS:
            raise Refusal(-4021, "Valid depth limit: [5, 10, 20, 50, 100, 500, 1000].")
        return limit

    def depth_head(self, market: Shown, ms: int) -> dict[str, Any]:
        """Return what a depth answer says before its levels."""
        return {**super().depth_head(market, ms), "E": ms, "T": ms}

    def agg_row(self, market: Shown, one: Print) -> dict[str, Any]:
        """Return a row of aggTrades; `nq` is the size without retail price improvement, of which there is none."""
        fields = agg_fields(market, one)
        return fields | {"nq": fields["q"]}

    def catalogue(self, _ms: int) -> dict[str, Any]:
        """Return what the catalogue says before its rows."""
        return {"futuresType": "U_MARGINED"}

    def symbol_row(self, market: Shown) -> dict[str, Any]:
        """Return a contract's row."""
        row = market.listing
        return {
            "symbol": row.native,
            "pair": row.native,
            "contractType": "PERPETUAL",
            "deliveryDate": _DELIVERY_MS,
            "onboardDate": market.listed_ms,
            "status": _STATUS[market.standing],
            "baseAsset": row.base,
            "quoteAsset": row.quote,
            "marginAsset": row.quote,
            "pricePrecision": row.price_decimals,
            "quantityPrecision": row.lot_decimals,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "filters": [*steps(row), {"filterType": "MIN_NOTIONAL", "notional": "5"}],
            "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        }

    def _premium(self, query: Mapping[str, str], ms: int) -> Any:
        rows = [
            {
                "symbol": market.listing.native,
                "markPrice": long_price(market.listing, market.mark),
                "indexPrice": long_price(market.listing, market.index),
                "estimatedSettlePrice": long_price(market.listing, market.index),
                "lastFundingRate": f"{market.funding_rate:.8f}",
                "interestRate": "0.00010000",
                "nextFundingTime": (ms // FUNDING_MS + 1) * FUNDING_MS,
                "time": ms,
            }
            for market in self._markets.values()
            if isinstance(market, Market)
        ]
        if "symbol" not in query:
            return rows
        native = self.market(query).listing.native
        return next((row for row in rows if row["symbol"] == native), {})

    def _open_interest(self, query: Mapping[str, str], ms: int) -> Any:
        market = self.market(query)
        if not isinstance(market, Market):
            raise Refusal(-1121, "Invalid symbol.")
        return {"symbol": market.listing.native, "openInterest": market.listing.size_text(market.open_lots), "time": ms}


def long_price(row: Listing, ticks: float) -> str:
    """Return a mark or index price, eight digits as the venue prints them."""
    return f"{ticks * row.tick:.8f}"
