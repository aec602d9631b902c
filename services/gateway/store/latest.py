"""The newest of everything, in Redis: shared by every replica, and still there after a restart."""

import secrets
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct, structs
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common.bus.codec import decode, encode
from libs.common.events import Origin, Trade
from services.gateway.schemas.announcements import Announcement, Counted
from services.gateway.schemas.cells import Cell
from services.gateway.schemas.markets import Book, Price, Reading
from services.gateway.schemas.provenance import KeptQuality
from services.gateway.schemas.system import Feed
from services.gateway.schemas.times import age_s
from services.gateway.store.announcements import announce, counted

TICKET_S: Final = 30

_PRICES: Final = "csx:gateway:prices"
_BOOKS: Final = "csx:gateway:books"
_FEEDS: Final = "csx:gateway:feeds"
_READINGS: Final = "csx:gateway:readings:"
_TICKETS: Final = "csx:gateway:tickets:"
_QUALITY: Final = "csx:gateway:quality"
_TRADES: Final = "csx:gateway:trades:"
_ROWS: Final = "csx:gateway:row:"

TRADES_KEPT: Final = 1000
"""Newest trades of a market and origin."""

_price: Final = msgspec.json.Decoder(Price)
_book: Final = msgspec.json.Decoder(Book)
_feed: Final = msgspec.json.Decoder(Feed)
_reading: Final = msgspec.json.Decoder(Reading)
_quality: Final = msgspec.json.Decoder(KeptQuality)


_cell: Final = msgspec.json.Decoder(Cell)

_HASHES: Final = {"price": _PRICES, "book": _BOOKS}
"""Where the newest of the stream's channels is."""

V = TypeVar("V", Price, Book, Reading, Feed)


class Views(Struct, kw_only=True):
    """New views of one batch, by their keys."""

    prices: dict[tuple[str, str], Price] = {}
    books: dict[tuple[str, str], Book] = {}
    readings: dict[tuple[str, str, str, str], Reading] = {}
    feeds: dict[tuple[str, str, str], Feed] = {}
    quality: dict[str, KeptQuality] = {}
    trades: dict[tuple[str, str, Origin], list[Trade]] = {}
    cells: dict[tuple[str, str], dict[str, Cell]] = {}
    """Of the screener: by market, then `layer|timeframe`."""
    announcements: list[Announcement] = []


