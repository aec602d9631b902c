"""Binance by REST, what spot and futures share: instruments and streams in, calls out; answers in, events out. Pure."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Final, get_args
from urllib.parse import quote

from libs.common.events import SECOND_NS, Candle, Origin, Side, Source, Timeframe, Trade
from libs.common.events.symbols import SymbolError
from services.ingest.venues import binance_figures as figures
from services.ingest.venues.bars import event_ns, opening_ns
from services.ingest.venues.binance_catalogue import Listing, decode_catalogue, decode_listing
from services.ingest.venues.binance_rules import Rules
from services.ingest.venues.binance_stream import TradeChannel
from services.ingest.venues.binance_wire import (
    PagedAggTrade,
    PagedTrade,
    decode_agg_trades,
    decode_candles,
    decode_trades,
    stamp_ns,
)
from services.ingest.venues.terms import AnswerError, Heartbeat, Instrument, Plan, Request, Stream
from services.ingest.venues.venue import Venue, ignored
from services.ingest.venues.wire import UNREADABLE, base_size

STREAMS_PER_CONNECTION: Final = 200
DEPTH_LIMIT: Final = 1_000
TRADES_LIMIT: Final = 1_000
SINGLE_TRADES_LIMIT: Final = 500
_CLOSED_FOR_NS: Final = 5 * SECOND_NS
"""How long ago the newest bar must have ended to count as closed: our clock is not the venue's."""


