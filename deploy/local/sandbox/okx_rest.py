"""OKX v5's REST market data: requests in, enveloped rows newest first, rate limits and error codes out."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from deploy.local.sandbox.candles import TIMEFRAMES, Bar
from deploy.local.sandbox.day import day_of
from deploy.local.sandbox.handler import Request, Response
from deploy.local.sandbox.listings import Listing
from deploy.local.sandbox.market import Market
from deploy.local.sandbox.shown import Shown, Standing
from deploy.local.sandbox.tape import Fill

BARS: Final = {
    "1m": "1m",
    "5m": "5m",
    "15m": "15m",
    "1H": "1h",
    "4H": "4h",
    "1Dutc": "1d",
    "1Wutc": "1w",
}
"""The vendor's names; plain 1D and 1W open at UTC+8 there and are refused here."""
_PER_2S: Final = {
    "market/books": 40,
    "market/tickers": 20,
    "public/open-interest": 20,
    "market/candles": 40,
    "market/history-candles": 20,
    "market/trades": 100,
    "market/history-trades": 20,
    "public/instruments": 20,
    "public/time": 10,
}
_NEWEST_BARS: Final = 1440
_NEWEST_TRADES: Final = 500
_STATE: Final = {
    Standing.ANNOUNCED: "preopen",
    Standing.LIVE: "live",
    Standing.HALTED: "suspend",
    Standing.DELISTED: "suspend",
}


