"""Binance USD-M's own part of the sockets: routes, marks, forced orders, and what its events say beyond spot's."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from deploy.local.sandbox.binance import Binance, encode
from deploy.local.sandbox.binance_usdm_rest import UsdmRest, long_price
from deploy.local.sandbox.book import Changes
from deploy.local.sandbox.faults import Faults
from deploy.local.sandbox.listings import BINANCE_USDM
from deploy.local.sandbox.market import FUNDING_MS, Market
from deploy.local.sandbox.shown import Shown
from deploy.local.sandbox.simulation import Happening
from deploy.local.sandbox.tape import Fill, Liquidated
from deploy.local.sandbox.websocket import Socket

_PUBLIC: Final = ("depth", "rpiDepth", "bookTicker", "trade")


class BinanceUsdm(Binance):
    """The venue. Misrouted streams are acknowledged and stay silent, as on the real one."""

    name = BINANCE_USDM
    prefix = "/binance-usdm"
    speeds: ClassVar[Mapping[str, int]] = {"@0ms": 50, "@100ms": 100, "": 250, "@500ms": 500}
    routes = ("/public/", "/market/", "/")
    messages_per_s = 10
    too_many = b'{"code":-1003,"msg":"Too many requests; current limit is 2400 requests per minute."}'

    def __init__(self, faults: Faults, markets: Sequence[Shown]) -> None:
        super().__init__(faults, markets)
        self.rest = UsdmRest(self.markets)
        self._forced: dict[str, Liquidated] = {}

    def tell(self, happening: Happening, ms: int) -> None:
        """Tell the listeners what a slice brought to one market."""
        super().tell(happening, ms)
        market = happening.market
        name = market.listing.native.lower()
        self._force(name, market, happening.liquidations, ms)
        if ms % 1000 == 0:
            self._marks(name, market, ms)

    def deaf(self, socket: Socket, stream: str) -> bool:
        """Return whether a stream was asked for on the route of others."""
        kind = stream.partition("@")[2].partition("@")[0]
        market_route = socket.path.removeprefix(self.prefix).startswith("/market/")
        return kind.startswith(_PUBLIC) == market_route

    def trade_event(self, market: Shown, fill: Fill, ms: int) -> dict[str, Any]:
        """Return one raw trade."""
        row = market.listing
        event: dict[str, Any] = {"e": "trade", "E": ms, "T": fill.ms, "s": row.native, "t": fill.trade_id}
        return event | {
            "p": row.price_text(fill.price),
            "q": row.size_text(fill.lots),
            "X": "MARKET",
            "m": not fill.buy,
        }

    def depth_head(self, market: Shown, changes: Changes, ms: int) -> dict[str, Any]:
        """Return what a depth event says before its levels: `pu` is the `u` of the event before."""
        ids = {"U": changes.first, "u": market.book.sequence, "pu": changes.previous}
        return {"e": "depthUpdate", "E": ms, "T": ms, "s": market.listing.native, **ids}

    def touch_event(self, market: Shown, best: dict[str, Any], ms: int) -> dict[str, Any]:
        """Return a best-price event."""
        _ = market
        return {"e": "bookTicker", **best, "T": ms, "E": ms}

    def _force(self, name: str, market: Shown, forced: Sequence[Liquidated], ms: int) -> None:
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
        streams = (f"{name}@markPrice@1s", f"{name}@markPrice") if ms % 3000 == 0 else (f"{name}@markPrice@1s",)
        if not any(map(self.heard, streams)):
            return
        row = market.listing
        event: dict[str, Any] = {"e": "markPriceUpdate", "E": ms, "s": row.native, "p": long_price(row, market.mark)}
        event |= {"ap": long_price(row, market.mark), "P": long_price(row, market.index)}
        event |= {"i": long_price(row, market.index), "r": f"{market.funding_rate:.8f}"}
        event["T"] = (ms // FUNDING_MS + 1) * FUNDING_MS
        for stream in streams:
            self.publish(stream, encode(event))


def force_event(market: Shown, one: Liquidated, ms: int) -> bytes:
    """Return a filled liquidation order; `S` is the order's side, so SELL closes a long."""
    row = market.listing
    order: dict[str, Any] = {"s": row.native, "S": "BUY" if one.buy else "SELL", "o": "LIMIT", "f": "IOC"}
    order |= {"q": row.size_text(one.lots), "p": row.price_text(one.price), "ap": row.price_text(one.average)}
    order |= {"X": "FILLED", "l": row.size_text(one.lots), "z": row.size_text(one.lots), "T": one.ms}
    return encode({"e": "forceOrder", "E": ms, "o": order})
