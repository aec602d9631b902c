"""OKX v5 public streams: wire frames of one connection in, market events out. No sockets, no clock."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Raw, json

from libs.common.events import (
    BookSnapshot,
    FundingRate,
    Gap,
    Level,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Origin,
    PositionSide,
    Side,
    Trade,
)
from libs.common.events.words import SECOND_NS
from services.ingest.venues import okx_wire as wire
from services.ingest.venues.books import Book
from services.ingest.venues.socket_book import Message, SocketBook
from services.ingest.venues.venue import (
    Acknowledged,
    Checks,
    Instrument,
    Item,
    Plan,
    Reply,
    Resubscribe,
    Rotate,
    Session,
    Stream,
)
from services.ingest.venues.wire import (
    FRAME_LIMIT,
    UNREADABLE,
    UnknownInstrumentError,
    base_size,
    nanos,
    rate,
    rejected,
    unreadable,
)

VENUE: Final = "okx"
DEPTH: Final = 400
AUCTION_NS: Final = SECOND_NS
"""Bids may meet asks in a call auction; longer than this is taken for a damaged book."""
UPGRADE: Final = "64008"
"""The notice that this connection ends within a minute."""
_IGNORED: Final = frozenset(
    {"tickers", "bbo-tbt", "books5", "index-tickers", "price-limit", "trades-all", "instruments", "status"}
)
_SILENT: Final = frozenset({"unsubscribe", "channel-conn-count", "notice"})
_KEEPALIVE: Final[dict[bytes, tuple[Item, ...]]] = {b"pong": (), b"ping": (Reply(frame=b"pong"),)}

_Reader: TypeAlias = Callable[[Raw, int], list[Item]]


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
        self._wanted = frozenset(plan.symbols)
        self._origin = origin
        self._subscriptions = tuple(subscriptions)
        self._books: dict[str, SocketBook] = {}
        self._last_trades: dict[str, Trade] = {}
        self._requests = 0
        self._readers: dict[str, _Reader] = {
            "trades": self._trade,
            "liquidation-orders": self._liquidations,
            "mark-price": self._mark,
            "funding-rate": self._funding,
            "open-interest": self._interest,
        }

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
        if channel in _IGNORED or channel.startswith("candle"):
            self.checks.ignored += 1
            return []
        read = self._readers.get(channel)
        if read is None:
            return [rejected("unknown_channel", f"channel {channel!r}"[:200], frame)]
        return [item for row in message.data for item in self._row(read, row, received_ns)]

    def _row(self, read: _Reader, row: Raw, received_ns: int) -> list[Item]:
        """Read one row; what is wrong with it stays its own matter."""
        try:
            return read(row, received_ns)
        except UNREADABLE as e:
            return [unreadable(e, bytes(row))]
        except UnknownInstrumentError as e:
            return [rejected("unknown_instrument", str(e), bytes(row))]

    def _find(self, native: str) -> Instrument | None:
        """Return the instrument; None where nobody asked for it."""
        instrument = self._instruments.get(native)
        if instrument is None:
            raise UnknownInstrumentError(native)
        return instrument if not self._wanted or instrument.symbol in self._wanted else None

    def _trade(self, row: Raw, received_ns: int) -> list[Item]:
        trade = wire.decode_trade(row)
        instrument = self._find(trade.native)
        if instrument is None:
            return []
        event = Trade(
            venue=VENUE,
            symbol=instrument.symbol,
            event_ns=nanos(trade.event_ms),
            received_ns=received_ns,
            origin=self._origin,
            price=trade.price,
            size=base_size(instrument, trade.size, trade.price),
            side=Side(trade.side),
            trade_id=trade.id,
        )
        return [*self._missing(event, trade.count), event]

    def _missing(self, trade: Trade, count: int | None) -> list[Item]:
        """Return the hole before `trade`, an aggregate of the `count` executions whose ids end at its own."""
        last = self._last_trades.get(trade.symbol)
        if last is None or int(trade.trade_id) > int(last.trade_id):
            self._last_trades[trade.symbol] = trade
        if last is None or count is None or int(trade.trade_id) - count <= int(last.trade_id):
            return []
        return [
            Gap(
                venue=VENUE,
                symbol=trade.symbol,
                event_ns=trade.event_ns,
                received_ns=trade.received_ns,
                origin=self._origin,
                stream=Stream.TRADES.value,
                from_ns=last.event_ns,
                to_ns=trade.event_ns,
                cause="sequence",
                first_missing=str(int(last.trade_id) + 1),
                last_missing=str(int(trade.trade_id) - count),
            )
        ]

    def _book_row(self, message: wire.Frame, row: Raw, received_ns: int) -> list[Item]:
        try:
            instrument = self._find(message.arg.native)
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

    def _liquidations(self, row: Raw, received_ns: int) -> list[Item]:
        """The channel speaks of every instrument of a kind; those nobody asked for are passed over."""
        closings = wire.decode_liquidations(row)
        if self._wanted and closings.native not in self._instruments:
            return []
        instrument = self._find(closings.native)
        if instrument is None:
            return []
        return [
            item
            for detail in closings.details
            for item in self._row(lambda raw, at: [self._closing(instrument, raw, at)], detail, received_ns)
        ]

    def _closing(self, instrument: Instrument, row: Raw, received_ns: int) -> Liquidation:
        closing = wire.decode_closing(row)
        return Liquidation(
            venue=VENUE,
            symbol=instrument.symbol,
            event_ns=nanos(closing.event_ms),
            received_ns=received_ns,
            origin=self._origin,
            price=closing.price,
            size=base_size(instrument, closing.size, closing.price),
            liquidated=PositionSide.SHORT if closing.side == "buy" else PositionSide.LONG,
        )

    def _mark(self, row: Raw, received_ns: int) -> list[Item]:
        mark = wire.decode_mark(row)
        instrument = self._find(mark.native)
        if instrument is None:
            return []
        return [
            MarkPrice(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=nanos(mark.event_ms),
                received_ns=received_ns,
                origin=self._origin,
                price=mark.price,
            )
        ]

    def _funding(self, row: Raw, received_ns: int) -> list[Item]:
        funding = wire.decode_funding(row)
        instrument = self._find(funding.native)
        if instrument is None:
            return []
        event_ns = nanos(funding.event_ms) if funding.event_ms else received_ns
        if not funding.rate or not event_ns:
            return [rejected("value", "a funding rate without rate or time", bytes(row))]
        after_ms = wire.millis(funding.after_ms) if funding.after_ms else None
        return [
            FundingRate(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=event_ns,
                received_ns=received_ns,
                origin=self._origin,
                rate=rate(funding.rate),
                interval_s=(after_ms - funding.settles_ms) // 1000 if after_ms else None,
                next_funding_ns=nanos(funding.settles_ms),
            )
        ]

    def _interest(self, row: Raw, received_ns: int) -> list[Item]:
        interest = wire.decode_interest(row)
        instrument = self._find(interest.native)
        if instrument is None:
            return []
        return [
            OpenInterest(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=nanos(interest.event_ms),
                received_ns=received_ns,
                origin=self._origin,
                contracts=interest.contracts,
                base=interest.coins,
                notional=interest.dollars if instrument.kind.quote == "USD" else None,  # dollars are no tethers
            )
        ]

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
        args = [{"channel": "books", "instId": instrument.native}]
        frames = tuple(
            json.encode({"id": f"{op[0]}{self._requests}", "op": op, "args": args})
            for op in ("unsubscribe", "subscribe")
        )
        return Resubscribe(symbol=instrument.symbol, cause=cause, frames=frames)


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