class Refusal(Exception):
    """A request the venue refuses; HTTP 400 with a code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Rest:
    """The calls under /api/v5, and when they were made lately."""

    def __init__(self, markets: Mapping[str, Shown]) -> None:
        self._markets = markets
        self._recent: dict[str, deque[int]] = {}
        self.pace = 1.0
        """Multiplies the limits; a recording played ten times as fast allows ten times as much."""
        self.instruments: list[dict[str, Any]] | None = None
        """Rows as recorded; by default they are made from the listings."""

    def answer(self, request: Request, ms: int) -> Response:
        """Answer a call at `ms` of the wall clock."""
        call = request.path.removeprefix("/okx/api/v5/")
        calls: dict[str, Callable[[Mapping[str, str], int], list[Any]]] = {
            "public/time": lambda _query, now: [{"ts": str(now)}],
            "public/instruments": self._instruments,
            "public/open-interest": self._interest,
            "market/tickers": self._tickers,
            "market/books": self._books,
            "market/trades": self._trades,
            "market/history-trades": self._history_trades,
            "market/candles": self._candles,
            "market/history-candles": self._history_candles,
        }
        if call not in calls:
            return Response(status=404, body=_envelope("404", "Not Found", []))
        recent = self._recent.setdefault(call, deque())
        while recent and recent[0] <= ms - 2000:
            recent.popleft()
        if len(recent) >= _PER_2S[call] * self.pace:
            return Response(status=429, body=_envelope("50011", "Too Many Requests", []))
        recent.append(ms)
        try:
            return Response(body=_envelope("0", "", calls[call](request.query, ms)))
        except Refusal as e:
            return Response(status=400, body=_envelope(e.code, str(e), []))

    def _market(self, query: Mapping[str, str]) -> Shown:
        if not query.get("instId"):
            raise Refusal("50014", "Parameter instId can not be empty.")
        if query["instId"] not in self._markets:
            raise Refusal("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return self._markets[query["instId"]]

    def _instruments(self, query: Mapping[str, str], _ms: int) -> list[Any]:
        kind = _kind(query)
        rows = self.instruments
        if rows is None:
            rows = [instrument_row(market) for market in self._markets.values()]
        wanted = query.get("instId")
        return [row for row in rows if row["instType"] == kind and wanted in {None, row["instId"]}]

    def _interest(self, query: Mapping[str, str], ms: int) -> list[Any]:
        swaps = self._of(_kind(query), query.get("instId"))
        return [interest_row(market, ms) for market in swaps if isinstance(market, Market) and market.listing.swap]

    def _tickers(self, query: Mapping[str, str], ms: int) -> list[Any]:
        return [ticker_row(market, ms) for market in self._of(_kind(query), None)]

    def _of(self, kind: str, native: str | None) -> list[Shown]:
        return [
            market
            for market in self._markets.values()
            if kind == _type(market.listing) and native in {None, market.listing.native}
        ]

    def _books(self, query: Mapping[str, str], ms: int) -> list[Any]:
        market = self._market(query)
        bids, asks = (
            [level(market.listing, price, lots) for price, lots in side]
            for side in market.book.depth(_limit(query, "sz", 1, 400))
        )
        return [{"asks": asks, "bids": bids, "ts": str(ms)}]

    def _trades(self, query: Mapping[str, str], _ms: int) -> list[Any]:
        market = self._market(query)
        limit = _limit(query, "limit", 100, _NEWEST_TRADES)
        return [trade_row(market, fill) for fill in market.tape.fills[: -limit - 1 : -1]]

    def _history_trades(self, query: Mapping[str, str], _ms: int) -> list[Any]:
        market = self._market(query)
        limit = _limit(query, "limit", 100, 100)
        after, before = _number(query, "after"), _number(query, "before")
        if query.get("type", "1") == "2":
            if before is not None:
                raise Refusal("51000", "Parameter before error")
            fills = [fill for fill in market.tape.fills if after is None or fill.ms < after][-limit:]
        else:
            fills = market.tape.fills_before(1 << 62 if after is None else after, limit)
            fills = [fill for fill in fills if before is None or fill.trade_id > before]
        return [trade_row(market, fill) for fill in reversed(fills)]

    def _candles(self, query: Mapping[str, str], _ms: int) -> list[Any]:
        return self._bars(query, newest=_NEWEST_BARS, forming=True)

    def _history_candles(self, query: Mapping[str, str], _ms: int) -> list[Any]:
        return self._bars(query, newest=1 << 62, forming=False)

    def _bars(self, query: Mapping[str, str], *, newest: int, forming: bool) -> list[Any]:
        market = self._market(query)
        bar = query.get("bar", "1m")
        if bar not in BARS:
            raise Refusal("51000", "Parameter bar error")
        limit = _limit(query, "limit", 100, 300)
        after, before = _number(query, "after"), _number(query, "before")
        bars = market.candles.read(BARS[bar])[-newest:]
        closed_ms = market.candles.ms - TIMEFRAMES[BARS[bar]]
        kept = [
            one
            for one in bars
            if (after is None or one.open_ms < after)
            and (before is None or one.open_ms > before)
            and (forming or one.open_ms <= closed_ms)
        ]
        return [candle_row(market.listing, one, confirm=one.open_ms <= closed_ms) for one in kept[: -limit - 1 : -1]]


def level(row: Listing, price: int, lots: int) -> list[str]:
    """Return a book level: price, size, a dead zero, order count."""
    return [row.price_text(price), plain(row.size_text(lots)), "0", "0" if not lots else str(1 + lots % 7)]


def trade_row(market: Shown, fill: Fill) -> dict[str, str]:
    """Return one trade; the size is in contracts on swaps."""
    row = market.listing
    side = "buy" if fill.buy else "sell"
    what = {"px": row.price_text(fill.price), "sz": plain(row.size_text(fill.lots)), "side": side}
    return {"instId": row.native, "tradeId": str(fill.trade_id), **what, "ts": str(fill.ms)}


def candle_row(row: Listing, bar: Bar, *, confirm: bool) -> list[str]:
    """Return ts, O, H, L, C, vol (contracts or base), volCcy (base or quote), volCcyQuote, confirm."""
    prices = [row.price_text(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    contract = float(row.contract_size)
    quote = f"{bar.quote * contract / 10 ** (row.tick_decimals + row.lot_decimals):.8f}"
    base = f"{bar.lots * contract / 10**row.lot_decimals:.8f}"
    volumes = [row.size_text(bar.lots), base if row.swap else quote, quote]
    return [str(bar.open_ms), *prices, *map(plain, volumes), "1" if confirm else "0"]


def ticker_row(market: Shown, ms: int) -> dict[str, str]:
    """Return the ticker; a side without levels is an empty string, as is the last price of what never traded."""
    row, book, day = market.listing, market.book, day_of(market)
    volumes = candle_row(row, day.whole, confirm=False)[5:7] if day else ["", ""]
    fill = market.tape.fills[-1] if market.tape.fills else None
    last = fill.price if fill else day.last if day else None
    bid, ask = book.best_bid, book.best_ask
    texts = {
        "last": "" if last is None else row.price_text(last),
        "lastSz": plain(row.size_text(fill.lots)) if fill else "",
        "askPx": "" if ask is None else row.price_text(ask),
        "askSz": "" if ask is None else plain(row.size_text(book.asks.sizes[ask])),
        "bidPx": "" if bid is None else row.price_text(bid),
        "bidSz": "" if bid is None else plain(row.size_text(book.bids.sizes[bid])),
        "open24h": row.price_text(day.whole.open) if day else "",
        "high24h": row.price_text(day.whole.high) if day else "",
        "low24h": row.price_text(day.whole.low) if day else "",
        "vol24h": volumes[0],
        "volCcy24h": volumes[1],
    }
    return {"instType": _type(row), "instId": row.native, **texts, "ts": str(ms)}


def interest_row(market: Market, ms: int) -> dict[str, str]:
    """Return the open interest in contracts, coins and dollars; tethers count as dollars in the sandbox."""
    row, contracts = market.listing, market.listing.size_text(market.open_lots)
    coins = float(contracts) * float(row.contract_size)
    worth = coins * market.mark * row.tick
    kept = {"oi": contracts, "oiCcy": f"{coins:.8f}", "oiUsd": f"{worth:.8f}", "ts": str(ms)}
    return {"instType": "SWAP", "instId": row.native, **kept}


def instrument_row(market: Shown) -> dict[str, str]:
    """Return a catalogue row; fields that do not apply are empty, as on the venue."""
    row = market.listing
    tick = f"{row.tick:.{row.tick_decimals}f}"
    lot = f"{10**-row.lot_decimals:.{row.lot_decimals}f}"
    family = f"{row.base}-{row.quote}"
    swap = {"instType": "SWAP", "uly": family, "instFamily": family, "settleCcy": row.quote, "ctType": "linear"}
    swap |= {"ctVal": row.contract_size, "ctMult": "1", "ctValCcy": row.base, "baseCcy": "", "quoteCcy": ""}
    spot = {"instType": "SPOT", "uly": "", "instFamily": "", "settleCcy": "", "ctType": "", "ctVal": "", "ctMult": ""}
    spot |= {"ctValCcy": "", "baseCcy": row.base, "quoteCcy": row.quote}
    steps = {"tickSz": tick, "lotSz": lot, "minSz": lot, "lever": "10", "instCategory": "1", "ruleType": "normal"}
    times = {"listTime": str(market.listed_ms), "expTime": "", "state": _STATE[market.standing]}
    return {"instId": row.native, **(swap if row.swap else spot), **steps, **times}


def plain(number: str) -> str:
    """Return a decimal text without trailing zeros, as the venue prints sizes."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def _type(row: Listing) -> str:
    return "SWAP" if row.swap else "SPOT"


def _kind(query: Mapping[str, str]) -> str:
    kind = query.get("instType")
    if not kind:
        raise Refusal("50014", "Parameter instType can not be empty.")
    if kind not in {"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"}:
        raise Refusal("51000", "Parameter instType error")
    return kind


def _number(query: Mapping[str, str], key: str) -> int | None:
    text = query.get(key)
    if not text:
        return None
    if not text.isdecimal():
        raise Refusal("51000", f"Parameter {key} error")
    return int(text)


def _limit(query: Mapping[str, str], key: str, default: int, most: int) -> int:
    number = _number(query, key)
    if number is None:
        return default
    if not 1 <= number <= most:
        raise Refusal("51000", f"Parameter {key} error")
    return number


def _envelope(code: str, message: str, rows: list[Any]) -> bytes:
    return msgspec.json.encode({"code": code, "msg": message, "data": rows})
