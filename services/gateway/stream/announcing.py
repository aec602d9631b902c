"""Events and views to announcements: what every replica's stream clients hear. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from libs.common.events import Candle, FundingRate, Liquidation
from services.gateway.schemas.announcements import Announcement
from services.gateway.schemas.flows import FundingView, LiquidationView
from services.gateway.schemas.markets import Book, LiveBar, Price, Reading, bar
from services.gateway.schemas.provenance import when
from services.gateway.schemas.told import LiveFunding, LiveLiquidation
from services.gateway.store.latest import Views

_LIQUIDATIONS: Final = 100
"""Newest of a batch that are announced."""

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


def flows_told(events: Sequence[Struct], seen_ns: int) -> list[Announcement]:
    """Return the newest liquidations of a batch and each market's newest funding rate, ready for the stream."""
    liquidations = [event for event in events if isinstance(event, Liquidation)][-_LIQUIDATIONS:]
    funding = {(event.venue, event.symbol): event for event in events if isinstance(event, FundingRate)}
    return [
        *(liquidation_told(event, seen_ns) for event in liquidations),
        *(funding_told(event, seen_ns) for event in funding.values()),
    ]


def liquidation_told(event: Liquidation, seen_ns: int) -> Announcement:
    """Return a forced closing ready for the stream; one never replaces another."""
    view = LiquidationView(
        price=event.price,
        size=event.size,
        notional=event.notional,
        liquidated=event.liquidated,
        **when(event.event_ns, seen_ns, seen_ns),
    )
    data = LiveLiquidation(venue=event.venue, symbol=event.symbol, origin=event.origin, liquidation=view)
    slot = f"{event.event_ns}|{event.price}|{event.size}|{event.liquidated}"
    return announcement(
        "liquidations", (event.venue, event.symbol), data, event_ns=event.event_ns, at_ns=seen_ns, slot=slot
    )


def funding_told(event: FundingRate, seen_ns: int) -> Announcement:
    """Return a funding rate ready for the stream."""
    view = FundingView(
        rate=event.rate,
        interval_s=event.interval_s,
        next_funding_ns=event.next_funding_ns,
        **when(event.event_ns, seen_ns, seen_ns),
    )
    data = LiveFunding(venue=event.venue, symbol=event.symbol, origin=event.origin, funding=view)
    return announcement("funding", (event.venue, event.symbol), data, event_ns=event.event_ns, at_ns=seen_ns)


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
