"""Binance USD-M's market data as its servers speak it: WebSocket requests in, acknowledgements and streams out."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from deploy.local.sandbox import binance_usdm_rest as rest
from deploy.local.sandbox.book import Changes
from deploy.local.sandbox.exchange import Exchange
from deploy.local.sandbox.faults import Faults
from deploy.local.sandbox.handler import Request, Response
from deploy.local.sandbox.listings import BINANCE_USDM
from deploy.local.sandbox.market import FUNDING_MS, Market
from deploy.local.sandbox.shown import Shown
from deploy.local.sandbox.simulation import Happening
from deploy.local.sandbox.tape import Fill, Liquidated, Print
from deploy.local.sandbox.websocket import Socket
from libs.common.runtime.clock import now_ns

encode = msgspec.json.encode
_SPEEDS: Final = {"@0ms": 50, "@100ms": 100, "": 250, "@500ms": 500}
"""Depth stream suffix -> milliseconds between pushes."""
_PUBLIC: Final = ("depth", "rpiDepth", "bookTicker", "trade")
_ROUTES: Final = ("/public/", "/market/", "/")
_MAX_STREAMS: Final = 1024


class BinanceUsdm(Exchange):
    """The venue. Unknown and misrouted streams are acknowledged and stay silent, as on the real one."""

    name = BINANCE_USDM
    prefix = "/binance-usdm"

    def __init__(self, faults: Faults, markets: Sequence[Shown]) -> None:
        super().__init__(faults, markets)
        self._rest = rest.Rest(self.markets)
        self._depths: dict[str, dict[str, Changes]] = {native: {} for native in self.markets}
        self._forced: dict[str, Liquidated] = {}
        self._touch: dict[str, tuple[int, int]] = {}

    def admits(self, path: str) -> bool:
        """Admit /public, /market and unrouted forms of /ws and /stream."""
        tail = path.removeprefix(self.prefix)
        return any(tail.startswith(f"{route}{form}") for route in _ROUTES for form in ("ws", "stream"))

    def opened(self, socket: Socket) -> None:
        """Subscribe to what the URL names."""
        super().opened(socket)
        tail = socket.path.removeprefix(self.prefix).strip("/")
        named = socket.query.get("streams", "") if tail.endswith("stream") else tail.partition("ws")[2].strip("/")
        for stream in filter(None, named.split("/")):
            self._subscribe(socket, stream)

    def message(self, socket: Socket, text: bytes) -> None:
        """Answer SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS."""
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
        return self._rest.answer(request, now_ns() / 1e9)

    def publish(self, stream: str, payload: bytes) -> None:
        """Send one event to everyone who listens, wrapped where the connection is a combined one."""
        for socket in self.heard(stream):
            wrapped = "/stream" in socket.path
            frame = b'{"stream":"%s","data":%s}' % (stream.encode(), payload) if wrapped else payload
            self.push(socket, stream, frame)

    def happened(self, happenings: Iterable[Happening], ms: int) -> None:
        """Tell the listeners what a slice brought."""
        for happening in happenings:
            market = happening.market
            if market.listing.venue != self.name:
                continue
            name = market.listing.native.lower()
            for one in happening.prints:
                self.publish_print(name, market, one, ms)
            self._depth(name, market, ms)
            self._bookticker(name, market, ms)
            self._force(name, market, happening.liquidations, ms)
            if ms % 1000 == 0:
                self._marks(name, market, ms)

    def publish_print(self, name: str, market: Shown, one: Print, ms: int) -> None:
        """Push a taker's fills at one price: each as `trade`, together as `aggTrade`."""
        if self.heard(f"{name}@trade"):
            for fill in one.fills:
                self.publish(f"{name}@trade", trade_event(market, fill, ms))
        if self.heard(f"{name}@aggTrade"):
            self.publish(
                f"{name}@aggTrade",
                encode({"e": "aggTrade", "E": ms, "s": market.listing.native, **rest.agg_row(market, one)}),
            )

    def _subscribe(self, socket: Socket, stream: str) -> None:
        kind = stream.partition("@")[2].partition("@")[0]
        market_route = socket.path.removeprefix(self.prefix).startswith("/market/")
        public = kind.startswith(_PUBLIC)
        self.listen(socket, stream, deaf=public == market_route)
        native, suffix = stream.partition("@depth")[0].upper(), stream.partition("@depth")[2]
        if "@depth" in stream and native in self._depths and suffix in _SPEEDS and suffix not in self._depths[native]:
            self._depths[native][suffix] = self.markets[native].book.watch()

    def _depth(self, name: str, market: Market, ms: int) -> None:
        for suffix, changes in self._depths[market.listing.native].items():
            if ms % _SPEEDS[suffix] == 0 and changes.first:
                stream = f"{name}@depth{suffix}"
                if self.heard(stream):
                    self.publish(stream, depth_event(market, changes, ms))
                changes.clear(market.book.sequence)

    def _bookticker(self, name: str, market: Market, ms: int) -> None:
        stream = f"{name}@bookTicker"
        book, row = market.book, market.listing
        bid, ask = book.best_bid, book.best_ask
        if bid is None or ask is None or (bid, ask) == self._touch.get(name) or not self.heard(stream):
            return
        self._touch[name] = (bid, ask)
        event: dict[str, Any] = {"e": "bookTicker", "u": book.sequence, "s": row.native, "b": row.price_text(bid)}
        event |= {"B": row.size_text(book.bids.sizes[bid]), "a": row.price_text(ask)}
        event |= {"A": row.size_text(book.asks.sizes[ask]), "T": ms, "E": ms}
        self.publish(stream, encode(event))

    def _force(self, name: str, market: Market, forced: list[Liquidated], ms: int) -> None:
        """Push at most one forced order a second and symbol, the largest, as the venue does."""
        for one in forced:
            kept = self._forced.get(name)
            if kept is None or one.lots > kept.lots:
                self._forced[name] = one
        if ms % 1000 == 0 and name in self._forced:
            event = force_event(market, self._forced.pop(name), ms)
            self.publish(f"{name}@forceOrder", event)
            self.publish("!forceOrder@arr", event)

    def _marks(self, name: str, market: Market, ms: int) -> None:
        row = market.listing
        event: dict[str, Any] = {
            "e": "markPriceUpdate",
            "E": ms,
            "s": row.native,
            "p": rest.long_price(row, market.mark),
        }
        event |= {"ap": rest.long_price(row, market.mark), "P": rest.long_price(row, market.index)}
        event |= {"i": rest.long_price(row, market.index), "r": f"{market.funding_rate:.8f}"}
        event["T"] = (ms // FUNDING_MS + 1) * FUNDING_MS
        for stream in (f"{name}@markPrice@1s", f"{name}@markPrice") if ms % 3000 == 0 else (f"{name}@markPrice@1s",):
            self.publish(stream, encode(event))


def trade_event(market: Shown, fill: Fill, ms: int) -> bytes:
    """Return one raw trade."""
    row = market.listing
    event: dict[str, Any] = {"e": "trade", "E": ms, "T": fill.ms, "s": row.native, "t": fill.trade_id}
    event |= {"p": row.price_text(fill.price), "q": row.size_text(fill.lots), "X": "MARKET", "m": not fill.buy}
    return encode(event)


def depth_event(market: Shown, changes: Changes, ms: int) -> bytes:
    """Return the book's changes since the last event of this stream."""
    row, book = market.listing, market.book
    event: dict[str, Any] = {"e": "depthUpdate", "E": ms, "T": ms, "s": row.native, "U": changes.first}
    event |= {"u": book.sequence, "pu": changes.previous}
    for key, prices, sizes in (("b", changes.bids, book.bids.sizes), ("a", changes.asks, book.asks.sizes)):
        event[key] = [[row.price_text(price), row.size_text(sizes.get(price, 0))] for price in sorted(prices)]
    return encode(event)


def force_event(market: Shown, one: Liquidated, ms: int) -> bytes:
    """Return a filled liquidation order; `S` is the order's side, so SELL closes a long."""
    row = market.listing
    order: dict[str, Any] = {"s": row.native, "S": "BUY" if one.buy else "SELL", "o": "LIMIT", "f": "IOC"}
    order |= {"q": row.size_text(one.lots), "p": row.price_text(one.price), "ap": row.price_text(one.average)}
    order |= {"X": "FILLED", "l": row.size_text(one.lots), "z": row.size_text(one.lots), "T": one.ms}
    return encode({"e": "forceOrder", "E": ms, "o": order})
