"""Binance streams, what spot and futures share: wire frames of one connection in, trades and books out. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final, Literal, TypeAlias

from msgspec import Raw, ValidationError

from libs.common.events import BookSnapshot, Level, Origin, Side, Trade
from services.ingest.venues import binance_wire as wire
from services.ingest.venues.books import Book, Change
from services.ingest.venues.rest_book import RestBook
from services.ingest.venues.terms import Acknowledged, Checks, Instrument, Item, Plan, SnapshotWanted
from services.ingest.venues.venue import Session
from services.ingest.venues.wire import FRAME_LIMIT, UNREADABLE, base_size, nanos, rejected, unreadable

DEPTH: Final = 10_000
"""Levels kept on a side: snapshots have 1,000, the diff stream adds every price that changes."""

TradeChannel = Literal["aggTrade", "trade", "first"]
"""Which executions become trades; the ids of the two differ. `first` takes whatever an instrument sends first."""

Reader: TypeAlias = Callable[[Raw, Instrument, int], list[Item]]
"""Reads one event's payload, of an instrument, received then."""


class BinanceSession(Session):
    """The memory of one connection: its books, and which trade channel each instrument speaks."""

    unread_streams: ClassVar[re.Pattern[str]] = re.compile(r"@(?:depth(?:5|10|20)|rpiDepth)(?:@|$)")
    """Streams that are passed over by their name: their events may be called as those of the whole book are."""
    unread_events: ClassVar[frozenset[str]]
    """Events that are known and not read on purpose."""
    chained: ClassVar[bool]
    """Whether a depth event names the one before it (`pu`)."""
    micros: ClassVar[bool] = False
    """Whether times may come in microseconds."""

    def __init__(
        self,
        plan: Plan,
        instruments: Mapping[str, Instrument],
        origin: Origin,
        trade_channel: TradeChannel,
        *,
        venue: str,
        foreign: int = 0,
    ) -> None:
        """`instruments` by native name; `foreign`: the `st` of contracts that belong to another venue of ours."""
        self.checks = Checks()
        self._venue = venue
        self._foreign = foreign
        self._instruments = instruments
        self._wanted = frozenset(plan.symbols)
        self._origin = origin
        self._trade_channel = trade_channel
        self._channels: dict[str, str] = {}
        self._books: dict[str, RestBook] = {}
        self._readers: dict[str, Reader] = {
            "trade": self._trade,
            "aggTrade": self._agg_trade,
            "depthUpdate": self._depth,
        }

    def subscribe(self) -> Sequence[bytes]:
        """Return nothing: the streams are in the URL."""
        return ()

    def receive(self, frame: bytes, received_ns: int) -> list[Item]:
        """Return what `frame` leads to; unreadable parts as `Rejected`."""
        if len(frame) > FRAME_LIMIT:
            return [rejected("oversize", f"{len(frame)} bytes", frame)]
        try:
            message = wire.decode_frame(frame)
            data = bytes(message.data)
            if message.event:
                return self._row(Raw(frame), received_ns)
            if not data:
                return self._control(message, frame)
            rows = wire.decode_rows(message.data) if data.startswith(b"[") else [message.data]
        except UNREADABLE as e:
            return [unreadable(e, frame)]
        if self.unread_streams.search(message.stream):
            return self._ignore()
        return [item for row in rows for item in self._row(row, received_ns)]

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> list[Item]:
        """Take a depth answer; one that cannot be used is rejected, and asked for again."""
        instrument = next((one for one in self._instruments.values() if one.symbol == symbol), None)
        if instrument is None:
            return [rejected("unknown_instrument", repr(symbol), body)]
        book = self._book(symbol)
        try:
            answer = wire.decode_snapshot(body)
        except UNREADABLE as e:
            return [unreadable(e, body), *book.want("unreadable", received_ns)]
        event_ms = answer.matched_ms or answer.pushed_ms
        return book.snapshot(
            _base_levels(instrument, answer.bids),
            _base_levels(instrument, answer.asks),
            sequence=answer.sequence,
            event_ns=nanos(event_ms) if event_ms else received_ns,
            received_ns=received_ns,
        )

    def book(self, symbol: str) -> BookSnapshot | None:
        """Return the book of `symbol`; None unless it is in sync."""
        found = self._books.get(symbol)
        return found.book.current() if found else None

    def _control(self, message: wire.Frame, frame: bytes) -> list[Item]:
        if bytes(message.error) or message.code is not None:
            return [rejected("error_frame", "the venue refused a request", frame)]
        if bytes(message.result):
            return [Acknowledged(channel=str(message.id))]
        return [rejected("unknown_channel", "neither an event nor an answer", frame)]

    def _ignore(self) -> list[Item]:
        self.checks.ignored += 1
        return []

    def _open(self, row: Raw) -> tuple[wire.Event, Raw]:
        """Return what an event says about itself, and the payload that its reader takes."""
        return wire.decode_event(row), row

    def _row(self, row: Raw, received_ns: int) -> list[Item]:
        """Read one event; what is wrong with it stays its own matter."""
        try:
            event, row = self._open(row)
        except UNREADABLE as e:
            return [unreadable(e, bytes(row))]
        if (event.st and event.st == self._foreign) or event.event in self.unread_events:
            return self._ignore()
        read = self._readers.get(event.event)
        if read is None:
            return self._unread(event, row)
        instrument = self._instruments.get(event.native)
        if instrument is None:
            return [rejected("unknown_instrument", repr(event.native), bytes(row))]
        return self._read(read, event, row, instrument, received_ns) if self._hears(instrument) else []

    def _unread(self, event: wire.Event, row: Raw) -> list[Item]:
        return [rejected("unknown_channel", f"event {event.event!r}", bytes(row))]

    def _read(self, read: Reader, event: wire.Event, row: Raw, instrument: Instrument, received_ns: int) -> list[Item]:
        if event.event == "trade" and event.execution != "MARKET":
            self.checks.non_market += 1
            return []
        try:
            return read(row, instrument, received_ns)
        except UNREADABLE as e:
            lost = self._lost(instrument.symbol, received_ns) if event.event == "depthUpdate" else []
            return [unreadable(e, bytes(row)), *lost]

    def _hears(self, instrument: Instrument) -> bool:
        return not self._wanted or instrument.symbol in self._wanted

    def _trade(self, row: Raw, instrument: Instrument, received_ns: int) -> list[Item]:
        trade = wire.decode_trade(row)
        if not self._speaks("trade", instrument.native):
            return []
        return [self._execution(trade, str(trade.id), instrument, received_ns)]

    def _agg_trade(self, row: Raw, instrument: Instrument, received_ns: int) -> list[Item]:
        trade = wire.decode_agg_trade(row)
        if not self._speaks("aggTrade", instrument.native):
            return []
        trade_id = f"{trade.first_id}-{trade.last_id}" if trade.id is None else str(trade.id)
        return [self._execution(trade, trade_id, instrument, received_ns)]

    def _execution(
        self, trade: wire.Trade | wire.AggTrade, trade_id: str, instrument: Instrument, received_ns: int
    ) -> Trade:
        return Trade(
            venue=self._venue,
            symbol=instrument.symbol,
            event_ns=wire.stamp_ns(trade.time, micros=self.micros),
            received_ns=received_ns,
            origin=self._origin,
            price=trade.price,
            size=base_size(instrument, trade.size, trade.price),
            side=Side.SELL if trade.buyer_is_maker else Side.BUY,
            trade_id=trade_id,
        )

    def _speaks(self, channel: str, native: str) -> bool:
        """Return whether executions of `channel` are trades here; those of the other one would count twice."""
        spoken: str = self._trade_channel
        if spoken == "first":
            spoken = self._channels.setdefault(native, channel)
        if spoken != channel:
            self.checks.ignored += 1
        return spoken == channel

    def _depth(self, row: Raw, instrument: Instrument, received_ns: int) -> list[Item]:
        depth = wire.decode_depth(row)
        if self.chained and depth.previous is None:
            raise ValidationError("a depth event without `pu`")
        change = Change(
            bids=_base_levels(instrument, depth.bids),
            asks=_base_levels(instrument, depth.asks),
            previous=depth.previous if self.chained else None,
            first=depth.first,
            last=depth.last,
            event_ns=wire.stamp_ns(depth.matched or depth.pushed, micros=self.micros),
        )
        return self._book(instrument.symbol).change(change, received_ns)

    def _lost(self, symbol: str, received_ns: int) -> list[Item]:
        book = self._book(symbol)
        return book.lose("value", max(book.book.event_ns, received_ns), received_ns)

    def _book(self, symbol: str) -> RestBook:
        found = self._books.get(symbol)
        if found is None:
            book = Book(
                venue=self._venue,
                symbol=symbol,
                origin=self._origin,
                checks=self.checks,
                ask=lambda cause: SnapshotWanted(symbol=symbol, cause=cause),
                depth=DEPTH,
            )
            found = self._books[symbol] = RestBook(book)
        return found


def _base_levels(instrument: Instrument, levels: Sequence[Level]) -> Sequence[Level]:
    if instrument.contract_size == 1 and not instrument.inverse:
        return levels
    return [(price, base_size(instrument, size, price)) for price, size in levels]
