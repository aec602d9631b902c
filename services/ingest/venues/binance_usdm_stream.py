"""Binance USD-M streams: wire frames of one connection in, market events out. No sockets, no clock."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Raw

from libs.common.events import (
    BookSnapshot,
    FundingRate,
    Liquidation,
    MarkPrice,
    Origin,
    PositionSide,
    Side,
    Trade,
)
from services.ingest.venues import binance_usdm_wire as wire
from services.ingest.venues.books import Book, Change
from services.ingest.venues.rest_book import RestBook
from services.ingest.venues.venue import Acknowledged, Checks, Instrument, Item, Plan, Session, SnapshotWanted
from services.ingest.venues.wire import (
    FRAME_LIMIT,
    UNREADABLE,
    nanos,
    rate,
    rejected,
    unreadable,
)

VENUE: Final = "binance-usdm"
DEPTH: Final = 10_000
"""Levels kept on a side: snapshots have 1,000, the diff stream adds every price that changes."""
COIN_MARGINED: Final = 2
"""`st` of contracts that are settled in coins; all-market streams carry them too."""
_PARTIAL_DEPTH: Final = re.compile(r"@depth(?:5|10|20)(?:@|$)")
_IGNORED: Final = frozenset(
    {"bookTicker", "kline", "continuous_kline", "24hrTicker", "24hrMiniTicker", "contractInfo", "assetIndexUpdate"}
)

TradeChannel = Literal["aggTrade", "trade", "first"]
"""Which executions become trades; the ids of the two differ. `first` takes whatever an instrument sends first."""

_Reader: TypeAlias = Callable[[Raw, Instrument, int], list[Item]]


class UsdmSession(Session):
    """The memory of one connection: its books, and which trade channel each instrument speaks."""

    def __init__(
        self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin, trade_channel: TradeChannel
    ) -> None:
        self.checks = Checks()
        self._instruments = instruments
        self._wanted = frozenset(plan.symbols)
        self._origin = origin
        self._trade_channel = trade_channel
        self._channels: dict[str, str] = {}
        self._books: dict[str, RestBook] = {}
        self._readers: dict[str, _Reader] = {
            "trade": self._trade,
            "aggTrade": self._agg_trade,
            "depthUpdate": self._depth,
            "forceOrder": self._liquidation,
            "markPriceUpdate": self._mark,
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
        if _PARTIAL_DEPTH.search(message.stream):
            self.checks.ignored += 1
            return []
        return [item for row in rows for item in self._row(row, received_ns)]

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> list[Item]:
        """Take a depth answer; one that cannot be used is rejected, and asked for again."""
        book = self._book(symbol)
        try:
            answer = wire.decode_snapshot(body)
        except UNREADABLE as e:
            return [unreadable(e, body), *book.want("unreadable", received_ns)]
        event_ms = answer.matched_ms or answer.pushed_ms
        return book.snapshot(
            answer.bids,
            answer.asks,
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

    def _row(self, row: Raw, received_ns: int) -> list[Item]:
        """Read one event; what is wrong with it stays its own matter."""
        try:
            event = wire.decode_event(row)
            if event.event == "forceOrder":
                row = event.order
                event = wire.decode_event(row)
                event.event = "forceOrder"
        except UNREADABLE as e:
            return [unreadable(e, bytes(row))]
        if event.st == COIN_MARGINED or event.event in _IGNORED:
            self.checks.ignored += 1
            return []
        read = self._readers.get(event.event)
        if read is None:
            return [rejected("unknown_channel", f"event {event.event!r}", bytes(row))]
        instrument = self._instruments.get(event.native)
        if instrument is None:
            return [rejected("unknown_instrument", repr(event.native), bytes(row))]
        return self._read(read, event, row, instrument, received_ns) if self._hears(instrument) else []

    def _read(self, read: _Reader, event: wire.Event, row: Raw, instrument: Instrument, received_ns: int) -> list[Item]:
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
            venue=VENUE,
            symbol=instrument.symbol,
            event_ns=nanos(trade.event_ms),
            received_ns=received_ns,
            origin=self._origin,
            price=trade.price,
            size=trade.size,
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
        change = Change(
            bids=depth.bids,
            asks=depth.asks,
            previous=depth.previous,
            first=depth.first,
            last=depth.last,
            event_ns=nanos(depth.matched_ms or depth.pushed_ms),
        )
        return self._book(instrument.symbol).change(change, received_ns)

    def _liquidation(self, row: Raw, instrument: Instrument, received_ns: int) -> list[Item]:
        order = wire.decode_order(row)
        price, size = order.average or order.price, order.filled or order.size
        if not price or not size:
            return [rejected("value", "a liquidation without price or size", bytes(row))]
        return [
            Liquidation(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=nanos(order.event_ms),
                received_ns=received_ns,
                origin=self._origin,
                price=price,
                size=size,
                liquidated=PositionSide.LONG
                if order.side == "SELL"
                else PositionSide.SHORT,  # the closing order's side
            )
        ]

    def _mark(self, row: Raw, instrument: Instrument, received_ns: int) -> list[Item]:
        mark = wire.decode_mark(row)
        event_ns = nanos(mark.event_ms)
        items: list[Item] = [
            MarkPrice(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=event_ns,
                received_ns=received_ns,
                origin=self._origin,
                price=mark.price,
                index_price=mark.index,
            )
        ]
        if mark.rate and mark.next_ms:  # dated contracts have neither
            items.append(
                FundingRate(
                    venue=VENUE,
                    symbol=instrument.symbol,
                    event_ns=event_ns,
                    received_ns=received_ns,
                    origin=self._origin,
                    rate=rate(mark.rate),
                    next_funding_ns=nanos(mark.next_ms),
                )
            )
        return items

    def _lost(self, symbol: str, received_ns: int) -> list[Item]:
        book = self._book(symbol)
        return book.lose("value", max(book.book.event_ns, received_ns), received_ns)

    def _book(self, symbol: str) -> RestBook:
        found = self._books.get(symbol)
        if found is None:
            book = Book(
                venue=VENUE,
                symbol=symbol,
                origin=self._origin,
                checks=self.checks,
                ask=lambda cause: SnapshotWanted(symbol=symbol, cause=cause),
                depth=DEPTH,
            )
            found = self._books[symbol] = RestBook(book)
        return found
