"""Binance spot streams: wire frames of one connection in, market events out. Pure."""

import re
from typing import ClassVar

from msgspec import Raw

from services.ingest.venues import binance_wire as wire
from services.ingest.venues.binance_stream import BinanceSession
from services.ingest.venues.terms import Item, Rotate


class SpotSession(BinanceSession):
    """One connection of spot, where depth events count changes without a break and some frames have no event name."""

    chained: ClassVar[bool] = False
    micros: ClassVar[bool] = True
    unread_streams: ClassVar[re.Pattern[str]] = re.compile(r"(?:@depth(?:5|10|20)|[@!]bookTicker)(?:@|$)")
    unread_events: ClassVar[frozenset[str]] = frozenset(
        {
            "kline",
            "24hrTicker",
            "24hrMiniTicker",
            "1hTicker",
            "4hTicker",
            "1dTicker",
            "avgPrice",
            "blockTrade",
            "referencePrice",
        }
    )

    def _control(self, message: wire.Frame, frame: bytes) -> list[Item]:
        """Pass over bare best prices and partial books, which say no event and no symbol."""
        if bytes(message.best) or bytes(message.sequence):
            return self._ignore()
        return super()._control(message, frame)

    def _unread(self, event: wire.Event, row: Raw) -> list[Item]:
        if event.event == "serverShutdown":
            return [Rotate(cause=event.event)]
        return super()._unread(event, row)
