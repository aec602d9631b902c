"""CoinGlass's socket: frames in, liquidation orders of all its exchanges out, as numbers. Pure.

Source: docs.coinglass.com, WebSocket v4; a plan of Standard or above is needed. An order becomes a `Metric` and never a
`Liquidation`: venues that are followed directly say their liquidations themselves, and nobody shall count one twice.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Meta, Struct

from libs.common.events import Metric, Origin
from libs.common.events.catalogue import METRICS
from services.ingest.vendors.vendor import RefusedError, by_coin, decoded, moment_ns
from services.ingest.venues.terms import AnswerError, Heartbeat

CHANNEL: Final = "liquidationOrders"
LIQUIDATED: Final = {1: "liquidation_order_long", 2: "liquidation_order_short"}
"""`side` of this channel is who lost: 1 a long, 2 a short. By REST 1 is a buy, and in `futures_trades` a sell."""
HEARTBEAT: Final = Heartbeat(ping=b"ping", idle_s=20.0, dead_s=65.0, busy_too=True)
"""The vendor asks for a `ping` every 20 s; three without an answer are death."""

_REFUSALS: Final = frozenset({"400", "401", "403", "422"})
_ORDERS: Final = 10_000


class Order(Struct, frozen=True):
    """One position that was closed by force."""

    base_asset: str = msgspec.field(name="baseAsset")
    exchange: str = msgspec.field(name="exName")
    price: Annotated[float, Meta(gt=0, le=1e18)]
    side: Literal[1, 2]
    symbol: str
    time: int
    """Milliseconds."""
    usd: Annotated[float, Meta(gt=0, le=1e18)] = msgspec.field(name="volUsd")


class _Frame(Struct):
    channel: str = ""
    code: str | int = "0"
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")


class CoinGlassStream:
    """Reads one connection; what the vendor sends beside orders is undocumented and passed over."""

    def __init__(self, url: str, key: str | None, symbols: Sequence[str]) -> None:
        """`url`: scheme and host; `symbols`: the canonical ones whose coins matter."""
        self.url = f"{url.rstrip('/')}/ws-api?{urlencode({'cg-api-key': key or ''})}"
        """Holds the key: it must not be logged."""
        self.heartbeat = HEARTBEAT
        self._key = key
        self._markets = by_coin(symbols)

    @property
    def usable(self) -> bool:
        """False where there is no key."""
        return bool(self._key)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the catalogue that the orders fill."""
        return tuple(LIQUIDATED.values())

    def subscribe(self) -> Sequence[bytes]:
        """Return the frames to send first."""
        return [msgspec.json.encode({"method": "subscribe", "channels": [CHANNEL]})]

    def receive(self, frame: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        """Read one frame: each order's USD, said for every followed market of its coin, oldest first.

        Orders of one exchange, side, coin and millisecond within a frame are added up: a `Metric` is one number.

        Raises:
            RefusedError: key or plan do not suffice. AnswerError: the frame has another shape.
        """
        if frame.strip() == b"pong":
            return []
        said = decoded(frame, _Frame)
        if str(said.code) in _REFUSALS:
            raise RefusedError(self._blotted(f"code {said.code}: {said.msg[:100]}"))
        if said.channel != CHANNEL:
            return []
        orders = decoded(bytes(said.data), list[Order])
        if len(orders) > _ORDERS:
            raise AnswerError(f"{len(orders)} orders in one frame")
        sums: dict[tuple[int, str, str, str], float] = {}
        for order in orders:
            coin = order.base_asset.upper()
            if coin in self._markets:
                key = (moment_ns(order.time), coin, order.exchange, LIQUIDATED[order.side])
                sums[key] = sums.get(key, 0.0) + order.usd
        return [
            self._metric(symbol, name, at_ns, received_ns, origin, value=usd, exchange=exchange)
            for (at_ns, coin, exchange, name), usd in sorted(sums.items())
            for symbol in self._markets[coin]
        ]

    def absent(self, cause: str, at_ns: int, origin: Origin) -> list[Metric]:
        """Return that no orders are heard, and why."""
        return [
            self._metric(symbol, name, at_ns, at_ns, origin, cause=self._blotted(cause))
            for name in self.metrics
            for markets in self._markets.values()
            for symbol in markets
        ]

    def _blotted(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text

    @staticmethod
    def _metric(
        symbol: str,
        name: str,
        event_ns: int,
        received_ns: int,
        origin: Origin,
        *,
        value: float | None = None,
        exchange: str | None = None,
        cause: str | None = None,
    ) -> Metric:
        return Metric(
            venue="coinglass",
            symbol=symbol,
            event_ns=event_ns,
            received_ns=received_ns,
            origin=origin,
            name=name,
            unit=METRICS[name].unit,
            value=value,
            exchange=exchange,
            cause=cause,
        )
