"""Events and views to announcements: what every replica's stream clients hear. Pure."""

from typing import Final

import msgspec
from msgspec import Struct

from libs.common.events import Candle, Verdict
from services.gateway.schemas.markets import LiveBar, bar
from services.gateway.schemas.signals import StoredSignal, summary
from services.gateway.store.latest import Announcement, Views

STREAM_DEPTH: Final = 20
"""Levels a side that the stream sends."""


def announce(channel: str, venue: str, symbol: str, data: Struct, *, slot: str = "") -> Announcement:
    """Return `data` ready for the stream."""
    return Announcement(
        channel=channel, venue=venue, symbol=symbol, slot=slot, data=msgspec.Raw(msgspec.json.encode(data))
    )


def announce_newest(views: Views) -> None:
    """Announce the prices, books and readings among `views`."""
    for price in views.prices.values():
        views.announcements.append(announce("price", price.venue, price.symbol, price))
    for book in views.books.values():
        shown = msgspec.structs.replace(book, bids=book.bids[:STREAM_DEPTH], asks=book.asks[:STREAM_DEPTH])
        views.announcements.append(announce("book", book.venue, book.symbol, shown))
    for reading in views.readings.values():
        slot = f"{reading.layer}|{reading.timeframe or ''}"
        views.announcements.append(announce("readings", reading.venue, reading.symbol, reading, slot=slot))


def live_bar(candle: Candle) -> Announcement:
    """Return a candle ready for the stream."""
    data = LiveBar(
        venue=candle.venue,
        symbol=candle.symbol,
        timeframe=candle.timeframe,
        origin=candle.origin,
        candle=bar(candle),
    )
    return announce(
        "candles", candle.venue, candle.symbol, data, slot=f"{candle.timeframe}|{candle.open_ns}|{candle.source}"
    )


def signal_summary(stored: StoredSignal, seen_ns: int) -> Announcement:
    """Return a signal ready for the stream."""
    signal = stored.signal
    return announce("signals", signal.venue, signal.symbol, summary(stored, seen_ns))


def judged_signal(verdict: Verdict, seen_ns: int) -> Announcement:
    """Return a signal, once more, with what its judge said."""
    judged = StoredSignal(
        signal=verdict.signal,
        seen_ns=seen_ns,
        decision=verdict.decision,
        rationale=verdict.rationale,
        judge=verdict.judge,
        decided_ns=verdict.decided_ns,
    )
    return signal_summary(judged, seen_ns)
