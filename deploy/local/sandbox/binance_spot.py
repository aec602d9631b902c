"""Binance spot's own part of the sockets: one route, depth that counts without a break, best prices without a name."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from deploy.local.sandbox.binance import Binance
from deploy.local.sandbox.binance_spot_rest import SpotRest
from deploy.local.sandbox.book import Changes
from deploy.local.sandbox.faults import Faults
from deploy.local.sandbox.listings import BINANCE_SPOT
from deploy.local.sandbox.shown import Shown
from deploy.local.sandbox.tape import Fill


class BinanceSpot(Binance):
    """The venue."""

    name = BINANCE_SPOT
    prefix = "/binance-spot"
    ping_s = 20.0
    speeds: ClassVar[Mapping[str, int]] = {"@100ms": 100, "": 1000}
    messages_per_s = 5
    too_many = b'{"code":-1003,"msg":"Too much request weight used; current limit is 6000 per 1 MINUTE."}'

    def __init__(self, faults: Faults, markets: Sequence[Shown]) -> None:
        super().__init__(faults, markets)
        self.rest = SpotRest(self.markets)

    def trade_event(self, market: Shown, fill: Fill, ms: int) -> dict[str, Any]:
        """Return one raw trade; `M` is to be ignored, says the vendor."""
        row = market.listing
        event: dict[str, Any] = {"e": "trade", "E": ms, "s": row.native, "t": fill.trade_id}
        event |= {"p": row.price_text(fill.price), "q": row.size_text(fill.lots)}
        return event | {"T": fill.ms, "m": not fill.buy, "M": True}

    def depth_head(self, market: Shown, changes: Changes, ms: int) -> dict[str, Any]:
        """Return what a depth event says before its levels: `U` continues the `u` of the event before."""
        return {
            "e": "depthUpdate",
            "E": ms,
            "s": market.listing.native,
            "U": changes.previous + 1,
            "u": market.book.sequence,
        }

    def touch_event(self, market: Shown, best: dict[str, Any], ms: int) -> dict[str, Any]:
        """Return a best-price event; it says neither what it is nor when it was."""
        _ = market, ms
        return best
