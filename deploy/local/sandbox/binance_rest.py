"""Binance's REST market data, what spot and futures share: calls in, bodies, weights and errors as documented out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import msgspec

from deploy.local.sandbox.candles import TIMEFRAMES, Bar
from deploy.local.sandbox.day import day_of
from deploy.local.sandbox.handler import Request, Response
from deploy.local.sandbox.listings import Listing
from deploy.local.sandbox.shown import Shown
from deploy.local.sandbox.tape import Fill, Print

Call: TypeAlias = Callable[[Mapping[str, str], int], Any]
"""(query, milliseconds now) -> what is answered."""
DAY_MS = 86_400_000


class Refusal(Exception):
    """A request the venue refuses."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Rest(ABC):
    """The calls of one venue, and the weight they have used up this minute."""

    prefix: ClassVar[str]
    """Of every path."""
    weight_limit: ClassVar[int]
    """A minute and client address."""
    weights: ClassVar[Mapping[str, int]]
    """Of calls whose weight depends on nothing; 1 where absent."""
    most_bars: ClassVar[int]
    single_limit: ClassVar[tuple[int, int]]
    """Default and most rows of `historicalTrades`."""
    extra: ClassVar[Mapping[str, Any]]
    """What ends a row of trades, but for futures' aggregates."""

    def __init__(self, markets: Mapping[str, Shown]) -> None:
        self._markets = markets
        self._minute = 0
        self._used = 0
        self.limit = self.weight_limit
        """Weight a minute; a recording played ten times as fast allows ten times as much."""

    def answer(self, request: Request, now_s: float) -> Response:
        """Answer a call at `now_s`, wall clock seconds."""
        call = request.path.removeprefix(self.prefix)
        if int(now_s // 60) != self._minute:
            self._minute, self._used = int(now_s // 60), 0
        self._used += self.weight(call, request.query)
        headers = {"X-MBX-USED-WEIGHT-1M": str(self._used)}
        if self._used > self.limit:
            message = f"Too many requests; current limit is {self.limit} requests per minute."
            headers["Retry-After"] = str(60 - int(now_s % 60))
            return Response(status=429, headers=headers, body=_body({"code": -1003, "msg": message}))
        calls = self.calls()
        if call not in calls:
            return Response(status=404, headers=headers, body=b'{"code":-5000,"msg":"Path is not valid"}')
        try:
            return Response(headers=headers, body=_body(calls[call](request.query, int(now_s * 1000))))
        except Refusal as e:
            return Response(status=400, headers=headers, body=_body({"code": e.code, "msg": str(e)}))

    def calls(self) -> dict[str, Call]:
        """Return the calls by their path after the prefix."""
        return {
            "ping": lambda _query, _ms: {},
            "time": lambda _query, ms: {"serverTime": ms},
            "exchangeInfo": self._exchange_info,
            "depth": self._depth,
            "trades": self._trades,
            "historicalTrades": self._historical,
            "aggTrades": self._agg_trades,
            "klines": self._klines,
            "ticker/24hr": self._tickers,
        }

    def weight(self, call: str, query: Mapping[str, str]) -> int:
        """Return what a call costs."""
        _ = query
        return self.weights.get(call, 1)

    @abstractmethod
    def symbol_row(self, market: Shown) -> dict[str, Any]:
        """Return a market's row of the catalogue."""

    @abstractmethod
    def catalogue(self, ms: int) -> dict[str, Any]:
        """Return what the catalogue says before its rows."""

    @abstractmethod
    def levels(self, query: Mapping[str, str]) -> int:
        """Return how many levels a depth call asks for; raises Refusal."""

    @abstractmethod
    def agg_row(self, market: Shown, one: Print) -> dict[str, Any]:
        """Return a row of aggTrades; the stream's event has the same fields."""

    def depth_head(self, market: Shown, ms: int) -> dict[str, Any]:
        """Return what a depth answer says before its levels."""
        _ = ms
        return {"lastUpdateId": market.book.sequence}

    def day_row(self, market: Shown, ms: int) -> dict[str, Any]:
        """Return a market's 24 hours."""
        row, day = market.listing, day_of(market)
        if day is None:
            raise Refusal(-1121, "Invalid symbol.")
        whole, scale = day.whole, 10 ** (row.tick_decimals + row.lot_decimals)
        fills = market.tape.fills
        return {
            "symbol": row.native,
            "priceChange": row.price_text(day.last - whole.open),
            "priceChangePercent": f"{(day.last / whole.open - 1) * 100:.3f}",
            "weightedAvgPrice": row.price_text(whole.quote / max(1, whole.lots)),
            "lastPrice": row.price_text(day.last),
            "lastQty": row.size_text(day.last_lots),
            "openPrice": row.price_text(whole.open),
            "highPrice": row.price_text(whole.high),
            "lowPrice": row.price_text(whole.low),
            "volume": row.size_text(whole.lots),
            "quoteVolume": f"{whole.quote / scale:.8f}",
            "openTime": ms - DAY_MS,
            "closeTime": ms,
            "firstId": fills[0].trade_id if fills else -1,
            "lastId": fills[-1].trade_id if fills else -1,
            "count": whole.trades,
        }

    def market(self, query: Mapping[str, str]) -> Shown:
        """Return whom a call is about; raises Refusal."""
        if not query.get("symbol"):
            raise Refusal(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if query["symbol"] not in self._markets:
            raise Refusal(-1121, "Invalid symbol.")
        return self._markets[query["symbol"]]

    def _exchange_info(self, _query: Mapping[str, str], ms: int) -> Any:
        limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": self.limit}]
        symbols = [self.symbol_row(market) for market in self._markets.values()]
        return {"timezone": "UTC", "serverTime": ms, **self.catalogue(ms), "rateLimits": limits, "symbols": symbols}

    def _depth(self, query: Mapping[str, str], ms: int) -> Any:
        limit = self.levels(query)
        market = self.market(query)
        row = market.listing
        sides = market.book.depth(limit)
        bids, asks = ([[row.price_text(price), row.size_text(lots)] for price, lots in side] for side in sides)
        return {**self.depth_head(market, ms), "bids": bids, "asks": asks}

    def _trades(self, query: Mapping[str, str], _ms: int) -> Any:
        market = self.market(query)
        limit = min(number(query, "limit", 500), 1000)
        return [self._fill_row(market, fill) for fill in market.tape.fills[-limit:]]

    def _historical(self, query: Mapping[str, str], ms: int) -> Any:
        if "fromId" not in query:
            return self._trades(query, ms)
        market = self.market(query)
        default, most = self.single_limit
        limit = min(number(query, "limit", default), most)
        return [self._fill_row(market, fill) for fill in market.tape.fills_from(number(query, "fromId", 0), limit)]

    def _agg_trades(self, query: Mapping[str, str], _ms: int) -> Any:
        market = self.market(query)
        limit = min(number(query, "limit", 500), 1000)
        if "fromId" in query:
            prints = market.tape.prints_from(number(query, "fromId", 0), limit)
        elif "startTime" in query or "endTime" in query:
            start, end = number(query, "startTime", 0), number(query, "endTime", 1 << 62)
            prints = [one for one in market.tape.prints_since(start) if one.fills[0].ms <= end][:limit]
        else:
            prints = market.tape.prints[-limit:]
        return [self.agg_row(market, one) for one in prints]

    def _klines(self, query: Mapping[str, str], _ms: int) -> Any:
        market = self.market(query)
        interval = query.get("interval", "")
        if interval not in TIMEFRAMES:
            raise Refusal(-1120, "Invalid interval.")
        limit = min(number(query, "limit", 500), self.most_bars)
        start, end = number(query, "startTime", 0), number(query, "endTime", 1 << 62)
        bars = [bar for bar in market.candles.read(interval) if start <= bar.open_ms <= end]
        bars = bars[:limit] if "startTime" in query else bars[-limit:]
        return [kline_row(market.listing, bar, TIMEFRAMES[interval]) for bar in bars]

    def _tickers(self, query: Mapping[str, str], ms: int) -> Any:
        if "symbol" in query:
            return self.day_row(self.market(query), ms)
        return [self.day_row(market, ms) for market in self._markets.values() if day_of(market)]

    def _fill_row(self, market: Shown, fill: Fill) -> dict[str, Any]:
        row = market.listing
        price, size = row.price_text(fill.price), row.size_text(fill.lots)
        quote = f"{fill.price * fill.lots / 10 ** (row.tick_decimals + row.lot_decimals):.2f}"
        rest = {"time": fill.ms, "isBuyerMaker": not fill.buy, **self.extra}
        return {"id": fill.trade_id, "price": price, "qty": size, "quoteQty": quote, **rest}


def kline_row(row: Listing, bar: Bar, period_ms: int) -> list[Any]:
    """Return one candle: open time, O H L C, volume, close time, quote volume, trades, taker buys in both, unused."""
    prices = [row.price_text(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    scale = 10 ** (row.tick_decimals + row.lot_decimals)
    times = (bar.open_ms, bar.open_ms + period_ms - 1)
    quote, buy_quote = f"{bar.quote / scale:.8f}", f"{bar.buy_quote / scale:.8f}"
    volume, buys = row.size_text(bar.lots), row.size_text(bar.buy_lots)
    return [times[0], *prices, volume, times[1], quote, bar.trades, buys, buy_quote, "0"]


def agg_fields(market: Shown, one: Print) -> dict[str, Any]:
    """Return what an aggregate is everywhere: its id, price, size, the ids it covers, time, and whose order waited."""
    row, first = market.listing, one.fills[0]
    ids = {"f": first.trade_id, "l": one.fills[-1].trade_id}
    what = {"a": one.print_id, "p": row.price_text(first.price), "q": row.size_text(one.lots)}
    return {**what, **ids, "T": first.ms, "m": not first.buy}


def steps(row: Listing) -> list[dict[str, str]]:
    """Return the filters that say a market's steps."""
    tick, lot = f"{row.tick:.{row.price_decimals}f}", f"{10**-row.lot_decimals:.{row.lot_decimals}f}"
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "10000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "100000000", "stepSize": lot},
        {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": "100000000", "stepSize": lot},
    ]


def number(query: Mapping[str, str], key: str, default: int) -> int:
    """Return a parameter; raises Refusal where it is no number."""
    text = query.get(key)
    if text is None:
        return default
    if not text.isdecimal():
        raise Refusal(-1102, f"Mandatory parameter '{key}' was not sent, was empty/null, or malformed.")
    return int(text)


def _body(value: Any) -> bytes:
    return msgspec.json.encode(value)