class Latest:
    """The newest views, by venue and symbol."""

    def __init__(self, redis: Redis, *, stale_after_s: float = 15.0) -> None:
        self.redis = redis
        self._stale_after_s = stale_after_s

    @classmethod
    def at(cls, url: str, *, stale_after_s: float = 15.0) -> "Latest":
        """Return the views kept at `url`; it connects when it is used."""
        return cls(Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5), stale_after_s=stale_after_s)

    async def stop(self) -> None:
        """Disconnect."""
        await self.redis.aclose()

    async def fault(self) -> str | None:
        """Return why Redis does not serve, or None."""
        try:
            await self.redis.ping()
        except (RedisError, OSError) as e:
            return f"Redis: {type(e).__name__}"
        return None

    async def write(self, views: Views) -> None:
        """Replace views and announce them, in one round trip."""
        pipe = self.redis.pipeline(transaction=True)  # who reads a view and its count sees both of one moment
        for price in views.prices.values():
            pipe.hset(_PRICES, f"{price.venue}|{price.symbol}", msgspec.json.encode(price))
        for book in views.books.values():
            pipe.hset(_BOOKS, f"{book.venue}|{book.symbol}", msgspec.json.encode(book))
        for reading in views.readings.values():
            key = f"{_READINGS}{reading.venue}|{reading.symbol}"
            pipe.hset(key, f"{reading.layer}|{reading.timeframe or ''}", msgspec.json.encode(reading))
        for feed in views.feeds.values():
            pipe.hset(_FEEDS, f"{feed.venue}|{feed.symbol}|{feed.stream}", msgspec.json.encode(feed))
        for venue, kept in views.quality.items():
            pipe.hset(_QUALITY, venue, msgspec.json.encode(kept))
        for (venue, symbol, origin), trades in views.trades.items():
            # a set ordered by time: what comes twice is there once, and what comes late stands in its place
            key = f"{_TRADES}{venue}|{symbol}|{origin}"
            newest = sorted(trades, key=lambda trade: trade.event_ns)[-TRADES_KEPT:]
            pipe.zadd(key, {encode(trade): trade.event_ns // 1000 for trade in newest})
            pipe.zremrangebyrank(key, 0, -TRADES_KEPT - 1)
        for (venue, symbol), cells in views.cells.items():
            key = f"{_ROWS}{venue}|{symbol}"
            pipe.hset(key, mapping={slot: msgspec.json.encode(cell) for slot, cell in cells.items()})
        announce(pipe, views.announcements)
        if len(pipe):
            await pipe.execute()

    async def counted(self, channel: str, venue: str, symbol: str) -> Counted:
        """Return the views that the stream's `channel` has of a market, and how far its announcements are counted."""
        if channel == "readings":
            return await counted(self.redis, _READINGS + f"{venue}|{symbol}")
        return await counted(self.redis, _HASHES[channel], f"{venue}|{symbol}" if venue and symbol else "")

    async def prices(self, now_ns: int) -> list[Price]:
        """Return the last price of every market."""
        found = await _values(self.redis, _PRICES)
        return [self._aged(_price.decode(value), now_ns) for value in found]

    async def book(self, venue: str, symbol: str, now_ns: int) -> Book | None:
        """Return the newest view of a book."""
        value = await _value(self.redis, _BOOKS, f"{venue}|{symbol}")
        return self._aged(_book.decode(value), now_ns) if value else None

    async def readings(self, venue: str, symbol: str, now_ns: int, slots: Sequence[str] | None = None) -> list[Reading]:
        """Return the newest reading of each layer (of `layer|timeframe` in `slots` only), by name."""
        found = await _values(self.redis, f"{_READINGS}{venue}|{symbol}", slots)
        readings = [self._aged(_reading.decode(value), now_ns) for value in found]
        return sorted(readings, key=lambda reading: (reading.layer, reading.timeframe or ""))

    async def feeds(self, now_ns: int) -> list[Feed]:
        """Return every stream's state, by venue, symbol and stream."""
        found = await _values(self.redis, _FEEDS)
        feeds = [self._aged(_feed.decode(value), now_ns) for value in found]
        return sorted(feeds, key=lambda feed: (feed.venue, feed.symbol, feed.stream))

    async def top(self, venue: str, symbol: str, now_ns: int) -> tuple[Price | None, Book | None, KeptQuality | None]:
        """Return the last price of a market, its book and its venue's quality, in one round trip."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.hget(_PRICES, f"{venue}|{symbol}")
        pipe.hget(_BOOKS, f"{venue}|{symbol}")
        pipe.hget(_QUALITY, venue)
        price, book, kept = await pipe.execute()
        return (
            self._aged(_price.decode(price), now_ns) if price else None,
            self._aged(_book.decode(book), now_ns) if book else None,
            _quality.decode(kept) if kept else None,
        )

    async def quality(self, venue: str) -> KeptQuality | None:
        """Return the newest report on how well a venue is heard."""
        value = await _value(self.redis, _QUALITY, venue)
        return _quality.decode(value) if value else None

    async def qualities(self) -> dict[str, KeptQuality]:
        """Return the newest report on each venue."""
        found = [_quality.decode(value) for value in await _values(self.redis, _QUALITY)]
        return {kept.report.venue: kept for kept in sorted(found, key=lambda kept: kept.report.venue)}

    async def trades(self, venue: str, symbol: str, origin: Origin, limit: int) -> list[Trade]:
        """Return the newest trades, newest first."""
        found: Any = await self.redis.zrevrange(f"{_TRADES}{venue}|{symbol}|{origin}", 0, limit - 1)
        trades = [decode(value) for value in found]
        return [trade for trade in trades if isinstance(trade, Trade)]

    async def cells(self, markets: Sequence[tuple[str, str]], slots: Sequence[str]) -> list[dict[str, Cell]]:
        """Return the screener's cells of each of `markets`, those of `layer|timeframe` in `slots`."""
        pipe = self.redis.pipeline(transaction=False)
        for venue, symbol in markets:
            pipe.hmget(f"{_ROWS}{venue}|{symbol}", list(slots))
        found = await pipe.execute() if markets else []
        return [
            {slot: _cell.decode(value) for slot, value in zip(slots, row, strict=True) if value is not None}
            for row in found
        ]

    async def all_cells(self, venue: str, symbol: str) -> dict[str, Cell]:
        """Return every cell of one market, by `layer|timeframe`."""
        found = await self.redis.hgetall(f"{_ROWS}{venue}|{symbol}")
        return {_text(slot): _cell.decode(value) for slot, value in sorted(found.items())}

    async def issue_ticket(self, holder: str) -> str:
        """Return a word that opens one stream for `holder`, once, within half a minute."""
        ticket = secrets.token_urlsafe(32)
        await self.redis.set(_TICKETS + ticket, holder, ex=TICKET_S)
        return ticket

    async def redeem_ticket(self, ticket: str) -> str | None:
        """Return whose ticket it is and make it void."""
        value = await self.redis.getdel(_TICKETS + ticket)
        return value.decode() if isinstance(value, bytes) else value

    def _aged(self, view: V, now_ns: int) -> V:
        age = age_s(view.seen_ns, now_ns)
        return structs.replace(view, age_s=age, stale=age > self._stale_after_s)


async def _values(redis: Redis, key: str, fields: Sequence[str] | None = None) -> list[bytes]:
    found = await redis.hvals(key) if fields is None else await redis.hmget(key, list(fields))
    return [value.encode() if isinstance(value, str) else value for value in found if value is not None]


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()


async def _value(redis: Redis, key: str, field: str) -> bytes | None:
    value = await redis.hget(key, field)
    return value.encode() if isinstance(value, str) else value
