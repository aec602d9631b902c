"""CoinAPI's WebSocket: messages of one connection in, market events out. No sockets, no clock."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from libs.common.events import SECOND_NS, BookSnapshot, Gap, Level, Origin, Side, Trade
from services.ingest.venues import coinapi_wire as wire
from services.ingest.venues.books import Book, Change
from services.ingest.venues.coinapi_book import CountedBook, Step, step
from services.ingest.venues.coinapi_wire import VENUE
from services.ingest.venues.moments import moment_ns
from services.ingest.venues.terms import (
    Acknowledged,
    Checks,
    Heard,
    Instrument,
    Item,
    Plan,
    Reconnect,
    Rejected,
    Rotate,
    Stream,
)
from services.ingest.venues.venue import Session
from services.ingest.venues.wire import FRAME_LIMIT, UNREADABLE, base_size, rejected, unreadable

DEPTH: Final = 10_000
"""Levels kept a side; a book of `book` has no depth of its own."""
CROSSED_NS: Final = SECOND_NS
"""Bids may meet asks for a moment in a book that a third party assembles; longer is taken for damage."""
BOOKS: Final = ("book", "book5", "book20", "book50")
HEARTBEATS: Final = frozenset({"hearbeat", "heartbeat"})
"""The first spelling is the one on the wire."""
_IGNORED: Final = frozenset({"quote", "ohlcv", "exrate", "volume", "ticker", "asset", "exchange", "symbol"})
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}


def fact(
    row: wire.Execution, instrument: Instrument, *, received_ns: int, origin: Origin, checks: Checks
) -> Trade | None:
    """Return the trade; None, counted, for what is none: an index mark, or one whose taker nobody knows.

    Raises:
        ValidationError: its time is none.
    """
    event_ns = moment_ns(row.time_exchange)
    if row.size == 0:
        checks.non_market += 1
        return None
    side = _SIDES.get(row.taker_side)
    if side is None:
        checks.unsided += 1
        return None
    return Trade(
        venue=VENUE,
        symbol=instrument.symbol,
        event_ns=event_ns,
        received_ns=received_ns,
        origin=origin,
        price=row.price,
        size=base_size(instrument, row.size, row.price),
        side=side,
        trade_id=row.uuid,
    )


class CoinapiSession(Session):
    """The memory of one connection: its books, and the count of each symbol's trades."""

    def __init__(
        self,
        plan: Plan,
        instruments: Mapping[str, Instrument],
        origin: Origin,
        *,
        hello: Sequence[bytes] = (),
        secret: str = "",
    ) -> None:
        """`secret` is blotted out of everything that is kept of a rejected message."""
        self.checks = Checks()
        self._instruments = instruments
        self._wanted = frozenset(plan.symbols)
        self._origin = origin
        self._hello = tuple(hello)
        self._secret = secret
        self._greeted = False
        self._natives: dict[str, str] = {}
        self._trades: dict[str, tuple[int, int]] = {}
        self._books: dict[str, tuple[str, CountedBook]] = {}

    def subscribe(self) -> Sequence[bytes]:
        """Return the hello: it replaces whatever the connection listened to."""
        return self._hello

    def receive(self, frame: bytes, received_ns: int) -> list[Item]:
        """Return what `frame` leads to; unreadable ones as `Rejected`."""
        if len(frame) > FRAME_LIMIT:
            items: list[Item] = [rejected("oversize", f"{len(frame)} bytes", frame)]
        else:
            try:
                items = self._read(wire.decode_head(frame), frame, received_ns)
            except UNREADABLE as e:
                items = [unreadable(e, frame)]
        return [self._blotted(item) if isinstance(item, Rejected) else item for item in items]

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> list[Item]:
        """Reject: a book comes by the socket."""
        _ = received_ns
        return [rejected("unexpected", f"{symbol}: snapshots come by the socket", body)]

    def book(self, symbol: str) -> BookSnapshot | None:
        """Return the book of `symbol`; None unless it is in sync."""
        found = self._books.get(symbol)
        return found[1].book.current() if found else None

    def _read(self, head: wire.Head, frame: bytes, received_ns: int) -> list[Item]:
        if head.type != "trade" and head.type not in BOOKS:
            return self._control(head, frame)
        instrument = self._instruments.get(head.symbol_id)
        if instrument is None:
            return [rejected("unknown_instrument", head.symbol_id[:200], frame)]
        if self._wanted and instrument.symbol not in self._wanted:
            self.checks.ignored += 1
            return []
        native = self._natives.setdefault(instrument.symbol, head.symbol_id)
        if native != head.symbol_id:
            return [rejected("unexpected", f"{instrument.symbol} is {native} here, not {head.symbol_id}"[:200], frame)]
        if head.type == "trade":
            return self._trade(instrument, wire.decode_trade(frame), received_ns)
        return self._book_message(head.type, instrument, frame, received_ns)

    def _control(self, head: wire.Head, frame: bytes) -> list[Item]:
        if head.type in HEARTBEATS:
            greeted, self._greeted = self._greeted, True
            return [] if greeted else [Acknowledged(channel="hello")]
        if head.type == "reconnect":
            return [Rotate(cause="reconnect")]
        if head.type == "error":
            return [rejected("error_frame", head.message[:200], frame)]
        if head.type in _IGNORED:
            self.checks.ignored += 1
            return []
        return [rejected("unknown_channel", f"type {head.type!r}"[:200], frame)]

    def _trade(self, instrument: Instrument, row: wire.Trade, received_ns: int) -> list[Item]:
        """A row that cannot be read is not counted: the next one shows the hole that it leaves."""
        event_ns = moment_ns(row.time_exchange)
        last, last_ns = self._trades.get(instrument.symbol, (None, 0))
        turn = step(last, row.sequence)
        if turn is Step.REPEAT:
            self.checks.stale += 1
            return []
        self._trades[instrument.symbol] = row.sequence, event_ns
        items: list[Item] = []
        if turn is Step.HOLE:
            self.checks.sequence_gaps += 1
            items.append(self._hole(instrument.symbol, last_ns, event_ns, received_ns))
        trade = fact(row, instrument, received_ns=received_ns, origin=self._origin, checks=self.checks)
        return [*items, trade or Heard(stream=Stream.TRADES, symbol=instrument.symbol)]

    def _hole(self, symbol: str, from_ns: int, to_ns: int, received_ns: int) -> Gap:
        """Return a hole in the trades; numbers of a connection are no ids, so it has only times."""
        return Gap(
            venue=VENUE,
            symbol=symbol,
            event_ns=to_ns,
            received_ns=received_ns,
            origin=self._origin,
            stream=Stream.TRADES.value,
            from_ns=from_ns,
            to_ns=to_ns,
            cause="sequence",
        )

    def _book_message(self, kind: str, instrument: Instrument, frame: bytes, received_ns: int) -> list[Item]:
        followed, book = self._books.get(instrument.symbol) or self._follow(kind, instrument)
        if kind != followed:
            self.checks.ignored += 1
            return []
        try:
            message = wire.decode_book(frame)
            event_ns = moment_ns(message.time_exchange)
            if kind == "book" and message.is_snapshot is None:
                raise msgspec.ValidationError("a book does not say whether it is whole")
        except UNREADABLE as e:
            return [unreadable(e, frame), *book.lose("value", received_ns)]
        sequence = message.sequence
        bids, asks = _levels(instrument, message.bids), _levels(instrument, message.asks)
        if kind != "book" or message.is_snapshot:
            return book.whole(bids, asks, sequence=sequence, event_ns=event_ns, received_ns=received_ns)
        change = Change(bids=bids, asks=asks, previous=None, first=sequence, last=sequence, event_ns=event_ns)
        return book.change(change, received_ns)

    def _follow(self, kind: str, instrument: Instrument) -> tuple[str, CountedBook]:
        """Begin a symbol's book; the type that comes first is the one that is followed."""
        book = Book(
            venue=VENUE,
            symbol=instrument.symbol,
            origin=self._origin,
            checks=self.checks,
            ask=lambda cause: Reconnect(cause=cause),
            depth=DEPTH,
            crossed_ns=CROSSED_NS,
        )
        self._books[instrument.symbol] = kind, CountedBook(book)
        return self._books[instrument.symbol]

    def _blotted(self, item: Rejected) -> Rejected:
        if not self._secret:
            return item
        return msgspec.structs.replace(
            item,
            detail=item.detail.replace(self._secret, "***"),
            payload=item.payload.replace(self._secret.encode(), b"***"),
        )


def _levels(instrument: Instrument, levels: Sequence[wire.BookLevel]) -> list[Level]:
    return [(level.price, base_size(instrument, level.size, level.price)) for level in levels]
