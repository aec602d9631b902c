"""OKX v5 public streams: wire frames of one connection in, market events out. No sockets, no clock."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Raw

from libs.common.events import BookSnapshot, Level, Origin
from libs.common.events.words import SECOND_NS
from services.ingest.venues import okx_wire as wire
from services.ingest.venues.books import Book
from services.ingest.venues.okx_requests import afresh
from services.ingest.venues.okx_rows import Rows
from services.ingest.venues.okx_wire import VENUE
from services.ingest.venues.socket_book import Message, SocketBook
from services.ingest.venues.terms import (
    Acknowledged,
    Checks,
    Instrument,
    Item,
    Plan,
    Reply,
    Resubscribe,
    Rotate,
    Stream,
)
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

DEPTH: Final = 400
AUCTION_NS: Final = SECOND_NS
"""Bids may meet asks in a call auction; longer than this is taken for a damaged book."""
UPGRADE: Final = "64008"
"""The notice that this connection ends within a minute."""
_IGNORED: Final = frozenset(
    {
        *("tickers", "index-tickers", "price-limit", "trades-all", "instruments", "status"),
        *("bbo-tbt", "books5", "books-elp", "books-rpi", "books-l2-tbt", "books50-l2-tbt"),
    }
)
_SILENT: Final = frozenset({"unsubscribe", "channel-conn-count", "notice"})
_KEEPALIVE: Final[dict[bytes, tuple[Item, ...]]] = {b"pong": (), b"ping": (Reply(frame=b"pong"),)}


class OkxSession(Session):
    """The memory of one connection: its books."""

    def __init__(
        self,
        plan: Plan,
        instruments: Mapping[str, Instrument],
        origin: Origin,
        subscriptions: Sequence[bytes],
    ) -> None:
        self.checks = Checks()
        self._instruments = instruments
        self._origin = origin
        self._subscriptions = tuple(subscriptions)
        self._books: dict[str, SocketBook] = {}
        self._requests = 0
        self._rows = Rows(instruments, frozenset(plan.symbols), origin)

    def subscribe(self) -> Sequence[bytes]:
        """Return the requests that the venue's limits allow."""
        return self._subscriptions

    def receive(self, frame: bytes, received_ns: int) -> list[Item]:
        """Return what `frame` leads to; unreadable parts as `Rejected`."""
        if frame in _KEEPALIVE:
            return list(_KEEPALIVE[frame])
        if len(frame) > FRAME_LIMIT:
            return [rejected("oversize", f"{len(frame)} bytes", frame)]
        try:
            message = wire.decode_frame(frame)
        except UNREADABLE as e:
            return [unreadable(e, frame)]
        if message.event:
            return self._control(message, frame)
        return self._data(message, frame, received_ns)

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> list[Item]:
        """Refuse: REST books have no ids here, the socket brings its own."""
        _ = received_ns
        return [rejected("unexpected", f"{symbol}: snapshots come by the socket", body)]

    def book(self, symbol: str) -> BookSnapshot | None:
        """Return the book of `symbol`; None unless it is in sync."""
        found = self._books.get(symbol)
        return found.book.current() if found else None

    def resubscribe(self, symbol: str, stream: Stream) -> Sequence[bytes]:
        """Return the frames that leave `stream` of `symbol` and join it again."""
        instrument = next((one for one in self._instruments.values() if one.symbol == symbol), None)
        if instrument is None:
            return ()
        self._requests += 1
        return afresh(instrument, stream, self._requests)

    def _control(self, message: wire.Frame, frame: bytes) -> list[Item]:
        if message.event == "subscribe":
            return [Acknowledged(channel=message.arg.label)]
        if message.event == "notice" and message.code == UPGRADE:
            return [Rotate(cause=message.msg or "service upgrade")]
        if message.event in _SILENT:
            return []
        return [rejected("error_frame", f"{message.event} {message.code} {message.msg}"[:200], frame)]

    def _data(self, message: wire.Frame, frame: bytes, received_ns: int) -> list[Item]:
        channel = message.arg.channel
        if channel == "books":
            return [item for row in message.data for item in self._book_row(message, row, received_ns)]
        if channel in _IGNORED or "candle" in channel:
            self.checks.ignored += 1
            return []
        if not self._rows.reads(channel):
            return [rejected("unknown_channel", f"channel {channel!r}"[:200], frame)]
        return [item for row in message.data for item in self._rows.read(channel, row, received_ns)]

    def _book_row(self, message: wire.Frame, row: Raw, received_ns: int) -> list[Item]:
        try:
            instrument = self._rows.find(message.arg.native)
        except UnknownInstrumentError as e:
            return [rejected("unknown_instrument", str(e), bytes(row))]
        if instrument is None:
            return []
        book = self._book(instrument)
        try:
            push = _message(instrument, wire.decode_book(row))
        except UNREADABLE as e:
            return [unreadable(e, bytes(row)), *book.lose("value", book.book.event_ns, received_ns)]
        if message.action == "snapshot":
            return book.snapshot(push, received_ns)
        if message.action == "update":
            return book.change(push, received_ns)
        return [rejected("value", f"action {message.action!r}"[:200], bytes(row))]

    def _book(self, instrument: Instrument) -> SocketBook:
        found = self._books.get(instrument.symbol)
        if found is None:
            book = Book(
                venue=VENUE,
                symbol=instrument.symbol,
                origin=self._origin,
                checks=self.checks,
                ask=lambda cause: self._resubscribe(instrument, cause),
                depth=DEPTH,
                crossed_ns=AUCTION_NS,
            )
            found = self._books[instrument.symbol] = SocketBook(book)
        return found

    def _resubscribe(self, instrument: Instrument, cause: str) -> Resubscribe:
        self._requests += 1
        return Resubscribe(
            symbol=instrument.symbol, cause=cause, frames=afresh(instrument, Stream.BOOKS, self._requests)
        )


def _message(instrument: Instrument, book: wire.Book) -> Message:
    return Message(
        bids=_levels(instrument, book.bids),
        asks=_levels(instrument, book.asks),
        bid_texts=_texts(book.bids) if book.checksum else (),
        ask_texts=_texts(book.asks) if book.checksum else (),
        sequence=book.sequence,
        previous=book.previous,
        checksum=book.checksum,
        event_ns=nanos(book.event_ms),
    )


def _levels(instrument: Instrument, levels: Raw) -> list[Level]:
    return [(price, base_size(instrument, size, price)) for price, size, _, _ in wire.decode_levels(levels)]


def _texts(levels: Raw) -> list[tuple[str, str]]:
    return [(price, size) for price, size, _, _ in wire.decode_texts(levels)]
