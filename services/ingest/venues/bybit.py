"""Bybit v5, linear and inverse contracts and spot: where to connect, what to ask, and how REST answers read. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from msgspec import json

from libs.common.events import SECOND_NS, Candle, Origin, Side, Source, Timeframe, Trade
from libs.common.events.symbols import SymbolError
from services.ingest.venues import bybit_figures as figures
from services.ingest.venues import bybit_requests as requests
from services.ingest.venues import bybit_wire as wire
from services.ingest.venues.bars import event_ns, opening_ns
from services.ingest.venues.bybit_answers import result_of
from services.ingest.venues.bybit_catalogue import decode_listing, instrument_of
from services.ingest.venues.bybit_stream import BybitSession, category_of
from services.ingest.venues.bybit_wire import CATEGORIES, SPOT, VENUE, category_and_name
from services.ingest.venues.terms import AnswerError, Heartbeat, Instrument, Plan, Request, Stream, TradeIds
from services.ingest.venues.venue import Session, Venue, ignored
from services.ingest.venues.wire import UNREADABLE, LevelSize, Millis, Price, base_size, nanos

WS_URL: Final = "wss://stream.bybit.com"
REST_URL: Final = "https://api.bybit.com"
CANDLES_LIMIT: Final = 1000
_TRADES_LIMITS: Final = {SPOT: 60}
_TRADES_LIMIT: Final = 1000
_PAGE: Final = 1000
_CLOSED_FOR_NS: Final = 5 * SECOND_NS
"""A bar that ended so long ago is closed, although none follows it yet."""
_INTERVALS: Final = {
    Timeframe.M1: "1",
    Timeframe.M5: "5",
    Timeframe.M15: "15",
    Timeframe.H1: "60",
    Timeframe.H4: "240",
    Timeframe.D1: "D",
    Timeframe.W1: "W",
}
_decode_candle = json.Decoder(tuple[Millis, Price, Price, Price, Price, LevelSize, LevelSize], strict=False).decode


class Bybit(Venue):
    """The venue; one instance a configuration."""

    name = VENUE
    trade_ids = TradeIds.UNORDERED
    heartbeat = Heartbeat(ping=requests.PING, idle_s=20, dead_s=30, busy_too=True)
    bans: Mapping[int, float] = {403: 600.0}

    def __init__(self, *, ws_url: str = WS_URL, rest_url: str = REST_URL) -> None:
        """Take other addresses for a region, a test net or a sandbox."""
        self._ws_url = ws_url.rstrip("/")
        self._rest_url = rest_url.rstrip("/")

    def instruments_requests(self) -> Sequence[Request]:
        """Return the call for the first page of each category."""
        return [self._page(category) for category in CATEGORIES]

    def instruments_after(self, request: Request, body: bytes) -> Request | None:
        """Return the call for the next page; the cursor is the venue's, and may be quoted already."""
        _ = request
        result = result_of(body)
        return self._page(result.category, f"&cursor={quote(result.cursor, safe='%')}") if result.cursor else None

    def instruments(self, bodies: Iterable[bytes], unnamed: Callable[[str], object] = ignored) -> dict[str, Instrument]:
        """Read the catalogue; stocks, commodities, options and listings without numbers are left out."""
        found: dict[str, Instrument] = {}
        for body in bodies:
            result = result_of(body)
            for raw in result.rows:
                try:
                    instrument = instrument_of(result.category, decode_listing(raw))
                except SymbolError as e:
                    unnamed(str(e))
                    continue
                except UNREADABLE:
                    continue  # a placeholder: its numbers come with its launch
                if instrument:
                    found[instrument.native] = instrument
        return found

    def turnover_requests(self) -> Sequence[Request]:
        """Return one call for each category."""
        return [Request(url=f"{self._rest_url}/v5/market/tickers?category={category}") for category in CATEGORIES]

    def turnover(self, bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
        """Read the tickers; of inverse contracts the turnover is in coins, and the volume is what is in dollars."""
        return figures.turnover(bodies, instruments)

    def clock_request(self) -> Request:
        """Return the call for the venue's time."""
        return Request(url=f"{self._rest_url}/v5/market/time")

    def clock_ns(self, body: bytes) -> int:
        """Read it, nanoseconds."""
        return figures.clock_ns(body)

    def plan(self, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Plan]:
        """Split by category, each with sockets of its own, and within one by the length of what is asked for."""
        plans = []
        for category in CATEGORIES:
            mine = [one for one in instruments if category_and_name(one.native)[0] == category]
            heard = requests.offered(category, streams)
            plans += [
                Plan(
                    url=f"{self._ws_url}/v5/public/{category}",
                    symbols=tuple(one.symbol for one in share),
                    streams=heard,
                )
                for share in (requests.shares(mine, heard) if heard else ())
            ]
        return plans

    def session(self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin) -> Session:
        """Return a new session; a plan without symbols hears everything and subscribes to nothing."""
        wanted = frozenset(plan.symbols)
        category = category_of(plan.url)
        chosen = [
            one
            for one in (instruments.values() if wanted else ())
            if one.symbol in wanted and category_and_name(one.native)[0] == category
        ]
        return BybitSession(
            plan, instruments, origin, requests.topics(chosen, requests.offered(category, plan.streams))
        )

    def snapshot_request(self, instrument: Instrument) -> Request:
        """Return the call for a book to compare with; the stream's own snapshots are the only base for its changes."""
        return self._request("orderbook", instrument, requests.DEPTH)

    def candles_request(self, instrument: Instrument, timeframe: Timeframe, limit: int) -> Request:
        """Return the call for the newest candles, at most 1,000."""
        return self._request("kline", instrument, min(limit, CANDLES_LIMIT), f"&interval={_INTERVALS[timeframe]}")

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, body: bytes, received_ns: int, origin: Origin
    ) -> list[Candle]:
        """Read candles; a bar is closed when another follows it, or when it ended five seconds ago."""
        try:
            rows = [_decode_candle(raw) for raw in result_of(body).rows]
        except UNREADABLE as e:
            raise AnswerError(f"bybit candles: {e}") from e
        candles = []
        for position, (millis, opened, high, low, close, volume, turnover) in enumerate(reversed(rows), start=1):
            open_ns = opening_ns(VENUE, timeframe, millis)
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
                    open=opened,
                    high=high,
                    low=low,
                    close=close,
                    volume=turnover if instrument.inverse else volume,  # there the turnover is what is in coins
                    closed=closed,
                    source=Source.REST,
                )
            )
        return candles

    def trades_request(self, instrument: Instrument, after_id: str) -> Request:
        """Return the call for the newest trades, 60 on spot and 1,000 elsewhere: there is no way to ask for older."""
        _ = after_id
        category, _name = category_and_name(instrument.native)
        return self._request("recent-trade", instrument, _TRADES_LIMITS.get(category, _TRADES_LIMIT))

    def trades(
        self, instrument: Instrument, after_id: str, body: bytes, received_ns: int, origin: Origin
    ) -> list[Trade]:
        """Read the newest trades; none where they do not reach back to `after_id`, for then some are missing.

        Rows of one millisecond may stand in another order than they were pushed in: all of them but `after_id` count
        as following it.
        """
        try:
            rows = [wire.decode_recent_trade(raw) for raw in result_of(body).rows]
        except UNREADABLE as e:
            raise AnswerError(f"bybit trades: {e}") from e
        since_ms = next((row.event_ms for row in rows if row.id == after_id), None) if after_id else 0
        if since_ms is None:
            return []
        return [
            Trade(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=nanos(row.event_ms),
                received_ns=received_ns,
                origin=origin,
                price=row.price,
                size=base_size(instrument, row.size, row.price),
                side=Side(row.side.lower()),
                trade_id=row.id,
            )
            for row in reversed(rows)
            if row.event_ms >= since_ms and row.id != after_id and not row.block
        ]

    def trade_order(self, trade_id: str) -> int:
        """Refuse: UUIDs have no order.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"bybit: the trade id {trade_id} has no place in an order")

    def _page(self, category: str, cursor: str = "") -> Request:
        return Request(url=f"{self._rest_url}/v5/market/instruments-info?category={category}&limit={_PAGE}{cursor}")

    def _request(self, call: str, instrument: Instrument, limit: int, more: str = "") -> Request:
        category, name = category_and_name(instrument.native)
        return Request(
            url=f"{self._rest_url}/v5/market/{call}?category={category}&symbol={quote(name)}{more}&limit={limit}"
        )
