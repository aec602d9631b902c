"""OKX v5's market data as its servers speak it: WebSocket requests in, acknowledgements, notices and pushes out."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from deploy.local.sandbox import okx_rest as rest
from deploy.local.sandbox.book import Changes
from deploy.local.sandbox.candles import TIMEFRAMES, opened
from deploy.local.sandbox.exchange import Exchange
from deploy.local.sandbox.faults import Faults
from deploy.local.sandbox.handler import Request, Response
from deploy.local.sandbox.listings import OKX
from deploy.local.sandbox.market import FUNDING_MS, Market
from deploy.local.sandbox.shown import Shown
from deploy.local.sandbox.simulation import Happening
from deploy.local.sandbox.tape import Liquidated, Print
from deploy.local.sandbox.websocket import Socket
from libs.common.runtime.clock import now_ns

encode = msgspec.json.encode
_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_IDLE_S: Final = 30.0
_KEEPALIVE_MS: Final = 60_000
_OPERATIONS_PER_H: Final = 480
_INTEREST_MS: Final = 3_000
_SWAP_ONLY: Final = {"funding-rate", "mark-price", "open-interest"}
_CHANNELS: Final = {
    "public": {"books", "trades", "tickers", "liquidation-orders", *_SWAP_ONLY},
    "business": {"trades-all", *(f"candle{bar}" for bar in rest.BARS)},
}


class Okx(Exchange):
    """The venue, both public paths."""

    name = OKX
    prefix = "/okx"
    too_many = b'{"code":"50011","msg":"Too Many Requests","data":[]}'

    def __init__(self, faults: Faults, markets: Sequence[Shown]) -> None:
        super().__init__(faults, markets)
        self._rest = rest.Rest(self.markets)
        self._changes: dict[str, Changes] = {native: market.book.watch() for native, market in self.markets.items()}
        self._pushed_ms: dict[str, int] = {}
        self._new: dict[str, list[Socket]] = {}
        self._operations: dict[Socket, list[float]] = {}

    def admits(self, path: str) -> bool:
        """Admit the public and the business path."""
        return path in {f"{self.prefix}/ws/v5/{kind}" for kind in _CHANNELS}

    def closed(self, socket: Socket) -> None:
        """Forget a connection."""
        super().closed(socket)
        self._operations.pop(socket, None)

    def tick(self, now_s: float) -> None:
        """Close connections on which nothing was said for 30 s."""
        super().tick(now_s)
        for socket in list(self.sockets):
            if now_s - socket.active_s > _IDLE_S and not socket.frozen:
                self.counts["idle_closed"] += 1
                socket.close(4004, "No data received in 30s.")

    def message(self, socket: Socket, text: bytes) -> None:
        """Answer ping, subscribe and unsubscribe."""
        if text == b"ping":
            socket.send(b"pong")
            return
        try:
            call = msgspec.json.decode(text)
        except msgspec.DecodeError:
            call = None
        if not isinstance(call, dict):
            self._error(socket, None, "60012", f"Invalid request: {text[:200].decode(errors='replace')}")
            return
        ident, operation, args = call.get("id"), call.get("op"), call.get("args")
        if ident is not None and not (isinstance(ident, str) and _ID.fullmatch(ident)):
            self._error(socket, None, "60033", "Parameter id error")
        elif operation not in {"subscribe", "unsubscribe"}:
            self._error(socket, ident, "60019", f"Invalid op: {operation}")
        elif not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
            self._error(socket, ident, "60013", "Invalid args")
        elif self._too_often(socket):
            self._error(socket, ident, "60014", "Requests too frequent. Please try again later.")
        else:
            for arg in args:
                self._operate(socket, ident, operation, arg)

    async def answer(self, request: Request) -> Response:
        """Answer a REST call."""
        return self._rest.answer(request, now_ns() // 1_000_000)

    def add(self, market: Shown) -> None:
        """Put a market on the list."""
        super().add(market)
        if market.listing.native not in self._changes:
            self._changes[market.listing.native] = market.book.watch()

    def tell(self, happening: Happening, ms: int) -> None:
        """Tell the listeners what a slice brought to one market."""
        market = happening.market
        for one in happening.prints:
            self._print(market, one)
        for forced in happening.liquidations:
            self._liquidation(market, forced)
        if ms % 100 == 0:
            self._book(market, ms)
        if ms % 200 == 0:
            self._slow(market, ms)

    def publish(self, stream: str, arg: dict[str, str], rows: list[Any], action: str = "") -> None:
        """Push rows to everyone who listens."""
        sockets = self.heard(stream)
        if sockets:
            frame = _data(arg, rows, action)
            for socket in sockets:
                self.push(socket, stream, frame)

    def greet(self, socket: Socket, channel: str, native: str) -> None:
        """Serve what a new subscription gets at once; a book comes with the next push, when it is whole."""
        market = self.markets.get(native)
        if channel == "books":
            self._new.setdefault(native, []).append(socket)
        elif channel == "funding-rate" and isinstance(market, Market):
            arg = {"channel": channel, "instId": native}
            self.push(socket, f"{channel}:{native}", _data(arg, [funding_row(market, market.ms)]))

    def _operate(self, socket: Socket, ident: str | None, operation: str, arg: dict[str, Any]) -> None:
        channel, native = str(arg.get("channel")), str(arg.get("instId", arg.get("instType", "")))
        path = socket.path.rpartition("/")[2]
        known = {"SWAP"} if channel == "liquidation-orders" else self.markets.keys()
        if channel in _SWAP_ONLY:
            known = {name for name in self.markets if name.endswith("-SWAP")}
        if channel not in _CHANNELS[path] or native not in known:
            what = f"channel:{channel},instId:{native} doesn't exist"
            end = "Please use the correct URL, channel and parameters referring to API document."
            self._error(socket, ident, "60018", f"Wrong URL or {what}. {end}")
            return
        answer: dict[str, Any] = {"id": ident} if ident else {}
        answer |= {"event": operation, "arg": arg, "connId": _conn_id(socket)}
        socket.send(encode(answer))
        stream = f"{channel}:{native}"
        if operation == "unsubscribe":
            self.unlisten(socket, stream)
            if socket in self._new.get(native, []) and channel == "books":
                self._new[native].remove(socket)
        else:
            self.greet(socket, channel, native)
            if channel != "books":
                self.listen(socket, stream)

    def _too_often(self, socket: Socket) -> bool:
        now_s = asyncio.get_running_loop().time()
        recent = [at for at in self._operations.get(socket, []) if now_s - at < 3600]
        self._operations[socket] = [*recent, now_s]
        return len(recent) >= _OPERATIONS_PER_H

    @staticmethod
    def _error(socket: Socket, ident: str | None, code: str, message: str) -> None:
        answer: dict[str, Any] = {"id": ident} if ident else {}
        socket.send(encode(answer | {"event": "error", "code": code, "msg": message, "connId": _conn_id(socket)}))

    def _print(self, market: Market, one: Print) -> None:
        native, last = market.listing.native, one.fills[-1]
        if not (self.heard(f"trades:{native}") or self.heard(f"trades-all:{native}")):
            return
        size = rest.plain(market.listing.size_text(one.lots))
        row: dict[str, Any] = {**rest.trade_row(market, last), "sz": size, "count": str(len(one.fills))}
        row |= {"source": "0", "seqId": market.book.sequence}
        self.publish(f"trades:{native}", {"channel": "trades", "instId": native}, [row])
        if self.heard(f"trades-all:{native}"):
            for fill in one.fills:
                arg = {"channel": "trades-all", "instId": native}
                self.publish(f"trades-all:{native}", arg, [{**rest.trade_row(market, fill), "source": "0"}])

    def _liquidation(self, market: Market, forced: Liquidated) -> None:
        arg = {"channel": "liquidation-orders", "instType": "SWAP"}
        self.publish("liquidation-orders:SWAP", arg, [liquidation_row(market, forced)])

    def _book(self, market: Market, ms: int) -> None:
        native, book, changes = market.listing.native, market.book, self._changes[market.listing.native]
        stream, arg = f"books:{native}", {"channel": "books", "instId": native}
        quiet = ms - self._pushed_ms.setdefault(native, ms)
        if changes.first or quiet >= _KEEPALIVE_MS:
            if self.heard(stream):
                self.publish(stream, arg, [update_row(market, changes, ms)], "update")
            changes.clear(book.sequence)
            self._pushed_ms[native] = ms
        for socket in self._new.pop(native, ()):
            if socket in self.sockets:
                self.listen(socket, stream)
                self.push(socket, stream, _data(arg, [snapshot_row(market, ms)], "snapshot"))

    def _slow(self, market: Market, ms: int) -> None:
        native = market.listing.native
        if market.listing.swap:
            if self.heard(f"mark-price:{native}"):
                mark = market.listing.price_text(market.mark)
                row = {"instType": "SWAP", "instId": native, "markPx": mark, "ts": str(ms)}
                self.publish(f"mark-price:{native}", {"channel": "mark-price", "instId": native}, [row])
            if ms % _INTEREST_MS == 0:
                arg = {"channel": "open-interest", "instId": native}
                self.publish(f"open-interest:{native}", arg, [rest.interest_row(market, ms)])
            if ms % 30_000 == 0:
                arg = {"channel": "funding-rate", "instId": native}
                self.publish(f"funding-rate:{native}", arg, [funding_row(market, ms)])
        if ms % 1000 == 0:
            if self.heard(f"tickers:{native}"):
                arg = {"channel": "tickers", "instId": native}
                self.publish(f"tickers:{native}", arg, [rest.ticker_row(market, ms)])
            for bar, timeframe in rest.BARS.items():
                stream = f"candle{bar}:{native}"
                if self.heard(stream):
                    self._candle(market, stream, bar, timeframe, ms)

    def _candle(self, market: Market, stream: str, bar: str, timeframe: str, ms: int) -> None:
        arg = {"channel": f"candle{bar}", "instId": market.listing.native}
        bars = market.candles.newest(timeframe, 2)
        forming_ms = opened(ms, TIMEFRAMES[timeframe])
        for one in bars:
            confirm = one.open_ms < forming_ms
            if not confirm or forming_ms == ms:
                self.publish(stream, arg, [rest.candle_row(market.listing, one, confirm=confirm)])


def snapshot_row(market: Shown, ms: int) -> dict[str, Any]:
    """Return the book, 400 levels a side at most; the checksum is 0, as everywhere since 2026-06-23."""
    row: dict[str, Any] = {}
    for key, levels in zip(("bids", "asks"), market.book.depth(400), strict=True):
        row[key] = [rest.level(market.listing, price, lots) for price, lots in levels]
    return row | {"ts": str(ms), "checksum": 0, "prevSeqId": -1, "seqId": market.book.sequence}


def update_row(market: Shown, changes: Changes, ms: int) -> dict[str, Any]:
    """Return the changes since the last push; without changes it is a keepalive whose ids are equal."""
    book = market.book
    bids = [rest.level(market.listing, price, book.bids.sizes.get(price, 0)) for price in sorted(changes.bids)[::-1]]
    asks = [rest.level(market.listing, price, book.asks.sizes.get(price, 0)) for price in sorted(changes.asks)]
    ids = {"prevSeqId": changes.previous, "seqId": book.sequence}
    return {"asks": asks, "bids": bids, "ts": str(ms), "checksum": 0, **ids}


def funding_row(market: Market, ms: int) -> dict[str, str]:
    """Return the running interval's funding; eight hours here."""
    due = (ms // FUNDING_MS + 1) * FUNDING_MS
    return {
        "instType": "SWAP",
        "instId": market.listing.native,
        "method": "current_period",
        "formulaType": "noRate",
        "fundingRate": f"{market.funding_rate:.8f}",
        "fundingTime": str(due),
        "nextFundingRate": "",
        "nextFundingTime": str(due + FUNDING_MS),
        "minFundingRate": "-0.00375",
        "maxFundingRate": "0.00375",
        "interestRate": "0.0001",
        "impactValue": "20000",
        "premium": f"{market.mark / market.index - 1:.8f}",
        "settState": "settled",
        "settFundingRate": "0.0001",
        "ts": str(ms),
    }


def liquidation_row(market: Shown, one: Liquidated) -> dict[str, Any]:
    """Return a forced order; `side` is the closing order's, so buy closes a short. Sizes are contracts."""
    row = market.listing
    detail = {"side": "buy" if one.buy else "sell", "posSide": "short" if one.buy else "long"}
    detail |= {"bkPx": row.price_text(one.price), "sz": row.size_text(one.lots), "bkLoss": "0", "ccy": ""}
    family = f"{row.base}-{row.quote}"
    where = {"instType": "SWAP", "instId": row.native, "instFamily": family, "uly": family}
    return {**where, "details": [{**detail, "ts": str(one.ms)}]}


def _data(arg: dict[str, str], rows: list[Any], action: str = "") -> bytes:
    return encode({"arg": arg, "action": action, "data": rows} if action else {"arg": arg, "data": rows})


def _conn_id(socket: Socket) -> str:
    return f"{id(socket) & 0xFFFFFFFF:08x}"