class Binance(Venue):
    """What all venues of Binance do alike; one instance a configuration."""

    burst_s = 30.0  # limits are by the minute: with half of them at once, and half in the minute, they are kept
    heartbeat = Heartbeat(ping=None, idle_s=60, dead_s=60)
    rules: ClassVar[Rules]

    def __init__(
        self,
        *,
        ws_url: str = "",
        rest_url: str = "",
        trade_channel: TradeChannel = "aggTrade",
        depth_speed: str = "100ms",
    ) -> None:
        """Take other addresses for a sandbox, and which executions become trades.

        Args:
            ws_url: scheme and host; the venue's own where empty.
            rest_url: scheme and host; the venue's own where empty.
            trade_channel: `aggTrade`, `trade`, or `first`, for recordings only.
            depth_speed: the suffix of the depth stream.

        Raises:
            ValueError: an unknown trade channel.
        """
        if trade_channel not in get_args(TradeChannel):
            raise ValueError(
                f"{self.name}: trade channel {trade_channel!r}: one of {', '.join(get_args(TradeChannel))}"
            )
        self._ws_url = (ws_url or self.rules.ws_url).rstrip("/")
        self._rest_url = (rest_url or self.rules.rest_url).rstrip("/")
        self._trade_channel: TradeChannel = trade_channel
        self._depth_speed = depth_speed

    @abstractmethod
    def _instrument(self, listing: Listing) -> Instrument | None:
        """Return the instrument of a row; None for kinds that this system does not follow.

        Raises:
            ValidationError: its numbers are missing; SymbolError: it has no name.
        """

    @abstractmethod
    def _route(self, stream: Stream) -> str | None:
        """Return the path before `/stream` on which `stream` is served; None where the venue has none such."""

    def instruments_requests(self) -> Sequence[Request]:
        """Return the one call that lists everything."""
        return [Request(url=f"{self._rest_url}{self.rules.api}/exchangeInfo", weight=self.rules.listing_weight)]

    def instruments(self, bodies: Iterable[bytes], unnamed: Callable[[str], object] = ignored) -> dict[str, Instrument]:
        """Read the catalogue; kinds nobody follows, and listings without numbers, are left out."""
        found: dict[str, Instrument] = {}
        for body in bodies:
            try:
                rows = decode_catalogue(body).symbols
            except UNREADABLE as e:
                raise AnswerError(f"{self.name} instruments: {e}") from e
            for raw in rows:
                try:
                    instrument = self._instrument(decode_listing(raw))
                except SymbolError as e:
                    unnamed(str(e))
                    continue
                except UNREADABLE:
                    continue  # a placeholder: its numbers come with its launch
                if instrument:
                    found[instrument.native] = instrument
        return found

    def turnover_requests(self) -> Sequence[Request]:
        """Return the one call for the last 24 hours of all symbols."""
        return [Request(url=f"{self._rest_url}{self.rules.api}/ticker/24hr", weight=self.rules.day_weight)]

    def turnover(self, bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
        """Read it; of inverse contracts it is their number times their dollars."""
        return figures.turnover(self.name, bodies, instruments)

    def clock_request(self) -> Request:
        """Return the call for the venue's time."""
        return Request(url=f"{self._rest_url}{self.rules.api}/time")

    def clock_ns(self, body: bytes) -> int:
        """Read it: milliseconds, of spot microseconds where that was asked for."""
        return figures.clock_ns(self.name, body, micros=self.rules.micros)

    def plan(self, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Plan]:
        """Split over the venue's routes, at most 200 streams a connection; streams it does not have are left out."""
        by_route: dict[str, list[Stream]] = {}
        for stream in streams:
            route = self._route(stream)
            if route is not None:
                by_route.setdefault(route, []).append(stream)
        return [
            self._connection(route, instruments[start : start + each], routed)
            for route, routed in by_route.items()
            for each in (STREAMS_PER_CONNECTION // len(routed),)
            for start in range(0, len(instruments), each)
        ]

    def snapshot_request(self, instrument: Instrument) -> Request:
        """Return the call for 1,000 levels a side."""
        return self._request("depth", instrument, f"&limit={DEPTH_LIMIT}", self.rules.depth_weight)

    def candles_request(self, instrument: Instrument, timeframe: Timeframe, limit: int) -> Request:
        """Return the call for the newest candles, at most as many as the venue gives at once."""
        weights = self.rules.candle_weights
        limit = min(limit, weights[-1][0])
        weight = next(weight for most, weight in weights if limit <= most)
        return self._request("klines", instrument, f"&interval={timeframe}&limit={limit}", weight)

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, body: bytes, received_ns: int, origin: Origin
    ) -> list[Candle]:
        """Read candles; a bar is closed when another follows it, or when it ended five seconds ago."""
        try:
            rows = decode_candles(body)
        except UNREADABLE as e:
            raise AnswerError(f"{self.name} candles: {e}; {body[:200]!r}") from e
        candles = []
        for position, row in enumerate(rows, start=1):
            open_ns = opening_ns(self.name, timeframe, row[0])
            closed = position < len(rows) or received_ns >= open_ns + timeframe.ns + _CLOSED_FOR_NS
            candles.append(
                Candle(
                    venue=self.name,
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
                    volume=float(row[self.rules.volume]),
                    taker_buy_volume=float(row[self.rules.taker_volume]),
                    trades=row[8],
                    closed=closed,
                    source=Source.REST,
                )
            )
        return candles

    def trades_request(self, instrument: Instrument, after_id: str) -> Request:
        """Return the call for the trades after `after_id`, of the channel that is listened to.

        Of futures, `aggTrades` reaches back 48 hours; `historicalTrades` a month, but wants an API key in its header.
        """
        after = f"&fromId={self.trade_order(after_id) + 1}" if after_id else ""
        if self._trade_channel == "trade":
            more = f"{after}&limit={SINGLE_TRADES_LIMIT}"
            return self._request("historicalTrades", instrument, more, self.rules.single_weight)
        return self._request("aggTrades", instrument, f"{after}&limit={TRADES_LIMIT}", self.rules.page_weight)

    def trades(
        self, instrument: Instrument, after_id: str, body: bytes, received_ns: int, origin: Origin
    ) -> list[Trade]:
        """Read a page; the venue lists the oldest first."""
        rows: list[PagedAggTrade] | list[PagedTrade]
        after = self.trade_order(after_id) if after_id else -1
        try:
            if self._trade_channel == "trade":  # noqa: SIM108 - a ternary would lose the row types
                rows = decode_trades(body)
            else:
                rows = decode_agg_trades(body)
            return [self._trade(instrument, row, received_ns, origin) for row in rows if row.id > after]
        except UNREADABLE as e:
            raise AnswerError(f"{self.name} trades: {e}; {body[:200]!r}") from e

    def trade_order(self, trade_id: str) -> int:
        """Return the id as a number; of a range of ids, as frames of 2019 have, the last."""
        return int(trade_id.rpartition("-")[2])

    def _trade(
        self, instrument: Instrument, row: PagedAggTrade | PagedTrade, received_ns: int, origin: Origin
    ) -> Trade:
        return Trade(
            venue=self.name,
            symbol=instrument.symbol,
            event_ns=stamp_ns(row.time, micros=self.rules.micros),
            received_ns=received_ns,
            origin=origin,
            price=row.price,
            size=base_size(instrument, row.size, row.price),
            side=Side.SELL if row.buyer_is_maker else Side.BUY,
            trade_id=str(row.id),
        )

    def _connection(self, route: str, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> Plan:
        suffixes = {
            Stream.TRADES: "trade" if self._trade_channel == "trade" else "aggTrade",
            Stream.BOOKS: f"depth@{self._depth_speed}",
            Stream.LIQUIDATIONS: "forceOrder",
            Stream.FUNDING: "markPrice@1s",
        }
        names = [f"{quote(one.native.lower())}@{suffixes[stream]}" for one in instruments for stream in streams]
        return Plan(
            url=f"{self._ws_url}{route}/stream?streams={'/'.join(names)}",
            symbols=tuple(one.symbol for one in instruments),
            streams=tuple(streams),
        )

    def _request(self, call: str, instrument: Instrument, more: str, weight: int) -> Request:
        url = f"{self._rest_url}{self.rules.api}/{call}?symbol={quote(instrument.native)}{more}"
        return Request(url=url, weight=weight)
