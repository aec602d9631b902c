"""Topics to Redis: the newest trade, book and readings of each market, and how its feeds are; then announced.

A record may come twice, after a restart or from the log: the views stay what they were.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from libs.common.bus.consuming import Record
from libs.common.bus.topics import BOOKS, READINGS, TRADES
from libs.common.events import BookDelta, BookSnapshot, LayerReading, Origin, Trade
from libs.common.runtime.clock import now_ns
from services.gateway import metrics
from services.gateway.projections.ladder import Ladder
from services.gateway.schemas.cells import Cell
from services.gateway.schemas.markets import Book, Price, Reading
from services.gateway.schemas.screener import kept_facts
from services.gateway.schemas.system import Feed
from services.gateway.schemas.times import rfc3339
from services.gateway.store.latest import Latest, Views
from services.gateway.store.rows import MarketRow
from services.gateway.store.store import Store
from services.gateway.stream.announcing import announce_newest

LIVE_TOPICS: Final = (TRADES, BOOKS, READINGS)

BOOK_DEPTH: Final = 50
"""Levels a side that views hold."""

STREAMS: Final = ("trades", "books", "readings")
"""What feed health watches of each market."""

_BOOK_EVERY_NS: Final = 250_000_000
_TOUCH_EVERY_NS: Final = 5_000_000_000


class _Sighting(Struct):
    """Where one stream of one market stands."""

    origin: Origin
    event_ns: int
    seen_ns: int
    events: int


class Live:
    """Trades, books and readings into Redis; books at most four times a second and market."""

    def __init__(self, store: Store, latest: Latest, clock: Callable[[], int] = now_ns) -> None:
        self._store = store
        self._latest = latest
        self._clock = clock
        self._books: dict[tuple[str, str], Ladder] = {}
        self._newest_book: dict[tuple[str, str], BookSnapshot | BookDelta] = {}
        self._due_books: set[tuple[str, str]] = set()
        self._book_shown_ns: dict[tuple[str, str], int] = {}
        self._sightings: dict[tuple[str, str, str], _Sighting] = {}
        self._touched: dict[tuple[str, str], tuple[int, Origin]] = {}

    async def restore(self) -> None:
        """Go on counting where the views in Redis stand; books wait for their next snapshot."""
        for feed in await self._latest.feeds(self._clock()):
            self._sightings[feed.venue, feed.symbol, feed.stream] = _Sighting(
                feed.origin, feed.event_ns, feed.seen_ns, feed.events
            )

    async def __call__(self, records: Sequence[Record]) -> None:
        """Fold one batch; its offsets are committed after the views are written."""
        seen_ns = self._clock()
        views = Views()
        touched: set[tuple[str, str, str]] = set()
        prices: dict[tuple[str, str], Trade] = {}
        readings: dict[tuple[str, str, str, str], LayerReading] = {}
        for record in records:
            event = record.event
            metrics.PROJECTED.labels(type(event).__name__).inc()
            match event:
                case Trade():
                    views.trades.setdefault((event.venue, event.symbol, event.origin), []).append(event)
                    prices[event.venue, event.symbol] = event
                    stream, event_ns = "trades", event.event_ns
                case BookSnapshot() | BookDelta():
                    self._book(event)
                    stream, event_ns = "books", event.event_ns
                case LayerReading():
                    readings[event.venue, event.symbol, event.layer, str(event.timeframe or "")] = event
                    stream, event_ns = "readings", event.as_of_ns
                case _:
                    continue
            self._sight((event.venue, event.symbol, stream), event.origin, event_ns, seen_ns)
            touched.add((event.venue, event.symbol, stream))
        for trade in prices.values():
            views.prices[trade.venue, trade.symbol] = _price(trade, seen_ns)
        for reading in readings.values():
            _read(views, reading, seen_ns)
        for key in touched:
            views.feeds[key] = self._feed(key)
        self._show_books(views, seen_ns)
        await self._touch({(venue, symbol) for venue, symbol, _ in touched}, seen_ns)
        announce_newest(views)
        await self._latest.write(views)

    async def flush(self, *, everything: bool = False) -> None:
        """Write the books that were held back by their pace."""
        views = Views()
        self._show_books(views, self._clock(), everything=everything)
        announce_newest(views)
        await self._latest.write(views)

    def _book(self, event: BookSnapshot | BookDelta) -> None:
        key = event.venue, event.symbol
        ladder = self._books.setdefault(key, Ladder())
        if isinstance(event, BookSnapshot):
            ladder.replace(event)
        elif not ladder.change(event):
            return
        if ladder.lost:
            metrics.BOOKS_LOST.labels(event.venue).inc()
        self._newest_book[key] = event
        self._due_books.add(key)

    def _show_books(self, views: Views, seen_ns: int, *, everything: bool = False) -> None:
        for key in list(self._due_books):
            ladder, event = self._books[key], self._newest_book[key]
            if ladder.in_sync and not everything and seen_ns - self._book_shown_ns.get(key, 0) < _BOOK_EVERY_NS:
                continue
            bids, asks = ladder.top(BOOK_DEPTH) if ladder.in_sync else ((), ())
            views.books[key] = Book(
                venue=event.venue,
                symbol=event.symbol,
                origin=event.origin,
                in_sync=ladder.in_sync,
                cause=ladder.lost,
                sequence=ladder.sequence,
                bids=bids,
                asks=asks,
                event_ns=event.event_ns,
                event_time=rfc3339(event.event_ns),
                seen_ns=seen_ns,
            )
            self._book_shown_ns[key] = seen_ns if ladder.in_sync else 0  # a book that is whole again does not wait
            self._due_books.discard(key)

    def _sight(self, key: tuple[str, str, str], origin: Origin, event_ns: int, seen_ns: int) -> None:
        known = self._sightings.get(key)
        if known is None or known.origin is not origin:
            self._sightings[key] = _Sighting(origin, event_ns, seen_ns, 1)
            return
        known.event_ns = max(known.event_ns, event_ns)
        known.seen_ns = seen_ns
        known.events += 1

    def _feed(self, key: tuple[str, str, str]) -> Feed:
        venue, symbol, stream = key
        sighting = self._sightings[key]
        return Feed(
            venue=venue,
            symbol=symbol,
            stream=stream,
            origin=sighting.origin,
            event_ns=sighting.event_ns,
            event_time=rfc3339(sighting.event_ns),
            seen_ns=sighting.seen_ns,
            events=sighting.events,
        )

    async def _touch(self, markets: set[tuple[str, str]], seen_ns: int) -> None:
        rows: list[MarketRow] = []
        for venue, symbol in markets:
            streams = (self._sightings.get((venue, symbol, stream)) for stream in STREAMS)
            sighting = max((known for known in streams if known), key=lambda known: known.seen_ns)
            at_ns, origin = self._touched.get((venue, symbol), (0, None))
            if origin is sighting.origin and seen_ns - at_ns < _TOUCH_EVERY_NS:
                continue
            self._touched[venue, symbol] = (seen_ns, sighting.origin)
            rows.append(
                MarketRow(
                    venue=venue,
                    symbol=symbol,
                    origin=sighting.origin,
                    event_ns=sighting.event_ns,
                    seen_ns=seen_ns,
                )
            )
        if rows:
            await self._store.touch(rows)


def _price(trade: Trade, seen_ns: int) -> Price:
    return Price(
        venue=trade.venue,
        symbol=trade.symbol,
        origin=trade.origin,
        price=trade.price,
        size=trade.size,
        side=trade.side,
        trade_id=trade.trade_id,
        event_ns=trade.event_ns,
        event_time=rfc3339(trade.event_ns),
        seen_ns=seen_ns,
    )


def _read(views: Views, reading: LayerReading, seen_ns: int) -> None:
    key = reading.venue, reading.symbol, reading.layer, str(reading.timeframe or "")
    views.readings[key] = Reading(
        venue=reading.venue,
        symbol=reading.symbol,
        origin=reading.origin,
        layer=reading.layer,
        timeframe=reading.timeframe,
        score=reading.score,
        confidence=reading.confidence,
        facts=reading.facts,
        marks=reading.marks,
        as_of_ns=reading.as_of_ns,
        as_of=rfc3339(reading.as_of_ns),
        seen_ns=seen_ns,
    )
    views.cells.setdefault(key[:2], {})[f"{reading.layer}|{key[3]}"] = Cell(
        origin=reading.origin,
        score=reading.score,
        confidence=reading.confidence,
        facts=kept_facts(reading.layer, reading.facts),
        as_of_ns=reading.as_of_ns,
        seen_ns=seen_ns,
    )
