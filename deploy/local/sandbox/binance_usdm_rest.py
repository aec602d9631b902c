"""Binance USD-M's REST market data: requests in, bodies, weights and errors as the vendor documents them out."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from deploy.local.sandbox.candles import TIMEFRAMES, Bar
from deploy.local.sandbox.handler import Request, Response
from deploy.local.sandbox.listings import Listing
from deploy.local.sandbox.market import FUNDING_MS, Market
from deploy.local.sandbox.shown import Shown
from deploy.local.sandbox.tape import Fill, Print

WEIGHT_LIMIT: Final = 2400
"""A minute and client address."""
_DEPTH_WEIGHTS: Final = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
_WEIGHTS: Final = {"exchangeInfo": 1, "aggTrades": 20, "historicalTrades": 200, "trades": 5}
_LISTED_MS: Final = 1_569_398_400_000
_DELIVERY_MS: Final = 4_133_404_800_000


class Refusal(Exception):
    """A request the venue refuses."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Rest:
    """The calls under /fapi/v1, and the weight they have used up this minute."""

    def __init__(self, markets: Mapping[str, Shown]) -> None:
        self._markets = markets
        self._minute = 0
        self._used = 0
        self.limit = WEIGHT_LIMIT
        """Weight a minute; a recording played ten times as fast allows ten times as much."""

    def answer(self, request: Request, now_s: float) -> Response:
        """Answer a call at `now_s`, wall clock seconds."""
        call = request.path.removeprefix("/binance-usdm/fapi/v1/")
        if int(now_s // 60) != self._minute:
            self._minute, self._used = int(now_s // 60), 0
        self._used += self._weight(call, request.query)
        headers = {"X-MBX-USED-WEIGHT-1M": str(self._used)}
        if self._used > self.limit:
            message = f"Too many requests; current limit is {self.limit} requests per minute."
            headers["Retry-After"] = str(60 - int(now_s % 60))
            return Response(status=429, headers=headers, body=_body({"code": -1003, "msg": message}))
        calls: dict[str, Callable[[Mapping[str, str], int], Any]] = {
            "ping": lambda _query, _ms: {},
            "time": lambda _query, ms: {"serverTime": ms},
            "exchangeInfo": self._exchange_info,
            "depth": self._depth,
            "trades": self._trades,
            "historicalTrades": self._historical,
            "aggTrades": self._agg_trades,
            "klines": self._klines,
            "premiumIndex": self._premium,
            "openInterest": self._open_interest,
        }
        if call not in calls:
            return Response(status=404, headers=headers, body=b'{"code":-5000,"msg":"Path is not valid"}')
        try:
            return Response(headers=headers, body=_body(calls[call](request.query, int(now_s * 1000))))
        except Refusal as e:
            return Response(status=400, headers=headers, body=_body({"code": e.code, "msg": str(e)}))

    @staticmethod
    def _weight(call: str, query: Mapping[str, str]) -> int:
        limit = int(query["limit"]) if query.get("limit", "").isdecimal() else 500
        if call == "depth":
            return _DEPTH_WEIGHTS.get(limit, 20)
        if call == "klines":
            return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10
        return _WEIGHTS.get(call, 1)

    def _market(self, query: Mapping[str, str]) -> Shown:
        if not query.get("symbol"):
            raise Refusal(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if query["symbol"] not in self._markets:
            raise Refusal(-1121, "Invalid symbol.")
        return self._markets[query["symbol"]]

    def _exchange_info(self, _query: Mapping[str, str], ms: int) -> Any:
        limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": self.limit}]
        symbols = [_symbol_row(market.listing) for market in self._markets.values()]
        return {
            "timezone": "UTC",
            "serverTime": ms,
            "futuresType": "U_MARGINED",
            "rateLimits": limits,
            "symbols": symbols,
        }

    def _depth(self, query: Mapping[str, str], ms: int) -> Any:
        limit = _number(query, "limit", 500)
        if limit not in _DEPTH_WEIGHTS:
            raise Refusal(-4021, "Valid depth limit: [5, 10, 20, 50, 100, 500, 1000].")
        market = self._market(query)
        row = market.listing
        sides = market.book.depth(limit)
        bids, asks = ([[row.price_text(price), row.size_text(lots)] for price, lots in side] for side in sides)
        return {"lastUpdateId": market.book.sequence, "E": ms, "T": ms, "bids": bids, "asks": asks}

    def _trades(self, query: Mapping[str, str], _ms: int) -> Any:
        market = self._market(query)
        limit = min(_number(query, "limit", 500), 1000)
        return [fill_row(market, fill) for fill in market.tape.fills[-limit:]]

    def _historical(self, query: Mapping[str, str], ms: int) -> Any:
        if "fromId" not in query:
            return self._trades(query, ms)
        market = self._market(query)
        limit = min(_number(query, "limit", 100), 500)
        return [fill_row(market, fill) for fill in market.tape.fills_from(_number(query, "fromId", 0), limit)]

    def _agg_trades(self, query: Mapping[str, str], _ms: int) -> Any:
        market = self._market(query)
        limit = min(_number(query, "limit", 500), 1000)
        if "fromId" in query:
            prints = market.tape.prints_from(_number(query, "fromId", 0), limit)
        elif "startTime" in query or "endTime" in query:
            start, end = _number(query, "startTime", 0), _number(query, "endTime", 1 << 62)
            prints = [one for one in market.tape.prints_since(start) if one.fills[0].ms <= end][:limit]
        else:
            prints = market.tape.prints[-limit:]
        return [agg_row(market, one) for one in prints]

    def _klines(self, query: Mapping[str, str], _ms: int) -> Any:
        market = self._market(query)
        interval = query.get("interval", "")
        if interval not in TIMEFRAMES:
            raise Refusal(-1120, "Invalid interval.")
        limit = min(_number(query, "limit", 500), 1500)
        start, end = _number(query, "startTime", 0), _number(query, "endTime", 1 << 62)
        bars = [bar for bar in market.candles.read(interval) if start <= bar.open_ms <= end]
        bars = bars[:limit] if "startTime" in query else bars[-limit:]
        return [kline_row(market.listing, bar, TIMEFRAMES[interval]) for bar in bars]

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
        native = self._market(query).listing.native
        return next((row for row in rows if row["symbol"] == native), {})

    def _open_interest(self, query: Mapping[str, str], ms: int) -> Any:
        market = self._market(query)
        if not isinstance(market, Market):
            raise Refusal(-1121, "Invalid symbol.")
        return {"symbol": market.listing.native, "openInterest": market.listing.size_text(market.open_lots), "time": ms}


def fill_row(market: Shown, fill: Fill) -> dict[str, Any]:
    """Return a row of trades and historicalTrades."""
    row = market.listing
    price, size = row.price_text(fill.price), row.size_text(fill.lots)
    quote = f"{fill.price * fill.lots / 10 ** (row.tick_decimals + row.lot_decimals):.2f}"
    rest = {"time": fill.ms, "isBuyerMaker": not fill.buy, "isRPITrade": False}
    return {"id": fill.trade_id, "price": price, "qty": size, "quoteQty": quote, **rest}


def agg_row(market: Shown, one: Print) -> dict[str, Any]:
    """Return a row of aggTrades; the stream's event has the same fields."""
    row, first = market.listing, one.fills[0]
    size = row.size_text(one.lots)
    ids = {"f": first.trade_id, "l": one.fills[-1].trade_id}
    return {
        "a": one.print_id,
        "p": row.price_text(first.price),
        "q": size,
        "nq": size,
        **ids,
        "T": first.ms,
        "m": not first.buy,
    }


def kline_row(row: Listing, bar: Bar, period_ms: int) -> list[Any]:
    """Return one candle: open time, O H L C, volume, close time, quote volume, trades, taker buys in both, unused."""
    prices = [row.price_text(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    scale = 10 ** (row.tick_decimals + row.lot_decimals)
    times = (bar.open_ms, bar.open_ms + period_ms - 1)
    quote, buy_quote = f"{bar.quote / scale:.8f}", f"{bar.buy_quote / scale:.8f}"
    volume, buys = row.size_text(bar.lots), row.size_text(bar.buy_lots)
    return [times[0], *prices, volume, times[1], quote, bar.trades, buys, buy_quote, "0"]


def long_price(row: Listing, ticks: float) -> str:
    """Return a mark or index price, eight digits as the venue prints them."""
    return f"{ticks * row.tick:.8f}"


def _symbol_row(row: Listing) -> dict[str, Any]:
    tick, lot = f"{row.tick:.{row.price_decimals}f}", f"{10**-row.lot_decimals:.{row.lot_decimals}f}"
    return {
        "symbol": row.native,
        "pair": row.native,
        "contractType": "PERPETUAL",
        "deliveryDate": _DELIVERY_MS,
        "onboardDate": _LISTED_MS,
        "status": "TRADING",
        "baseAsset": row.base,
        "quoteAsset": row.quote,
        "marginAsset": row.quote,
        "pricePrecision": row.price_decimals,
        "quantityPrecision": row.lot_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "10000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "100000000", "stepSize": lot},
            {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": "100000000", "stepSize": lot},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _number(query: Mapping[str, str], key: str, default: int) -> int:
    text = query.get(key)
    if text is None:
        return default
    if not text.isdecimal():
        raise Refusal(-1102, f"Mandatory parameter '{key}' was not sent, was empty/null, or malformed.")
    return int(text)


def _body(value: Any) -> bytes:
    return msgspec.json.encode(value)
