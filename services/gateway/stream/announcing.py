"""Events and views to announcements: what every replica's stream clients hear. Pure."""

from typing import Final

import msgspec
from msgspec import Struct

from libs.common.events import Candle
from services.gateway.schemas.markets import Book, LiveBar, Price, Reading, bar
from services.gateway.store.announcements import Announcement
from services.gateway.store.latest import Views

STREAM_DEPTH: Final = 20
"""Levels a side that the stream sends."""


def announcement(
    channel: str, market: tuple[str, str], data: Struct, *, event_ns: int, at_ns: int, slot: str = ""
) -> Announcement:
    """Return `data` of a (venue, symbol) ready for the stream."""
    venue, symbol = market
    return Announcement(
        channel=channel,
        venue=venue,
        symbol=symbol,
        slot=slot,
        event_ns=event_ns,
        at_ns=at_ns,
        data=msgspec.Raw(msgspec.json.encode(data)),
    )


def announce_newest(views: Views) -> None:
    """Announce the prices, books and readings among `views`."""
    views.announcements.extend(price_told(price) for price in views.prices.values())
    views.announcements.extend(book_told(book) for book in views.books.values())
    views.announcements.extend(reading_told(reading) for reading in views.readings.values())


def price_told(price: Price) -> Announcement:
    """Return a price ready for the stream."""
    return announcement("price", (price.venue, price.symbol), price, event_ns=price.event_ns, at_ns=price.seen_ns)


def book_told(book: Book) -> Announcement:
    """Return a book's best levels ready for the stream."""
    shown = msgspec.structs.replace(book, bids=book.bids[:STREAM_DEPTH], asks=book.asks[:STREAM_DEPTH])
    return announcement("book", (book.venue, book.symbol), shown, event_ns=book.event_ns, at_ns=book.seen_ns)


def reading_told(reading: Reading) -> Announcement:
    """Return a reading ready for the stream."""
    return announcement(
        "readings",
        (reading.venue, reading.symbol),
        reading,
        event_ns=reading.as_of_ns,
        at_ns=reading.seen_ns,
        slot=f"{reading.layer}|{reading.timeframe or ''}",
    )


def live_bar(candle: Candle, seen_ns: int) -> Announcement:
    """Return a candle ready for the stream."""
    data = LiveBar(
        venue=candle.venue,
        symbol=candle.symbol,
        timeframe=candle.timeframe,
        origin=candle.origin,
        candle=bar(candle),
    )
    return announcement(
        "candles",
        (candle.venue, candle.symbol),
        data,
        event_ns=candle.event_ns,
        at_ns=seen_ns,
        slot=f"{candle.timeframe}|{candle.open_ns}|{candle.source}",
    )
