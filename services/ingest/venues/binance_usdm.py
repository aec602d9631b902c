"""Binance USD-M futures: where to connect, what to ask, and how REST answers read. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, get_args
from urllib.parse import quote

from msgspec import Raw, Struct, convert, field, json

from libs.common.events import SECOND_NS, Candle, Origin, Side, Source, Timeframe, Trade
from libs.common.events.symbols import Symbol, SymbolError, future, perpetual
from services.ingest.venues.bars import event_ns, opening_ns
from services.ingest.venues.binance_usdm_stream import VENUE, TradeChannel, UsdmSession
from services.ingest.venues.venue import AnswerError, Heartbeat, Instrument, Plan, Request, Session, Stream, Venue
from services.ingest.venues.wire import UNREADABLE, LevelSize, Millis, Price, Size, nanos, positive
from services.ingest.venues.wire import Sequence as Id

WS_URL: Final = "wss://fstream.binance.com"
REST_URL: Final = "https://fapi.binance.com"
STREAMS_PER_CONNECTION: Final = 200
DEPTH_LIMIT: Final = 1_000
CANDLES_LIMIT: Final = 1_500
TRADES_LIMIT: Final = 1_000
_CLOSED_FOR_NS: Final = 5 * SECOND_NS
"""How long ago the newest bar must have ended to count as closed: our clock is not the venue's."""
_DATED: Final = frozenset({"CURRENT_QUARTER", "NEXT_QUARTER", "CURRENT_MONTH", "NEXT_MONTH"})


