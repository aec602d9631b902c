"""Hyperliquid's own perpetuals: where to connect, what to ask, and how REST answers read. Pure.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api, pages "Info endpoint" and "Tick and lot size".
What is settled in USDC is called so: `BTC-USDC-PERP`, since a perpetual on `USD` would be an inverse one here.
Left out: spot pairs, whose tokens anybody may name, and the exchanges of builders (HIP-3, `xyz:TSLA`), which have to be
asked for one by one and are settled in what their builders choose.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from msgspec import Raw

from libs.common.events import Candle, ListingStatus, Origin, Timeframe, Trade
from libs.common.events.symbols import SymbolError
from services.ingest.venues import hyperliquid_bars as bars
from services.ingest.venues import hyperliquid_requests as requests
from services.ingest.venues import hyperliquid_wire as wire
from services.ingest.venues.hyperliquid_requests import BOOKS
from services.ingest.venues.hyperliquid_stream import HyperliquidSession
from services.ingest.venues.hyperliquid_trades import fact, oldest_first
from services.ingest.venues.hyperliquid_wire import VENUE
from services.ingest.venues.terms import AnswerError, Heartbeat, Instrument, Plan, Request, Stream, TradeIds
from services.ingest.venues.venue import Session, Venue, ignored
from services.ingest.venues.wire import UNREADABLE, nanos

WS_URL: Final = "wss://api.hyperliquid.xyz"
REST_URL: Final = "https://api.hyperliquid.xyz"
PRICE_DECIMALS: Final = 6
"""A price has at most six decimals less those of the size."""


class Hyperliquid(Venue):
    """The venue; one instance a configuration."""

    name = VENUE
    trade_ids = TradeIds.UNORDERED
    clock_step_s = 1.0
    replays_trades = True
    frame_spacing_s = requests.FRAME_SPACING_S
    heartbeat = Heartbeat(ping=requests.PING, idle_s=15, dead_s=40)

    def __init__(
        self,
        *,
        ws_url: str = WS_URL,
        rest_url: str = REST_URL,
        book_channel: Literal["book20", "book5"] = "book20",
    ) -> None:
        """Take other addresses for the test net or a sandbox, and the book: 20 levels, or the 5 that come faster.

        Raises:
            ValueError: another book channel.
        """
        if book_channel not in BOOKS:
            raise ValueError(f"{VENUE}: book channel {book_channel!r}: one of {', '.join(BOOKS)}")
        self._ws_url = ws_url.rstrip("/")
        self._rest_url = rest_url.rstrip("/")
        self._book_channel = book_channel

    def instruments_requests(self) -> Sequence[Request]:
        """Return the call for the contracts of the first exchange, with each one's day."""
        return [requests.info(self._rest_url, "metaAndAssetCtxs")]

    def instruments(self, bodies: Iterable[bytes], unnamed: Callable[[str], object] = ignored) -> dict[str, Instrument]:
        """Read the catalogue; names that are none of ours are left out."""
        found: dict[str, Instrument] = {}
        for body in bodies:
            for listing, _ in _catalogue(body):
                try:
                    instrument = _instrument(wire.decode_listing(listing))
                except SymbolError as e:
                    unnamed(str(e))
                    continue
                except UNREADABLE:
                    continue  # of a builder's exchange, or in a form that nobody knows yet
                found[instrument.native] = instrument
        return found

    def turnover_requests(self) -> Sequence[Request]:
        """Return the catalogue's call: it says the day too."""
        return self.instruments_requests()

    def turnover(self, bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
        """Read `dayNtlVlm`, which is USDC."""
        found: dict[str, float] = {}
        for body in bodies:
            for listing, day in _catalogue(body):
                try:
                    name, turnover = wire.decode_listing(listing).name, wire.decode_day(day).turnover
                except UNREADABLE:
                    continue
                if name in instruments:
                    found[name] = turnover
        return found

    def clock_request(self) -> Request:
        """Return the call for the exchange's state."""
        return requests.info(self._rest_url, "exchangeStatus")

    def clock_ns(self, body: bytes) -> int:
        """Read its time: that of its newest block, which some tenths of a second are behind."""
        try:
            return nanos(wire.decode_status(body).now_ms)
        except UNREADABLE as e:
            raise AnswerError(f"{VENUE} clock: {e}: {body[:200]!r}") from e

    def plan(self, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Plan]:
        """Split over connections, within what one address may have."""
        heard = requests.offered(streams)
        if not heard:
            return []
        return [
            Plan(url=f"{self._ws_url}/ws", symbols=tuple(one.symbol for one in share), streams=heard)
            for share in requests.shares(instruments)
        ]

    def session(self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin) -> Session:
        """Return a new session; a plan without symbols hears everything and subscribes to nothing."""
        wanted = frozenset(plan.symbols)
        chosen = [one for one in instruments.values() if one.symbol in wanted] if wanted else []
        return HyperliquidSession(plan, instruments, origin, chosen=chosen, book_channel=self._book_channel)

    def snapshot_request(self, instrument: Instrument) -> Request:
        """Return the call for a book to compare with; the socket brings whole ones."""
        return requests.info(self._rest_url, "l2Book", coin=instrument.native)

    def candles_request(self, instrument: Instrument, timeframe: Timeframe, limit: int) -> Request:
        """Return the call for all candles there are, at most 5,000."""
        return requests.candles(self._rest_url, instrument.native, timeframe, limit, None)

    def candles_request_at(self, instrument: Instrument, timeframe: Timeframe, limit: int, now_ns: int) -> Request:
        """Return the call for the newest candles, at most 5,000, or the weeks in so many days."""
        return requests.candles(self._rest_url, instrument.native, timeframe, limit, now_ns)

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, body: bytes, received_ns: int, origin: Origin
    ) -> list[Candle]:
        """Read candles; a bar is closed when another follows it, or when it ended five seconds ago."""
        return bars.candles(instrument, timeframe, body, received_ns, origin)

    def trades_request(self, instrument: Instrument, after_id: str) -> Request:
        """Return the call for the newest ten trades: there is no way to ask for older."""
        _ = after_id
        return requests.info(self._rest_url, "recentTrades", requests.TRADES_LIMIT, coin=instrument.native)

    def trades(
        self, instrument: Instrument, after_id: str, body: bytes, received_ns: int, origin: Origin
    ) -> list[Trade]:
        """Read the newest trades; none while they do not hold `after_id`. Others of its block count as following it.

        Raises:
            AnswerError: it cannot be read, or all of it is later than `after_id`: what lies between cannot be had.
        """
        try:
            rows = [wire.decode_trade(row) for row in wire.decode_rows(body)]
        except UNREADABLE as e:
            raise AnswerError(f"{VENUE} trades: {e}: {body[:200]!r}") from e
        page = oldest_first([fact(row, instrument, received_ns, origin) for row in rows])
        if not after_id:
            return page
        after_ns = _after_ns(after_id)
        if page and page[0].event_ns > after_ns:
            raise AnswerError(f"{VENUE} shows the newest {len(page)} trades, which are all after {after_id}")
        if all(trade.trade_id != after_id for trade in page):
            return []
        return [trade for trade in page if trade.event_ns >= after_ns and trade.trade_id != after_id]

    def trade_order(self, trade_id: str) -> int:
        """Refuse: hashes have no order.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{VENUE}: the trade id {trade_id} has no place in an order")


def _catalogue(body: bytes) -> Iterator[tuple[Raw, Raw]]:
    """Yield each contract and the state of its day; the two halves of the answer are in one order."""
    try:
        universe, days = wire.decode_catalogue(body)
    except UNREADABLE as e:
        raise AnswerError(f"{VENUE}: {e}: {body[:200]!r}") from e
    if len(universe.listings) != len(days):
        raise AnswerError(f"{VENUE}: {len(universe.listings)} contracts and {len(days)} states of them")
    yield from zip(universe.listings, days, strict=True)


def _instrument(listing: wire.Listing) -> Instrument:
    """Return the instrument; `tick` is the smallest step there can be, at high prices five digits make it larger."""
    kind = wire.kind_of(listing.name)
    return Instrument(
        symbol=str(kind),
        native=listing.name,
        kind=kind,
        tick=_step(PRICE_DECIMALS - listing.size_decimals),
        lot=_step(listing.size_decimals),
        status=ListingStatus.DELISTED if listing.delisted else ListingStatus.LIVE,
    )


def _step(decimals: int) -> float:
    return float(f"1e-{decimals}")


def _after_ns(after_id: str) -> int:
    try:
        return nanos(wire.trade_ms(after_id))
    except ValueError as e:
        raise AnswerError(f"{VENUE} trades: {after_id!r} is no id of a trade") from e
