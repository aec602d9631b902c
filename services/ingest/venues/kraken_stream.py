"""Kraken's WebSocket v2: frames of one connection in, market events out. No sockets, no clock."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Raw, ValidationError

from libs.common.events import BookSnapshot, Origin, Side, Trade
from services.ingest.venues import kraken_wire as wire
from services.ingest.venues.books import Book
from services.ingest.venues.kraken_book import Push, Texts, VouchedBook
from services.ingest.venues.kraken_requests import FIRST_FRESH, fresh_book
from services.ingest.venues.kraken_wire import VENUE
from services.ingest.venues.moments import moment_ns
from services.ingest.venues.terms import (
    Acknowledged,
    Checks,
    Heard,
    Instrument,
    Item,
    Plan,
    Reconnect,
    Resubscribe,
    Stream,
)
from services.ingest.venues.venue import Session
from services.ingest.venues.wire import FRAME_LIMIT, UNREADABLE, UnknownInstrumentError, rejected, unreadable

DEPTHS: Final = (10, 25, 100, 500, 1000)
"""What the venue offers, a side."""
UNLISTED: Final = "Currency pair not supported"
"""The refusal that no other connection would change."""
_SILENT: Final = frozenset({"heartbeat", "status"})
_IGNORED: Final = frozenset({"ticker", "ohlc", "instrument", "level3"})


class KrakenSession(Session):
    """The memory of one connection: its books, and how deep the venue said they are."""

    def __init__(
        self,
        plan: Plan,
        instruments: Mapping[str, Instrument],
        origin: Origin,
        subscriptions: Sequence[bytes] = (),
        *,
        replay: bool = True,
    ) -> None:
        """`instruments` by the venue's own names; `replay`: trades from before the subscription are trades too."""
        self.checks = Checks()
        self._instruments = instruments
        self._wanted = frozenset(plan.symbols)
        self._origin = origin
        self._subscriptions = tuple(subscriptions)
        self._replay = replay
        self._depths: dict[str, int] = {}
        self._books: dict[str, VouchedBook] = {}
        self._fresh = FIRST_FRESH

    def subscribe(self) -> Sequence[bytes]:
        """Return the subscribe frames."""
        return self._subscriptions

    def receive(self, frame: bytes, received_ns: int) -> list[Item]:
        """Return what `frame` leads to; unreadable parts as `Rejected`."""
        if len(frame) > FRAME_LIMIT:
            return [rejected("oversize", f"{len(frame)} bytes", frame)]
        try:
            message = wire.decode_frame(frame)
            if message.channel == "trade":
                return self._rows(self._trade, message, received_ns)
            if message.channel == "book":
                return self._rows(self._book_row, message, received_ns)
        except UNREADABLE as e:
            return [unreadable(e, frame)]
        return self._control(message, frame)

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> list[Item]:
        """Reject: a book comes by the socket, with a checksum that REST has not."""
        _ = received_ns
        return [rejected("unexpected", f"{symbol}: snapshots come by the socket", body)]

    def book(self, symbol: str) -> BookSnapshot | None:
        """Return the book of `symbol`; None unless it is in sync."""
        found = self._books.get(symbol)
        return found.book.current() if found else None

    def _control(self, message: wire.Frame, frame: bytes) -> list[Item]:
        fault = message.error or message.fault
        if fault or message.success is False:
            detail = f"{message.method} {message.symbol or message.result.symbol}: {fault}"
            refused = rejected("error_frame", detail[:200], frame)
            fresh = message.method == "subscribe" and (message.request or 0) > FIRST_FRESH
            lost = fresh and not fault.startswith(UNLISTED)
            return [refused, Reconnect(cause="refused")] if lost else [refused]
        if message.method == "subscribe":
            return [self._acknowledged(message.result)]
        if message.method or message.channel in _SILENT:
            return []
        if message.channel in _IGNORED:
            self.checks.ignored += 1
            return []
        return [rejected("unknown_channel", f"channel {message.channel!r}"[:200], frame)]

    def _acknowledged(self, result: wire.Result) -> Acknowledged:
        if result.channel == "book" and result.depth in DEPTHS:
            self._depths[result.symbol] = result.depth
        return Acknowledged(channel=f"{result.channel}:{result.symbol}")

    def _rows(
        self, read: Callable[[str, Instrument, Raw, int], list[Item]], message: wire.Frame, received_ns: int
    ) -> list[Item]:
        """Read rows one by one; what is wrong with one stays its own matter."""
        items: list[Item] = []
        for row in wire.decode_rows(message.data):
            try:
                instrument = self._find(wire.decode_named(row).symbol)
                items += read(message.type, instrument, row, received_ns) if instrument else []
            except UNREADABLE as e:
                items.append(unreadable(e, bytes(row)))
            except UnknownInstrumentError as e:
                items.append(rejected("unknown_instrument", str(e)[:200], bytes(row)))
        return items

    def _find(self, native: str) -> Instrument | None:
        """Return the instrument; None where nobody asked for it.

        Raises:
            UnknownInstrumentError: the venue's catalogue does not have it.
        """
        instrument = self._instruments.get(native)
        if instrument is None:
            raise UnknownInstrumentError(native)
        return instrument if not self._wanted or instrument.symbol in self._wanted else None

    def _trade(self, kind: str, instrument: Instrument, row: Raw, received_ns: int) -> list[Item]:
        trade = wire.decode_trade(row)
        event_ns = moment_ns(trade.timestamp)
        if kind == "snapshot" and not self._replay:
            self.checks.ignored += 1
            return [Heard(stream=Stream.TRADES)]
        return [
            Trade(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=event_ns,
                received_ns=received_ns,
                origin=self._origin,
                price=trade.price,
                size=trade.qty,
                side=Side(trade.side),
                trade_id=str(trade.trade_id),
            )
        ]

    def _book_row(self, kind: str, instrument: Instrument, row: Raw, received_ns: int) -> list[Item]:
        book = self._books.get(instrument.symbol)
        try:
            push = _push(kind, row, received_ns)
        except UNREADABLE as e:
            lost = book.lose("value", book.book.event_ns, received_ns) if book else []
            return [unreadable(e, bytes(row)), *lost]
        if kind == "snapshot":
            return (book or self._follow(instrument, push)).whole(push, received_ns)
        if book is None:
            self.checks.stale += 1  # of a book whose beginning is not here
            return []
        return book.change(push, received_ns)

    def _follow(self, instrument: Instrument, push: Push) -> VouchedBook:
        """Begin a book, as deep as the venue said, or else as deep as its first snapshot tells."""
        levels = max(len(push.bids), len(push.asks))
        fits = next((depth for depth in DEPTHS if levels <= depth), DEPTHS[-1])
        depth = self._depths.get(instrument.native, fits)
        book = Book(
            venue=VENUE,
            symbol=instrument.symbol,
            origin=self._origin,
            checks=self.checks,
            ask=lambda cause: self._resubscribe(instrument, depth, cause),
            depth=depth,
        )
        self._books[instrument.symbol] = VouchedBook(book)
        return self._books[instrument.symbol]

    def _resubscribe(self, instrument: Instrument, depth: int, cause: str) -> Resubscribe:
        self._fresh += 1
        return Resubscribe(symbol=instrument.symbol, cause=cause, frames=fresh_book(instrument, depth, self._fresh))


def _push(kind: str, row: Raw, received_ns: int) -> Push:
    """Read a row.

    Raises:
        ValidationError: it is no book, neither whole nor changed, or says no time and nobody else does.
    """
    book = wire.decode_book(row)
    event_ns = moment_ns(book.timestamp) if book.timestamp else received_ns
    if kind not in {"snapshot", "update"} or not event_ns:
        raise ValidationError(f"a book of type {kind!r} at {event_ns}")
    return Push(
        bids=_texts(book.bids),
        asks=_texts(book.asks),
        checksum=book.checksum,
        event_ns=event_ns,
    )


def _texts(levels: Raw) -> Texts:
    wire.check_levels(levels)
    return [(bytes(level.price).decode(), bytes(level.qty).decode()) for level in wire.decode_texts(levels)]
