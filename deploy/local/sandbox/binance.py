"""Binance's sockets, what spot and futures share: WebSocket requests in, acknowledgements and streams out."""

from abc import abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import unquote

import msgspec

from deploy.local.sandbox.binance_rest import Rest, kline_row
from deploy.local.sandbox.book import Changes
from deploy.local.sandbox.candles import TIMEFRAMES
from deploy.local.sandbox.exchange import Exchange
from deploy.local.sandbox.faults import Faults
from deploy.local.sandbox.handler import Request, Response
from deploy.local.sandbox.shown import Shown
from deploy.local.sandbox.simulation import Happening
from deploy.local.sandbox.tape import Fill, Print
from deploy.local.sandbox.websocket import Socket
from libs.common.runtime.clock import now_ns

encode = msgspec.json.encode
_MAX_STREAMS: Final = 1024
_KLINES_MS: Final = 1000
_POLICY_VIOLATION: Final = 1008


class Binance(Exchange):
    """One of Binance's venues. Unknown streams are acknowledged and stay silent, as on the real ones."""

    speeds: ClassVar[Mapping[str, int]]
    """Depth stream suffix -> milliseconds between pushes."""
    routes: ClassVar[tuple[str, ...]] = ("/",)
    """What may stand before `ws` and `stream`."""
    messages_per_s: ClassVar[int]
    """Said by a client; more cut the connection."""
    rest: Rest

    def __init__(self, faults: Faults, markets: Sequence[Shown]) -> None:
        super().__init__(faults, markets)
        self._depths: dict[str, dict[str, Changes]] = {}
        self._touch: dict[str, tuple[int, int]] = {}
        self._said: dict[Socket, deque[int]] = {}

    def admits(self, path: str) -> bool:
        """Admit /ws and /stream under each route."""
        tail = path.removeprefix(self.prefix)
        return any(tail.startswith(f"{route}{form}") for route in self.routes for form in ("ws", "stream"))

    def opened(self, socket: Socket) -> None:
        """Subscribe to what the URL names."""
        super().opened(socket)
        tail = socket.path.removeprefix(self.prefix).strip("/")
        named = socket.query.get("streams", "") if tail.endswith("stream") else tail.partition("ws")[2].strip("/")
        for stream in filter(None, named.split("/")):
            self._subscribe(socket, unquote(stream))

    def closed(self, socket: Socket) -> None:
        """Forget a connection."""
        super().closed(socket)
        self._said.pop(socket, None)

    def message(self, socket: Socket, text: bytes) -> None:
        """Answer SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS."""
        if self._too_often(socket):
            self.counts["talkers_cut"] += 1
            socket.close(_POLICY_VIOLATION, "Too many requests")
            return
        try:
            call = msgspec.json.decode(text)
        except msgspec.DecodeError:
            socket.send(encode({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}))
            return
        method = call.get("method") if isinstance(call, dict) else None
        params = call.get("params", []) if isinstance(call, dict) else None
        if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
            socket.send(encode({"code": 2, "msg": "Invalid request: invalid type, expected a sequence of strings"}))
            return
        result: list[str] | None = None
        match method:
            case "SUBSCRIBE":
                if len(self.streams(socket)) + len(params) > _MAX_STREAMS:
                    socket.send(encode({"code": 2, "msg": "Invalid request: too many streams", "id": call.get("id")}))
                    return
                for name in params:
                    self._subscribe(socket, name)
            case "UNSUBSCRIBE":
                for name in params:
                    self.unlisten(socket, name)
            case "LIST_SUBSCRIPTIONS":
                result = self.streams(socket)
            case _:
                problem = f"Invalid request: unknown variant `{method}`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, "
                socket.send(encode({"code": 2, "msg": problem + "`LIST_SUBSCRIPTIONS`"}))
                return
        socket.send(encode({"result": result, "id": call.get("id")}))

    async def answer(self, request: Request) -> Response:
        """Answer a REST call."""
        return self.rest.answer(request, now_ns() / 1e9)

    def publish(self, stream: str, payload: bytes) -> None:
        """Send one event to everyone who listens, wrapped where the connection is a combined one."""
        for socket in self.heard(stream):
            wrapped = "/stream" in socket.path
            frame = b'{"stream":"%s","data":%s}' % (stream.encode(), payload) if wrapped else payload
            self.push(socket, stream, frame)

    def tell(self, happening: Happening, ms: int) -> None:
        """Tell the listeners what a slice brought to one market."""
        market = happening.market
        name = market.listing.native.lower()
        for one in happening.prints:
            self.publish_print(name, market, one, ms)
        self._depth(name, market, ms)
        self._bookticker(name, market, ms)
        if ms % _KLINES_MS == 0:
            self._klines(name, market, ms)

    def publish_print(self, name: str, market: Shown, one: Print, ms: int) -> None:
        """Push a taker's fills at one price: each as `trade`, together as `aggTrade`."""
        if self.heard(f"{name}@trade"):
            for fill in one.fills:
                self.publish(f"{name}@trade", encode(self.trade_event(market, fill, ms)))
        if self.heard(f"{name}@aggTrade"):
            event = {"e": "aggTrade", "E": ms, "s": market.listing.native, **self.rest.agg_row(market, one)}
            self.publish(f"{name}@aggTrade", encode(event))

    @abstractmethod
    def trade_event(self, market: Shown, fill: Fill, ms: int) -> dict[str, Any]:
        """Return one raw trade."""

    @abstractmethod
    def depth_head(self, market: Shown, changes: Changes, ms: int) -> dict[str, Any]:
        """Return what a depth event says before its levels."""

    @abstractmethod
    def touch_event(self, market: Shown, best: dict[str, Any], ms: int) -> dict[str, Any]:
        """Return a best-price event around its prices."""

    def deaf(self, socket: Socket, stream: str) -> bool:
        """Return whether `stream` is acknowledged and never served on this connection."""
        _ = self, socket, stream
        return False

    def _too_often(self, socket: Socket) -> bool:
        now = now_ns()
        said = self._said.setdefault(socket, deque())
        while said and said[0] <= now - 1_000_000_000:
            said.popleft()
        said.append(now)
        return len(said) > self.messages_per_s

    def _subscribe(self, socket: Socket, stream: str) -> None:
        self.listen(socket, stream, deaf=self.deaf(socket, stream))
        name, depth, suffix = stream.partition("@depth")
        native = name.upper()
        known = self._depths.setdefault(native, {}) if native in self.markets else None
        if depth and known is not None and suffix in self.speeds and suffix not in known:
            known[suffix] = self.markets[native].book.watch()

    def _depth(self, name: str, market: Shown, ms: int) -> None:
        for suffix, changes in self._depths.get(market.listing.native, {}).items():
            if ms % self.speeds[suffix] == 0 and changes.first:
                stream = f"{name}@depth{suffix}"
                if self.heard(stream):
                    event = self.depth_head(market, changes, ms) | levels(market, changes)
                    self.publish(stream, encode(event))
                changes.clear(market.book.sequence)

    def _bookticker(self, name: str, market: Shown, ms: int) -> None:
        stream = f"{name}@bookTicker"
        if not self.heard(stream):
            return
        book, row = market.book, market.listing
        bid, ask = book.best_bid, book.best_ask
        if bid is None or ask is None or (bid, ask) == self._touch.get(name):
            return
        self._touch[name] = (bid, ask)
        best: dict[str, Any] = {"u": book.sequence, "s": row.native, "b": row.price_text(bid)}
        best |= {"B": row.size_text(book.bids.sizes[bid]), "a": row.price_text(ask)}
        best |= {"A": row.size_text(book.asks.sizes[ask])}
        self.publish(stream, encode(self.touch_event(market, best, ms)))

    def _klines(self, name: str, market: Shown, ms: int) -> None:
        for interval, period in TIMEFRAMES.items():
            stream = f"{name}@kline_{interval}"
            if not self.heard(stream):
                continue
            for bar in market.candles.newest(interval, 2):
                closed = bar.open_ms + period <= ms
                if closed and bar.open_ms + period != ms:
                    continue
                row = kline_row(market.listing, bar, period)
                texts = dict(zip("tohlcvTqnVQB", row, strict=True))
                bar_event = {**texts, "s": market.listing.native, "i": interval, "f": -1, "L": -1, "x": closed}
                event = {"e": "kline", "E": ms, "s": market.listing.native, "k": bar_event}
                self.publish(stream, encode(event))


def levels(market: Shown, changes: Changes) -> dict[str, Any]:
    """Return the levels that changed; 0 removes one."""
    row, book = market.listing, market.book
    return {
        key: [[row.price_text(price), row.size_text(sizes.get(price, 0))] for price in sorted(prices)]
        for key, prices, sizes in (("b", changes.bids, book.bids.sizes), ("a", changes.asks, book.asks.sizes))
    }