class BinanceUsdm(Venue):
    """The venue; one instance a configuration."""

    name = VENUE
    heartbeat = Heartbeat(ping=None, idle_s=60, dead_s=60)

    def __init__(
        self,
        *,
        ws_url: str = WS_URL,
        rest_url: str = REST_URL,
        trade_channel: TradeChannel = "aggTrade",
        depth_speed: str = "100ms",
    ) -> None:
        """Take other addresses for a sandbox, and which executions become trades.

        Args:
            ws_url: scheme and host.
            rest_url: scheme and host.
            trade_channel: `aggTrade`, `trade`, or `first`, for recordings only.
            depth_speed: the suffix of the depth stream.

        Raises:
            ValueError: an unknown trade channel.
        """
        if trade_channel not in get_args(TradeChannel):
            raise ValueError(
                f"binance-usdm: trade channel {trade_channel!r}: one of {', '.join(get_args(TradeChannel))}"
            )
        self._ws_url = ws_url.rstrip("/")
        self._rest_url = rest_url.rstrip("/")
        self._trade_channel: TradeChannel = trade_channel
        self._depth_speed = depth_speed

    def instruments_requests(self) -> Sequence[Request]:
        """Return the one call that lists everything."""
        return [Request(url=f"{self._rest_url}/fapi/v1/exchangeInfo")]

    def instruments(self, bodies: Iterable[bytes]) -> dict[str, Instrument]:
        """Read the catalogue; contracts on stocks, and listings without numbers, are left out."""
        found: dict[str, Instrument] = {}
        for body in bodies:
            try:
                rows = _decode_catalogue(body).symbols
            except UNREADABLE as e:
                raise AnswerError(f"binance-usdm instruments: {e}") from e
            for raw in rows:
                try:
                    instrument = _instrument(_decode_listing(raw))
                except (*UNREADABLE, SymbolError):
                    continue  # a placeholder: its numbers come with its launch
                if instrument:
                    found[instrument.native] = instrument
        return found

    def plan(self, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Plan]:
        """Split over the two routes, books on one and the rest on the other, at most 200 streams a connection."""
        by_route: dict[str, list[Stream]] = {}
        for stream in streams:
            by_route.setdefault(self._route(stream), []).append(stream)
        return [
            self._connection(route, instruments[start : start + each], routed)
            for route, routed in by_route.items()
            for each in (STREAMS_PER_CONNECTION // len(routed),)
            for start in range(0, len(instruments), each)
        ]

    def session(self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin) -> Session:
        """Return a new session; a plan without symbols hears everything."""
        return UsdmSession(plan, instruments, origin, self._trade_channel)

    def snapshot_request(self, instrument: Instrument) -> Request:
        """Return the call for 1,000 levels a side."""
        return self._request("depth", instrument, f"&limit={DEPTH_LIMIT}", weight=20)

    def candles_request(self, instrument: Instrument, timeframe: Timeframe, limit: int) -> Request:
        """Return the call for the newest candles, at most 1,500."""
        limit = min(limit, CANDLES_LIMIT)
        weight = 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10
        return self._request("klines", instrument, f"&interval={timeframe}&limit={limit}", weight=weight)

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, body: bytes, received_ns: int, origin: Origin
    ) -> list[Candle]:
        """Read candles; a bar is closed when another follows it, or when it ended five seconds ago."""
        try:
            rows = _decode_candles(body)
        except UNREADABLE as e:
            raise AnswerError(f"binance-usdm candles: {e}; {body[:200]!r}") from e
        candles = []
        for position, row in enumerate(rows, start=1):
            open_ns = opening_ns(VENUE, timeframe, row[0])
            closed = position < len(rows) or received_ns >= open_ns + timeframe.ns + _CLOSED_FOR_NS
            candles.append(
                Candle(
                    venue=VENUE,
                    symbol=instrument.symbol,
                    event_ns=event_ns(timeframe, open_ns, received_ns, closed=closed),
                    received_ns=received_ns,
                    origin=origin,
                    timeframe=timeframe,
                    open_ns=open_ns,
                    open=row[1],
                    high=row[2],
                    low=row[3],
                    close=row[4],
                    volume=row[5],
                    taker_buy_volume=row[9],
                    trades=row[8],
                    closed=closed,
                    source=Source.REST,
                )
            )
        return candles

    def trades_request(self, instrument: Instrument, after_id: str) -> Request:
        """Return the call for the trades after `after_id`, of the channel that is listened to.

        `aggTrades` reaches back 48 hours; `historicalTrades` a month, but wants an API key in its header.
        """
        after = f"&fromId={self.trade_order(after_id) + 1}" if after_id else ""
        if self._trade_channel == "trade":
            return self._request("historicalTrades", instrument, f"{after}&limit=500", weight=200)
        return self._request("aggTrades", instrument, f"{after}&limit={TRADES_LIMIT}", weight=20)

    def trades(
        self, instrument: Instrument, after_id: str, body: bytes, received_ns: int, origin: Origin
    ) -> list[Trade]:
        """Read a page; the venue lists the oldest first."""
        rows: list[_AggTrade] | list[_SingleTrade]
        try:
            if self._trade_channel == "trade":  # noqa: SIM108 - a ternary would lose the row types
                rows = _decode_single_trades(body)
            else:
                rows = _decode_agg_trades(body)
        except UNREADABLE as e:
            raise AnswerError(f"binance-usdm trades: {e}; {body[:200]!r}") from e
        after = self.trade_order(after_id) if after_id else -1
        return [
            Trade(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=nanos(row.event_ms),
                received_ns=received_ns,
                origin=origin,
                price=row.price,
                size=row.size,
                side=Side.SELL if row.buyer_is_maker else Side.BUY,
                trade_id=str(row.id),
            )
            for row in rows
            if row.id > after
        ]

    def trade_order(self, trade_id: str) -> int:
        """Return the id as a number; of a range of ids, as frames of 2019 have, the last."""
        return int(trade_id.rpartition("-")[2])

    def _route(self, stream: Stream) -> str:
        if stream is Stream.BOOKS or (stream is Stream.TRADES and self._trade_channel == "trade"):
            return "public"
        return "market"

    def _connection(self, route: str, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> Plan:
        suffixes = {
            Stream.TRADES: "trade" if self._trade_channel == "trade" else "aggTrade",
            Stream.BOOKS: f"depth@{self._depth_speed}",
            Stream.LIQUIDATIONS: "forceOrder",
            Stream.FUNDING: "markPrice@1s",
        }
        names = [f"{quote(one.native.lower())}@{suffixes[stream]}" for one in instruments for stream in streams]
        return Plan(
            url=f"{self._ws_url}/{route}/stream?streams={'/'.join(names)}",
            symbols=tuple(one.symbol for one in instruments),
            streams=tuple(streams),
        )

    def _request(self, call: str, instrument: Instrument, more: str, weight: int) -> Request:
        url = f"{self._rest_url}/fapi/v1/{call}?symbol={quote(instrument.native)}{more}"
        return Request(url=url, weight=weight)


class _Filter(Struct):
    kind: str = field(name="filterType")
    tick: str = field(name="tickSize", default="")
    step: str = field(name="stepSize", default="")


class _Listing(Struct):
    native: str = field(name="symbol")
    contract: str = field(name="contractType")
    status: str
    base: str = field(name="baseAsset")
    quote: str = field(name="quoteAsset")
    filters: list[_Filter]
    delivery_ms: int = field(name="deliveryDate", default=0)


class _Catalogue(Struct):
    symbols: list[Raw]


class _AggTrade(Struct):
    id: Id = field(name="a")
    price: Price = field(name="p")
    size: Size = field(name="q")
    event_ms: Millis = field(name="T")
    buyer_is_maker: bool = field(name="m")


class _SingleTrade(Struct):
    id: Id
    price: Price
    size: Size = field(name="qty")
    event_ms: Millis = field(name="time")
    buyer_is_maker: bool = field(name="isBuyerMaker")


_Candle = tuple[Millis, Price, Price, Price, Price, LevelSize, Millis, LevelSize, Id, LevelSize, LevelSize, str]
"""Open time, open, high, low, close, volume, close time, quote volume, trades, taker's two volumes, unused."""

_decode_catalogue = json.Decoder(_Catalogue).decode
_decode_listing = json.Decoder(_Listing).decode
_decode_candles = json.Decoder(list[_Candle], strict=False).decode
_decode_agg_trades = json.Decoder(list[_AggTrade], strict=False).decode
_decode_single_trades = json.Decoder(list[_SingleTrade], strict=False).decode


def _instrument(listing: _Listing) -> Instrument | None:
    """Return the instrument; None for kinds that this system does not follow."""
    kind = _kind(listing)
    if kind is None:
        return None
    steps = {one.kind: one.tick or one.step for one in listing.filters}
    return Instrument(
        symbol=str(kind),
        native=listing.native,
        kind=kind,
        tick=positive(steps.get("PRICE_FILTER", "")),
        lot=positive(steps.get("LOT_SIZE", "")),
        live=listing.status == "TRADING",
    )


def _kind(listing: _Listing) -> Symbol | None:
    if listing.contract == "PERPETUAL":
        return perpetual(listing.base, listing.quote)
    if listing.contract in _DATED:
        day = dt.datetime.fromtimestamp(convert(listing.delivery_ms, Millis) // 1000, tz=dt.UTC).date()
        return future(listing.base, listing.quote, day)
    return None
