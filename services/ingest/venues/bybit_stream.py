"""Bybit v5 public streams: wire frames of one connection in, market events out. No sockets, no clock."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from msgspec import Raw

from libs.common.events import BookSnapshot, Level, Origin
from services.ingest.venues import bybit_requests as requests
from services.ingest.venues import bybit_wire as wire
from services.ingest.venues.books import Book
from services.ingest.venues.bybit_rows import Rows
from services.ingest.venues.bybit_wire import CATEGORIES, SPOT, VENUE
from services.ingest.venues.socket_book import Message, SocketBook
from services.ingest.venues.terms import Acknowledged, Checks, Instrument, Item, Plan, Reply, Resubscribe, Stream
from services.ingest.venues.venue import Session
from services.ingest.venues.wire import (
    FRAME_LIMIT,
    UNREADABLE,
    UnknownInstrumentError,
    base_size,
    nanos,
    rejected,
    unreadable,
)

RESTARTED: Final = 1
"""The update id of a whole book after the venue's service began anew, whatever the frame's type says."""
_DEPTHS: Final = frozenset({"50", "200", "500", "1000"})
_IGNORED: Final = frozenset({"kline", "orderbook.1", "orderbook.rpi", "orderbook.full", "priceLimit", "adlAlert"})
_SILENT: Final = frozenset({"ping", "pong", "unsubscribe"})


class BybitSession(Session):
    """The memory of one connection: its books, its tickers, its requests."""

    def __init__(
        self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin, topics: Sequence[str]
    ) -> None:
        self.checks = Checks()
        self._category = category_of(plan.url)
        self._instruments = instruments
        self._origin = origin
        self._books: dict[str, SocketBook] = {}
        self._depths: dict[str, int] = {}
        self._rows = Rows(self._category, instruments, frozenset(plan.symbols), origin, self.checks)
        self._asked = {f"s{number}": batch for number, batch in enumerate(requests.batches(topics))}
        self._count = 0

    def subscribe(self) -> Sequence[bytes]:
        """Return the requests, ten topics each."""
        return [requests.request(ident, "subscribe", args) for ident, args in self._asked.items()]

    def receive(self, frame: bytes, received_ns: int) -> list[Item]:
        """Return what `frame` leads to; unreadable parts as `Rejected`."""
        if len(frame) > FRAME_LIMIT:
            return [rejected("oversize", f"{len(frame)} bytes", frame)]
        try:
            message = wire.decode_frame(frame)
        except UNREADABLE as e:
            return [unreadable(e, frame)]
        if not message.topic:
            return self._control(message, frame)
        channel, _, rest = message.topic.partition(".")
        if channel == "orderbook":
            depth, _, name = rest.partition(".")
            return self._book_push(message, depth, name, frame, received_ns)
        return self._data(message, channel, rest, frame, received_ns)

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> list[Item]:
        """Refuse: the socket brings its own."""
        _ = received_ns
        return [rejected("unexpected", f"{symbol}: snapshots come by the socket", body)]

    def book(self, symbol: str) -> BookSnapshot | None:
        """Return the book of `symbol`; None unless it is in sync."""
        found = self._books.get(symbol)
        return found.book.current() if found else None

    def resubscribe(self, symbol: str, stream: Stream) -> Sequence[bytes]:
        """Return the frames that leave `stream` of `symbol` and join it again."""
        mine = [one for one in self._instruments.values() if one.symbol == symbol]
        frames: list[bytes] = []
        for topic in requests.topics(mine, requests.offered(self._category, [stream])):
            self._count += 1
            frames += requests.afresh(topic, self._count)
        return frames

    def _control(self, message: wire.Frame, frame: bytes) -> list[Item]:
        asked = self._asked.pop(message.request, [])
        if message.success is False:
            error = rejected("error_frame", f"{message.op} {asked or ''} {message.message}"[:200], frame)
            return [error, *self._one_by_one(asked)]
        if message.op in _SILENT:
            return []
        if message.success and message.op == "subscribe":
            return [Acknowledged(channel=" ".join(asked) or message.request)]
        return [rejected("error_frame", f"{message.op} {message.message}"[:200], frame)]

    def _one_by_one(self, asked: Sequence[str]) -> list[Item]:
        """Ask again for each topic of a request that failed: one bad topic may have spoiled it for all."""
        items: list[Item] = []
        for topic in asked if len(asked) > 1 else ():
            self._count += 1
            ident = f"i{self._count}"
            self._asked[ident] = [topic]
            items.append(Reply(frame=requests.request(ident, "subscribe", [topic])))
        return items

    def _data(self, message: wire.Frame, channel: str, name: str, frame: bytes, received_ns: int) -> list[Item]:
        if channel in _IGNORED or (channel == "tickers" and self._category == SPOT):
            self.checks.ignored += 1
            return []
        if not self._rows.reads(channel):
            return [rejected("unknown_channel", f"topic {message.topic!r}"[:200], frame)]
        if channel == "tickers" and message.kind == "snapshot":
            self._rows.forget(name)
        event_ns = nanos(message.event_ms) if message.event_ms else 0
        many = bytes(message.data).lstrip().startswith(b"[")
        rows = wire.decode_rows(message.data) if many else [message.data]
        return [item for row in rows for item in self._rows.read(channel, row, event_ns, received_ns)]

    def _book_push(self, message: wire.Frame, depth: str, name: str, frame: bytes, received_ns: int) -> list[Item]:
        if f"orderbook.{depth}" in _IGNORED:
            self.checks.ignored += 1
            return []
        if depth not in _DEPTHS:
            return [rejected("unknown_channel", f"topic {message.topic!r}"[:200], frame)]
        try:
            instrument = self._rows.find(name)
        except UnknownInstrumentError as e:
            return [rejected("unknown_instrument", str(e), frame)]
        if instrument is None:
            return []
        book = self._book(instrument, message.topic, int(depth))
        if book is None:
            self.checks.ignored += 1
            return []
        return _pushed(book, instrument, message, frame, received_ns)

    def _book(self, instrument: Instrument, topic: str, depth: int) -> SocketBook | None:
        """Return the book; None for another depth than the one that came first."""
        if self._depths.setdefault(instrument.symbol, depth) != depth:
            return None
        found = self._books.get(instrument.symbol)
        if found is None:
            book = Book(
                venue=VENUE,
                symbol=instrument.symbol,
                origin=self._origin,
                checks=self.checks,
                ask=lambda cause: self._resubscribe(instrument, topic, cause),
                depth=depth,
            )
            found = self._books[instrument.symbol] = SocketBook(book)
        return found

    def _resubscribe(self, instrument: Instrument, topic: str, cause: str) -> Resubscribe:
        self._count += 1
        return Resubscribe(symbol=instrument.symbol, cause=cause, frames=requests.afresh(topic, self._count))


def category_of(url: str) -> str:
    """Return which instruments an address speaks of; empty where it does not say."""
    last = urlsplit(url).path.rpartition("/")[2]
    return last if last in CATEGORIES else ""


def _pushed(book: SocketBook, instrument: Instrument, frame: wire.Frame, raw: bytes, received_ns: int) -> list[Item]:
    """Give a push to its book; one that cannot be read loses it."""
    try:
        push = _message(instrument, frame, wire.decode_book(frame.data))
    except UNREADABLE as e:
        return [unreadable(e, raw), *book.lose("value", book.book.event_ns, received_ns)]
    if frame.kind == "snapshot" or (frame.kind == "delta" and push.sequence == RESTARTED):
        return book.snapshot(push, received_ns)
    if frame.kind == "delta":
        return book.change(push, received_ns)
    return [rejected("value", f"type {frame.kind!r}"[:200], raw)]


def _message(instrument: Instrument, frame: wire.Frame, book: wire.Book) -> Message:
    """Return the push; each continues the update id before its own.

    Raises:
        ValidationError: it cannot be read, or says no time.
    """
    return Message(
        bids=_levels(instrument, book.bids),
        asks=_levels(instrument, book.asks),
        sequence=book.update,
        previous=book.update - 1,
        checksum=0,
        event_ns=nanos(wire.time_of(frame)),
    )


def _levels(instrument: Instrument, levels: Raw) -> list[Level]:
    return [(price, base_size(instrument, size, price)) for price, size in wire.decode_levels(levels)]
