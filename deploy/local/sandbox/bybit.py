"""Bybit v5's market data as its servers speak it: WebSocket requests in, acknowledgements and pushes out."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from deploy.local.sandbox import bybit_rows as rows
from deploy.local.sandbox.bybit_book import Depth
from deploy.local.sandbox.bybit_rest import CATEGORIES, INTERVALS, Rest
from deploy.local.sandbox.candles import TIMEFRAMES
from deploy.local.sandbox.exchange import Exchange
from deploy.local.sandbox.faults import Faults
from deploy.local.sandbox.handler import Request, Response
from deploy.local.sandbox.listings import BYBIT
from deploy.local.sandbox.shown import Shown
from deploy.local.sandbox.simulation import Happening
from deploy.local.sandbox.tape import Liquidated
from deploy.local.sandbox.websocket import Socket
from libs.common.runtime.clock import now_ns

encode = msgspec.json.encode
_IDLE_S: Final = 600.0
_CHARACTERS: Final = 21_000
"""Of the arguments of one connection."""
_SPOT_ARGS: Final = 10
_BOOKS_MS: Final = {50: 50, 200: 100, 1000: 200}
"""Depth -> milliseconds between pushes; the venue's 20 ms are a slice of the sandbox's market."""
_BEST_MS: Final = 50
_BEST_AGAIN_MS: Final = 3000
_CLOSINGS_MS: Final = 500
_TICKERS_MS: Final = 100
_RENEWED_MS: Final = {
    "fundingRate": 60_000,
    **dict.fromkeys(("openInterest", "openInterestValue", "singleOpenInterest", "singleOpenInterestValue"), 1_000),
}
"""Figures that tickers tell less often than prices; their pace is made up."""
_EACH: Final = r"publicTrade|tickers|orderbook\.(?:1|50|200|1000)|kline\.(?:" + "|".join(INTERVALS) + ")"
_TOPIC: Final = {
    "spot": re.compile(rf"({_EACH})\.(\S+)"),
    "linear": re.compile(rf"({_EACH}|allLiquidation|liquidation)\.(\S+)"),
    "inverse": re.compile(rf"({_EACH}|allLiquidation|liquidation)\.(\S+)"),
}


class Bybit(Exchange):
    """The venue's three public categories. Inside, a stream is `<category>:<topic>`: names repeat between them."""

    name = BYBIT
    prefix = "/bybit"
    ping_s = float("inf")
    too_many = b'{"retCode":10006,"retMsg":"Too many visits!","result":{},"retExtInfo":{},"time":0}'

    def __init__(self, faults: Faults, markets: Sequence[Shown]) -> None:
        super().__init__(faults, markets)
        self._rest = Rest(self.markets, self._deepest)
        self._depths: dict[str, dict[int, Depth]] = {}
        self._new: dict[str, list[Socket]] = {}
        self._best: dict[str, tuple[Any, int]] = {}
        """The last push of `orderbook.1`, and when it was."""
        self._tickers: dict[str, dict[str, str]] = {}
        self._closings: dict[str, list[Liquidated]] = {}

    def admits(self, path: str) -> bool:
        """Admit the public categories."""
        return path in {f"{self.prefix}/v5/public/{category}" for category in CATEGORIES}

    def tick(self, now_s: float) -> None:
        """Close connections on which nothing was said for ten minutes."""
        super().tick(now_s)
        for socket in list(self.sockets):
            if now_s - socket.active_s > _IDLE_S and not socket.frozen:
                self.counts["idle_closed"] += 1
                socket.close(1000, "")

    def message(self, socket: Socket, text: bytes) -> None:
        """Answer ping, subscribe and unsubscribe."""
        try:
            call = msgspec.json.decode(text)
        except msgspec.DecodeError:
            call = None
        operation = call.get("op") if isinstance(call, dict) else None
        args = call.get("args") if isinstance(call, dict) else None
        request = str(call.get("req_id", "")) if isinstance(call, dict) else ""
        if operation == "ping":
            self._say(socket, "ping", "pong", request)
        elif operation not in {"subscribe", "unsubscribe"}:
            self._say(socket, str(operation or ""), "error:invalid request", request, success=False)
        elif not isinstance(args, list) or not args or not all(isinstance(arg, str) for arg in args):
            self._say(socket, operation, "error:params error", request, success=False)
        else:
            self._operate(socket, operation, args, request)

    async def answer(self, request: Request) -> Response:
        """Answer a REST call."""
        return self._rest.answer(request, now_ns() // 1_000_000)

    def tell(self, happening: Happening, ms: int) -> None:
        """Tell the listeners what a slice brought to one market."""
        market = happening.market
        native = market.listing.native
        category, _, name = native.partition(":")
        fills = [fill for one in happening.prints for fill in one.fills]
        topic = f"publicTrade.{name}"
        if fills and self.heard(f"{category}:{topic}"):
            self._publish(category, topic, "snapshot", [rows.trade_row(market, fill) for fill in fills], ms)
        if native in self._depths:
            self._books(category, name, market, ms)
        if self.heard(f"{category}:orderbook.1.{name}"):
            self._touch(category, name, market, ms)
        if ms % _TICKERS_MS == 0 and self.heard(f"{category}:tickers.{name}"):
            self._ticker(category, name, market, ms)
        if happening.liquidations:
            self._closings.setdefault(native, []).extend(happening.liquidations)
        if ms % _CLOSINGS_MS == 0 and native in self._closings:
            self._closed(category, name, market, self._closings.pop(native), ms)
        if ms % 1000 == 0:
            self._klines(category, name, market, ms)

    def _operate(self, socket: Socket, operation: str, args: list[str], request: str) -> None:
        """Do what a request asks, or nothing of it: one bad topic spoils it for all."""
        category = socket.path.rpartition("/")[2]
        topics = [_TOPIC[category].fullmatch(arg) for arg in args]
        wrong = next((arg for arg, topic in zip(args, topics, strict=True) if topic is None), None)
        unknown = [topic[2] for topic in topics if topic and f"{category}:{topic[2]}" not in self.markets]
        waiting = [stream for stream, sockets in self._new.items() if socket in sockets]
        mine = {stream.partition(":")[2] for stream in (*self.streams(socket), *waiting)}
        twice = next((arg for arg in args if arg in mine), None)
        error = ""
        if category == "spot" and len(args) > _SPOT_ARGS:
            error = "args size >10"
        elif operation == "subscribe" and sum(len(arg) + 3 for arg in (*mine, *args)) > _CHARACTERS:
            error = "error:args length exceeded"
        elif wrong is not None:
            error = f"error:handler not found,topic:{wrong}"
        elif unknown:
            error = f"Invalid symbol :[{args[0]}]" if len(args) == 1 else f"Invalid symbol :{unknown}"
        elif operation == "subscribe" and twice:
            error = f"error:already subscribed,topic:{twice}"
        if error:
            self._say(socket, operation, error, request, success=False)
            return
        self._say(socket, operation, operation if category == "spot" else "", request)
        for arg, topic in zip(args, topics, strict=True):
            assert topic
            if operation == "unsubscribe":
                self._leave(socket, f"{category}:{arg}")
            else:
                self._join(socket, category, topic[1], topic[2])

    def _join(self, socket: Socket, category: str, channel: str, name: str) -> None:
        native, stream = f"{category}:{name}", f"{category}:{channel}.{name}"
        market = self.markets[native]
        kind, _, depth = channel.partition(".")
        if kind == "orderbook" and int(depth) in _BOOKS_MS:
            known = self._depths.setdefault(native, {})
            if int(depth) not in known:
                known[int(depth)] = Depth(market, int(depth))
            self._new.setdefault(stream, []).append(socket)  # it hears from the next push on, which makes it whole
            return
        if kind == "tickers":
            ms = now_ns() // 1_000_000
            if not self.heard(stream) or native not in self._tickers:  # else the others' deltas go on from the same
                self._tickers[native] = rows.ticker_row(market, ms)
            self.push(socket, stream, _frame(f"{channel}.{name}", "snapshot", self._tickers[native], ms))
        self.listen(socket, stream)

    def _leave(self, socket: Socket, stream: str) -> None:
        self.unlisten(socket, stream)
        if socket in self._new.get(stream, []):
            self._new[stream].remove(socket)

    def _publish(self, category: str, topic: str, kind: str, data: Any, ms: int, **more: int) -> None:
        stream = f"{category}:{topic}"
        sockets = self.heard(stream)
        if sockets:
            frame = _frame(topic, kind, data, ms, **more)
            for socket in sockets:
                self.push(socket, stream, frame)

    def _books(self, category: str, name: str, market: Shown, ms: int) -> None:
        """Push changed levels to those who have the book, then the whole of it to those who are new."""
        for levels, depth in list(self._depths[market.listing.native].items()):
            if ms % _BOOKS_MS[levels]:
                continue
            topic = f"orderbook.{levels}.{name}"
            delta = depth.delta()
            if delta:
                self._publish(category, topic, "delta", delta, ms, cts=ms)
            stream = f"{category}:{topic}"
            for socket in self._new.pop(stream, ()):
                if socket in self.sockets:
                    self.listen(socket, stream)
                    self.push(socket, stream, _frame(topic, "snapshot", depth.snapshot(), ms, cts=ms))
            if not self.heard(stream):
                self._depths[market.listing.native].pop(levels).end()

    def _touch(self, category: str, name: str, market: Shown, ms: int) -> None:
        """Push the best prices, always whole; unchanged ones come again after three seconds."""
        native, book, row = market.listing.native, market.book, market.listing
        best = [[rows.level(row, *one) for one in side] for side in book.depth(1)]
        before, at_ms = self._best.get(native, (None, 0))
        if ms % _BEST_MS or (best == before and ms - at_ms < _BEST_AGAIN_MS):
            return
        self._best[native] = (best, ms)
        data = {"s": name, "b": best[0], "a": best[1], "u": book.sequence, "seq": book.sequence}
        self._publish(category, f"orderbook.1.{name}", "snapshot", data, ms, cts=ms)

    def _ticker(self, category: str, name: str, market: Shown, ms: int) -> None:
        """Push what changed; on spot the whole ticker."""
        before = self._tickers.get(market.listing.native, {})
        whole = rows.ticker_row(market, ms)
        whole |= {key: before[key] for key, period in _RENEWED_MS.items() if ms % period and key in before}
        self._tickers[market.listing.native] = whole
        changed = {key: text for key, text in whole.items() if before.get(key) != text}
        if category == "spot":
            self._publish(category, f"tickers.{name}", "snapshot", whole, ms)
        elif changed:
            self._publish(category, f"tickers.{name}", "delta", {"symbol": name, **changed}, ms)

    def _closed(self, category: str, name: str, market: Shown, closings: list[Liquidated], ms: int) -> None:
        data = [rows.closing_row(market, one) for one in closings]
        self._publish(category, f"allLiquidation.{name}", "snapshot", data, ms)
        newest = data[-1]  # the channel that ended in 2025 told one a second
        old = {"updatedTime": newest["T"], "symbol": name, "side": newest["S"], "size": newest["v"]}
        self._publish(category, f"liquidation.{name}", "snapshot", old | {"price": newest["p"]}, ms)

    def _klines(self, category: str, name: str, market: Shown, ms: int) -> None:
        for interval, timeframe in INTERVALS.items():
            topic = f"kline.{interval}.{name}"
            if not self.heard(f"{category}:{topic}"):
                continue
            period = TIMEFRAMES[timeframe]
            for bar in market.candles.newest(timeframe, 2):
                if bar.open_ms + period >= ms:
                    row = rows.kline_row(market.listing, bar, period, interval, ms)
                    self._publish(category, topic, "snapshot", [row], ms)

    def _deepest(self, market: Shown) -> int:
        depths = self._depths.get(market.listing.native)
        return depths[max(depths)].update if depths else market.book.sequence

    @staticmethod
    def _say(socket: Socket, operation: str, message: str, request: str, *, success: bool = True) -> None:
        answer = {"success": success, "ret_msg": message, "conn_id": f"{id(socket):032x}", "req_id": request}
        socket.send(encode(answer | {"op": operation}))


def _frame(topic: str, kind: str, data: Any, ms: int, **more: int) -> bytes:
    return encode({"topic": topic, "type": kind, "ts": ms, "data": data, **more})
