"""Binance futures streams, USD-M and COIN-M: wire frames of one connection in, market events out. Pure."""

from collections.abc import Mapping
from typing import ClassVar, Final

from msgspec import Raw

from libs.common.events import FundingRate, Liquidation, MarkPrice, Origin, PositionSide
from services.ingest.venues import binance_wire as wire
from services.ingest.venues.binance_stream import BinanceSession, TradeChannel
from services.ingest.venues.terms import Instrument, Item, Plan
from services.ingest.venues.wire import LEAST, base_size, nanos, rate, rejected

USD_MARGINED: Final = 1
"""`st` of contracts that are settled in dollars' stand-ins; all-market streams carry both kinds since 2026."""
COIN_MARGINED: Final = 2
"""`st` of contracts that are settled in coins."""


class FuturesSession(BinanceSession):
    """One connection of either kind of futures; sizes become base units by the instrument's face value."""

    chained: ClassVar[bool] = True
    unread_events: ClassVar[frozenset[str]] = frozenset(
        {
            "bookTicker",
            "kline",
            "continuous_kline",
            "indexPrice_kline",
            "markPrice_kline",
            "indexPriceUpdate",
            "24hrTicker",
            "24hrMiniTicker",
            "contractInfo",
            "assetIndexUpdate",
        }
    )

    def __init__(
        self,
        plan: Plan,
        instruments: Mapping[str, Instrument],
        origin: Origin,
        trade_channel: TradeChannel,
        *,
        venue: str,
        foreign: int,
    ) -> None:
        """`foreign` is the `st` of the other kind of contracts."""
        super().__init__(plan, instruments, origin, trade_channel, venue=venue, foreign=foreign)
        self._readers |= {"forceOrder": self._liquidation, "markPriceUpdate": self._mark}

    def _open(self, row: Raw) -> tuple[wire.Event, Raw]:
        """Return the order within a liquidation, any other event as it is."""
        event, row = super()._open(row)
        if event.event != "forceOrder":
            return event, row
        order = wire.decode_event(event.order)
        order.st = order.st or event.st
        row, order.event = event.order, event.event
        return order, row

    def _liquidation(self, row: Raw, instrument: Instrument, received_ns: int) -> list[Item]:
        order = wire.decode_order(row)
        price, size = order.average or order.price, order.filled or order.size
        if price < LEAST or size < LEAST:
            return [rejected("value", "a liquidation without price or size", bytes(row))]
        return [
            Liquidation(
                venue=self._venue,
                symbol=instrument.symbol,
                event_ns=nanos(order.event_ms),
                received_ns=received_ns,
                origin=self._origin,
                price=price,
                size=base_size(instrument, size, price),
                liquidated=PositionSide.LONG
                if order.side == "SELL"
                else PositionSide.SHORT,  # the closing order's side
            )
        ]

    def _mark(self, row: Raw, instrument: Instrument, received_ns: int) -> list[Item]:
        mark = wire.decode_mark(row)
        event_ns = nanos(mark.event_ms)
        items: list[Item] = [
            MarkPrice(
                venue=self._venue,
                symbol=instrument.symbol,
                event_ns=event_ns,
                received_ns=received_ns,
                origin=self._origin,
                price=mark.price,
                index_price=mark.index,
            )
        ]
        if mark.rate and mark.next_ms:  # dated contracts have neither
            items.append(
                FundingRate(
                    venue=self._venue,
                    symbol=instrument.symbol,
                    event_ns=event_ns,
                    received_ns=received_ns,
                    origin=self._origin,
                    rate=rate(mark.rate),
                    next_funding_ns=nanos(mark.next_ms),
                )
            )
        return items
