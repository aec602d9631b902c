"""Bybit v5's REST market data: requests in, enveloped rows, pages, limits and error codes as documented out."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote

import msgspec

from deploy.local.sandbox import bybit_rows as rows
from deploy.local.sandbox.candles import TIMEFRAMES, opened
from deploy.local.sandbox.handler import Request, Response
from deploy.local.sandbox.shown import Shown

CATEGORIES: Final = ("linear", "inverse", "spot")
INTERVALS: Final = {"1": "1m", "5": "5m", "15": "15m", "60": "1h", "240": "4h", "D": "1d", "W": "1w"}
"""The vendor's names of the intervals that the sandbox keeps."""
_PER_5S: Final = 600
_LEVELS: Final = {"spot": (1, 200), "linear": (25, 1000), "inverse": (25, 1000)}
"""Category -> levels by default, and at most."""
_TRADES: Final = {"spot": (60, 60), "linear": (500, 1000), "inverse": (500, 1000)}

_Call: TypeAlias = Callable[[Mapping[str, str], int], dict[str, Any]]


class Refusal(Exception):
    """A request the venue refuses: HTTP 200 with a code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Rest:
    """The calls under /v5/market, and when they were made lately."""

    def __init__(self, markets: Mapping[str, Shown], update: Callable[[Shown], int]) -> None:
        """`update` tells the update id of a market's deepest book stream."""
        self._markets = markets
        self._update = update
        self._recent: deque[int] = deque()
        self._calls: dict[str, _Call] = {
            "time": lambda _query, ms: {"timeSecond": str(ms // 1000), "timeNano": str(ms * 1_000_000)},
            "instruments-info": self._instruments,
            "orderbook": self._orderbook,
            "recent-trade": self._recent_trades,
            "kline": self._kline,
            "tickers": self._tickers,
        }

    def answer(self, request: Request, ms: int) -> Response:
        """Answer a call at `ms` of the wall clock."""
        call = request.path.removeprefix("/bybit/v5/market/")
        while self._recent and self._recent[0] <= ms - 5000:
            self._recent.popleft()
        self._recent.append(ms)
        if len(self._recent) > _PER_5S:
            return Response(status=403, body=b"access too frequent", content_type="text/plain")
        if call not in self._calls:
            return Response(status=404, body=b"404 page not found", content_type="text/plain")
        try:
            return Response(body=_envelope(0, "OK", self._calls[call](request.query, ms), ms))
        except Refusal as e:
            return Response(body=_envelope(e.code, str(e), {}, ms))

    def _of(self, query: Mapping[str, str]) -> tuple[str, list[Shown]]:
        """Return the category, and its markets or the one that is named."""
        category = query.get("category", "")
        if category not in CATEGORIES:
            raise Refusal(10001, "params error: Category is invalid" if category else "params error: Category is null")
        if query.get("symbol"):
            return category, [self._market(query)]
        return category, [one for name, one in self._markets.items() if name.startswith(f"{category}:")]

    def _market(self, query: Mapping[str, str]) -> Shown:
        category = query.get("category", "linear")
        if category not in CATEGORIES:
            raise Refusal(10001, "params error: Category is invalid")
        native = f"{category}:{query.get('symbol', '')}"
        if native not in self._markets:
            raise Refusal(10001, "params error: symbol invalid")
        return self._markets[native]

    def _instruments(self, query: Mapping[str, str], _ms: int) -> dict[str, Any]:
        category, found = self._of(query)
        answer: dict[str, Any] = {"category": category}
        if category == "spot":
            return answer | {"list": [rows.spot_row(market) for market in found]}
        limit = _number(query, "limit", 500, 1000)
        first = _start(query.get("cursor", ""), found)
        page, rest = found[first : first + limit], found[first + limit :]
        cursor = quote(f"first={_name(rest[0])}", safe="") if rest else ""
        return answer | {"list": [rows.contract_row(market) for market in page], "nextPageCursor": cursor}

    def _orderbook(self, query: Mapping[str, str], ms: int) -> dict[str, Any]:
        market = self._market(query)
        limit = _number(query, "limit", *_LEVELS[query.get("category", "linear")])
        bids, asks = market.book.depth(limit)
        row = market.listing
        sides = {"b": [rows.level(row, *one) for one in bids], "a": [rows.level(row, *one) for one in asks]}
        ids = {"u": self._update(market), "seq": market.book.sequence, "cts": ms}
        return {"s": _name(market), **sides, "ts": ms, **ids}

    def _recent_trades(self, query: Mapping[str, str], _ms: int) -> dict[str, Any]:
        market = self._market(query)
        category = query.get("category", "linear")
        limit = _number(query, "limit", *_TRADES[category])
        newest = market.tape.fills[: -limit - 1 : -1]
        return {"category": category, "list": [rows.recent_row(market, fill) for fill in newest]}

    def _kline(self, query: Mapping[str, str], _ms: int) -> dict[str, Any]:
        market = self._market(query)
        interval = query.get("interval", "")
        if interval not in INTERVALS:
            raise Refusal(10001, "params error: interval invalid")
        limit = _number(query, "limit", 200, 1000)
        start, end = _number(query, "start", 0, 1 << 62), _number(query, "end", 1 << 62, 1 << 62)
        name = INTERVALS[interval]
        bars = [bar for bar in market.candles.read(name) if opened(start, TIMEFRAMES[name]) <= bar.open_ms <= end]
        newest = bars[: -limit - 1 : -1]
        where = {"symbol": _name(market), "category": query.get("category", "linear")}
        return where | {"list": [rows.candle_row(market.listing, bar) for bar in newest]}

    def _tickers(self, query: Mapping[str, str], ms: int) -> dict[str, Any]:
        category, found = self._of(query)
        return {"category": category, "list": [rows.ticker_row(market, ms) for market in found]}


def _start(cursor: str, found: list[Shown]) -> int:
    """Return where a page begins; a cursor may come quoted, as it was given, or plain."""
    name = unquote(cursor).removeprefix("first=")
    if not name:
        return 0
    names = [_name(market) for market in found]
    if name not in names:
        raise Refusal(10001, "params error: cursor invalid")
    return names.index(name)


def _name(market: Shown) -> str:
    return market.listing.native.partition(":")[2]


def _number(query: Mapping[str, str], key: str, default: int, most: int) -> int:
    text = query.get(key)
    if not text:
        return default
    if not text.isdecimal():
        raise Refusal(10001, f"params error: {key} invalid")
    return min(int(text), most)


def _envelope(code: int, message: str, result: dict[str, Any], ms: int) -> bytes:
    return msgspec.json.encode({"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": ms})
