"""Hyperliquid's WebSocket: frames of one connection in, market events out. No sockets, no clock.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Raw

from libs.common.events import (
    HOUR_NS,
    MINUTE_NS,
    BookSnapshot,
    FundingRate,
    Level,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Origin,
    Trade,
)
from services.ingest.venues import hyperliquid_requests as requests
from services.ingest.venues import hyperliquid_wire as wire
from services.ingest.venues.books import Book
from services.ingest.venues.hyperliquid_book import WholeBook
from services.ingest.venues.hyperliquid_trades import fact, oldest_first
from services.ingest.venues.hyperliquid_wire import VENUE
from services.ingest.venues.terms import Acknowledged, Checks, Heard, Instrument, Item, Plan, Resubscribe, Stream
from services.ingest.venues.venue import Session
from services.ingest.venues.wire import (
    FRAME_LIMIT,
    UNREADABLE,
    Stamp,
    UnknownInstrumentError,
    nanos,
    rejected,
    unreadable,
)

DEPTH: Final = 20
"""Levels a side; the venue shows no more to anybody."""
INTERVAL_S: Final = 3600
"""Funding is paid each hour, on the hour."""
SAY_AGAIN_NS: Final = MINUTE_NS
"""A context comes each second; what stayed the same is said again after this long."""
GREETING: Final = b"Websocket connection established."
_IGNORED: Final = frozenset(
    {"allMids", "bbo", "candle", "activeSpotAssetCtx", "allDexsAssetCtxs", "fastAssetCtxs", "outcomeMetaUpdates"}
)


class HyperliquidSession(Session):
    """The memory of one connection: its books, and what each contract's context said last."""

    def __init__(
        self,
        plan: Plan,
        instruments: Mapping[str, Instrument],
        origin: Origin,
        *,
        chosen: Sequence[Instrument] = (),
        book_channel: str = "book20",
    ) -> None:
        """`instruments` by coin; `chosen`: those to subscribe to, in the plan's streams."""
        self.checks = Checks()
        self._instruments = instruments
        self._wanted = frozenset(plan.symbols)
        self._origin = origin
        self._book_channel = book_channel
        self._hello = [
            requests.subscribe(requests.subscription(one.native, stream, book_channel))
            for stream in plan.streams
            for one in chosen
        ]
        self._chosen = {one.symbol: one.native for one in chosen}
        self._books: dict[str, WholeBook] = {}
        self._contexts: dict[str, tuple[wire.Context, int]] = {}
        self._readers: Mapping[str, Callable[[Raw, int], list[Item]]] = {
            "trades": self._trades,
            "l2Book": self._book_push,
            "activeAssetCtx": self._context,
            "subscriptionResponse": self._acknowledged,
        }

    def subscribe(self) -> Sequence[bytes]:
        """Return the requests, one a stream and coin."""
        return self._hello

    def resubscribe(self, symbol: str, stream: Stream) -> Sequence[bytes]:
        """Return the frames that leave `stream` of `symbol` and join it again."""
        coin = self._chosen.get(symbol)
        return requests.fresh(requests.subscription(coin, stream, self._book_channel)) if coin else ()

    def receive(self, frame: bytes, received_ns: int) -> list[Item]:
        """Return what `frame` leads to; unreadable parts as `Rejected`."""
        if frame == GREETING:
            return []
        if len(frame) > FRAME_LIMIT:
            return [rejected("oversize", f"{len(frame)} bytes", frame)]
        try:
            return self._read(wire.decode_frame(frame), frame, received_ns)
        except UNREADABLE as e:
            return [unreadable(e, frame)]
        except UnknownInstrumentError as e:
            return [rejected("unknown_instrument", str(e), frame)]

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> list[Item]:
        """Reject: each message of the socket is a whole book."""
        _ = received_ns
        return [rejected("unexpected", f"{symbol}: snapshots come by the socket", body)]

    def book(self, symbol: str) -> BookSnapshot | None:
        """Return the book of `symbol`; None unless it is in sync."""
        found = self._books.get(symbol)
        return found.book.current() if found else None

    def _read(self, message: wire.Frame, frame: bytes, received_ns: int) -> list[Item]:
        if reader := self._readers.get(message.channel):
            return reader(message.data, received_ns)
        if message.channel == "pong":
            return []
        if message.channel == "error":
            return [rejected("error_frame", wire.decode_text(message.data)[:200], frame)]
        if message.channel in _IGNORED:
            self.checks.ignored += 1
            return []
        return [rejected("unknown_channel", f"channel {message.channel!r}"[:200], frame)]

    def _find(self, coin: str) -> Instrument | None:
        """Return the instrument; None where nobody asked for it.

        Raises:
            UnknownInstrumentError: the catalogue does not have it; coins of builders' exchanges, for one.
        """
        instrument = self._instruments.get(coin)
        if instrument is None:
            raise UnknownInstrumentError(coin[:200])
        if self._wanted and instrument.symbol not in self._wanted:
            self.checks.ignored += 1
            return None
        return instrument

    def _acknowledged(self, data: Raw, _: int) -> list[Item]:
        answer = wire.decode_acknowledgement(data)
        named = f"{answer.subscription.type} {answer.subscription.coin}".strip()
        return [Acknowledged(channel=named)] if answer.method == "subscribe" else []

    def _trades(self, data: Raw, received_ns: int) -> list[Item]:
        """Read the rows: the first frame of a subscription holds trades from some seconds before it."""
        found: list[Trade] = []
        rejects: list[Item] = []
        for row in wire.decode_rows(data):
            try:
                trade = wire.decode_trade(row)
                if instrument := self._find(trade.coin):
                    found.append(fact(trade, instrument, received_ns, self._origin))
            except UNREADABLE as e:
                rejects.append(unreadable(e, bytes(row)))
            except UnknownInstrumentError as e:
                rejects.append(rejected("unknown_instrument", str(e), bytes(row)))
        return [*oldest_first(found), *rejects]

    def _book_push(self, data: Raw, received_ns: int) -> list[Item]:
        instrument = self._find(wire.decode_coin(data).coin)
        if instrument is None:
            return []
        book = self._books.get(instrument.symbol) or self._follow(instrument)
        try:
            push = wire.decode_book(data)
        except UNREADABLE as e:
            return [unreadable(e, bytes(data)), *book.lose("value", received_ns)]
        bids, asks = (_levels(instrument, side) for side in push.levels)
        return book.take(bids, asks, nanos(push.event_ms), received_ns)

    def _follow(self, instrument: Instrument) -> WholeBook:
        named = requests.subscription(instrument.native, Stream.BOOKS, self._book_channel)
        book = Book(
            venue=VENUE,
            symbol=instrument.symbol,
            origin=self._origin,
            checks=self.checks,
            ask=lambda cause: Resubscribe(symbol=instrument.symbol, cause=cause, frames=requests.fresh(named)),
            depth=DEPTH,
        )
        self._books[instrument.symbol] = WholeBook(book)
        return self._books[instrument.symbol]

    def _context(self, data: Raw, received_ns: int) -> list[Item]:
        """Read a context as of when it came, for it says no time."""
        push = wire.decode_context(data)
        instrument = self._find(push.coin)
        if instrument is None:
            return []
        if not received_ns:
            return [rejected("value", "a context without a time, and the recording kept none", bytes(data))]
        before, said_ns = self._contexts.get(push.coin, (None, 0))
        if before is None or received_ns - said_ns >= SAY_AGAIN_NS:
            before, said_ns = None, received_ns
        self._contexts[push.coin] = push.context, said_ns
        stamp = Stamp(
            venue=VENUE,
            symbol=instrument.symbol,
            event_ns=received_ns,
            received_ns=received_ns,
            origin=self._origin,
        )
        return [*_news(push.context, before, instrument, stamp)] or [
            Heard(stream=Stream.FUNDING, symbol=instrument.symbol)
        ]


def _news(now: wire.Context, before: wire.Context | None, instrument: Instrument, stamp: Stamp) -> list[MarketEvent]:
    """Return what `now` says that `before` did not."""
    events: list[MarketEvent] = []
    if before is None or (now.mark, now.oracle) != (before.mark, before.oracle):
        events.append(MarkPrice(**stamp, price=now.mark, index_price=now.oracle))
    if before is None or now.funding != before.funding:
        next_ns = (stamp["event_ns"] // HOUR_NS + 1) * HOUR_NS
        events.append(FundingRate(**stamp, rate=now.funding, interval_s=INTERVAL_S, next_funding_ns=next_ns))
    if before is None or now.interest != before.interest:
        base = now.interest * instrument.contract_size
        events.append(OpenInterest(**stamp, base=base, notional=base * now.mark))
    return events


def _levels(instrument: Instrument, levels: Sequence[wire.BookLevel]) -> list[Level]:
    return [(level.price, level.size * instrument.contract_size) for level in levels]
