"""CoinAPI, one exchange through a vendor: where to connect, what to ask, and how REST answers read. Pure.

Its catalogue names many exchanges, its events only the vendor; so an instance follows one `exchange`, lest two markets
of the same symbol become one. Contracts are taken where the catalogue says their size in base units.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal
from urllib.parse import quote

import msgspec
from msgspec import json

from libs.common.events import DAY_NS, MINUTE_NS, SECOND_NS, Candle, Origin, Source, Timeframe, Trade
from libs.common.events.symbols import SymbolError
from services.ingest.venues import coinapi_wire as wire
from services.ingest.venues.bars import event_ns, opening_ns
from services.ingest.venues.coinapi_catalogue import decode_listing, instrument_of, rows_of
from services.ingest.venues.coinapi_figures import turnover
from services.ingest.venues.coinapi_stream import BOOKS, CoinapiSession, fact
from services.ingest.venues.coinapi_wire import VENUE
from services.ingest.venues.moments import moment, moment_ns
from services.ingest.venues.terms import (
    AnswerError,
    Checks,
    Header,
    Heartbeat,
    Instrument,
    Plan,
    Request,
    Stream,
    TradeIds,
)
from services.ingest.venues.venue import Session, Venue, ignored
from services.ingest.venues.wire import MILLISECOND_NS, UNREADABLE

WS_URL: Final = "wss://ws.coinapi.io"
REST_URL: Final = "https://rest.coinapi.io"
KEY_HEADER: Final = "X-CoinAPI-Key"
CANDLES_LIMIT: Final = 1_500
TRADES_LIMIT: Final = 1_000
ROWS_PER_CREDIT: Final = 100
SETTLE_NS: Final = 5 * SECOND_NS
"""A bar is closed when another follows it, or this long after its end."""
MIDNIGHT_NS: Final = 10 * MINUTE_NS
"""History ends with the UTC day it began in; this close to its end the newest trades are asked for instead."""
_BARS: Final = {
    Timeframe.M1: "1MIN",
    Timeframe.M5: "5MIN",
    Timeframe.M15: "15MIN",
    Timeframe.H1: "1HRS",
    Timeframe.H4: "4HRS",
    Timeframe.D1: "1DAY",
    Timeframe.W1: "7DAY",
}
_STREAMS: Final = (Stream.TRADES, Stream.BOOKS)


class Coinapi(Venue):
    """The vendor and one exchange behind it; one instance a configuration."""

    name = VENUE
    trade_ids = TradeIds.UNORDERED
    heartbeat = Heartbeat(ping=None, idle_s=10, dead_s=10)

    def __init__(
        self,
        *,
        ws_url: str = WS_URL,
        rest_url: str = REST_URL,
        api_key: str = "",
        exchange: str = "COINBASE",
        book_channel: Literal["book", "book5", "book20", "book50"] = "book",
    ) -> None:
        """Take the account's key, and the exchange in the vendor's own letters.

        Args:
            ws_url: scheme and host.
            rest_url: scheme and host.
            api_key: nothing can be asked without it; recordings need none.
            exchange: whose markets are followed; none takes the catalogue as it is, for recordings.
            book_channel: `book` is every level and every change, the others the best levels, whole.

        Raises:
            ValueError: another book channel.
        """
        if book_channel not in BOOKS:
            raise ValueError(f"coinapi: book channel {book_channel!r}: one of {', '.join(BOOKS)}")
        self._ws_url = ws_url.rstrip("/")
        self._rest_url = rest_url.rstrip("/")
        self._key = api_key
        self._exchange = exchange
        self._book_channel = book_channel

    def instruments_requests(self) -> Sequence[Request]:
        """Return the call for the exchange's symbols."""
        return [self._request(f"symbols?filter_exchange_id={quote(self._exchange, safe='')}")]

    def instruments(self, bodies: Iterable[bytes], unnamed: Callable[[str], object] = ignored) -> dict[str, Instrument]:
        """Read the catalogue; other exchanges, options, indices and contracts of an unknown size are left out."""
        found: dict[str, Instrument] = {}
        for body in bodies:
            for raw in rows_of(body):
                try:
                    instrument = instrument_of(decode_listing(raw), self._exchange)
                except SymbolError as e:
                    unnamed(str(e))
                    continue
                except UNREADABLE:
                    continue  # a placeholder, or a name that is none of ours
                if instrument:
                    found[instrument.native] = instrument
        return found

    def turnover_requests(self) -> Sequence[Request]:
        """Return the call for the catalogue, which says it."""
        return self.instruments_requests()

    def turnover(self, bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
        """Read the catalogue once more; dollars stand for the currencies that are to be worth one."""
        return turnover(bodies, instruments)

    def plan(self, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Plan]:
        """Put everything on one connection: plans with one only exist."""
        heard = tuple(stream for stream in streams if stream in _STREAMS)
        if not instruments or not heard:
            return []
        symbols = tuple(one.symbol for one in instruments)
        return [Plan(url=f"{self._ws_url}/v1/", symbols=symbols, streams=heard, headers=self._headers())]

    def session(self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin) -> Session:
        """Return a new session; a plan without symbols hears everything and says nothing."""
        wanted = frozenset(plan.symbols)
        natives = [one.native for one in instruments.values() if one.symbol in wanted] if wanted else []
        hello = [self._hello(natives, plan.streams)] if natives and plan.streams else []
        return CoinapiSession(plan, instruments, origin, hello=hello, secret=self._key)

    def snapshot_request(self, instrument: Instrument) -> Request:
        """Return the call for a book to compare with; the stream's own snapshots are the only base for its changes."""
        return self._request(f"orderbooks/{quote(instrument.native, safe='')}/current")

    def candles_request(self, instrument: Instrument, timeframe: Timeframe, limit: int) -> Request:
        """Return the call for the newest candles, at most 1,500."""
        limit = min(limit, CANDLES_LIMIT)
        path = f"ohlcv/{quote(instrument.native, safe='')}/latest?period_id={_BARS[timeframe]}&limit={limit}"
        return self._request(path, rows=limit)

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, body: bytes, received_ns: int, origin: Origin
    ) -> list[Candle]:
        """Read candles; a bar without trades has no prices and is left out."""
        try:
            rows = wire.decode_bars(body)
            bars = sorted(((_opening_ns(timeframe, row), row) for row in rows), key=lambda bar: bar[0])
        except UNREADABLE as e:
            raise AnswerError(f"coinapi candles: {e}: {body[:200]!r}") from e
        newest_ns = bars[-1][0] if bars else 0
        candles = []
        for open_ns, row in bars:
            prices = row.price_open, row.price_high, row.price_low, row.price_close
            opened, high, low, close = prices
            if opened is None or high is None or low is None or close is None or row.volume_traded is None:
                continue
            closed = open_ns < newest_ns or received_ns >= open_ns + timeframe.ns + SETTLE_NS
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
                    volume=row.volume_traded * instrument.contract_size,
                    trades=row.trades_count,
                    closed=closed,
                    source=Source.REST,
                )
            )
        return candles

    def trades_request(self, instrument: Instrument, after_id: str) -> Request:
        """Return the call for the newest trades: an id has no place in an order to ask from."""
        _ = after_id
        path = f"trades/{quote(instrument.native, safe='')}/latest?limit={TRADES_LIMIT}"
        return self._request(path, rows=TRADES_LIMIT)

    def trades_request_since(self, instrument: Instrument, after_id: str, after_ns: int) -> Request:
        """Return the call for the trades from `after_ns` on, that one included."""
        if after_ns % DAY_NS >= DAY_NS - MIDNIGHT_NS:
            return self.trades_request(instrument, after_id)
        start = quote(moment(after_ns), safe="")
        path = f"trades/{quote(instrument.native, safe='')}/history?time_start={start}&limit={TRADES_LIMIT}"
        return self._request(path, rows=TRADES_LIMIT)

    def trades(
        self, instrument: Instrument, after_id: str, body: bytes, received_ns: int, origin: Origin
    ) -> list[Trade]:
        """Read a page, oldest first; one that does not hold `after_id` itself proves nothing and counts as empty."""
        checks = Checks()
        try:
            rows = wire.decode_executions(body)
            found = [fact(row, instrument, received_ns=received_ns, origin=origin, checks=checks) for row in rows]
        except UNREADABLE as e:
            raise AnswerError(f"coinapi trades: {e}: {body[:200]!r}") from e
        page = [trade for trade in found if trade]
        if page and page[0].event_ns > page[-1].event_ns:
            page.reverse()  # the newest come first there
        page.sort(key=lambda trade: trade.event_ns)
        if not after_id:
            return page
        after_ns = next((trade.event_ns for trade in page if trade.trade_id == after_id), None)
        if after_ns is None:
            return []
        return [trade for trade in page if trade.event_ns >= after_ns and trade.trade_id != after_id]

    def trade_order(self, trade_id: str) -> int:
        """Refuse: the vendor's ids are random."""
        raise ValueError(f"coinapi: {trade_id} has no place in an order")

    def _request(self, path: str, rows: int = 1) -> Request:
        weight = math.ceil(rows / ROWS_PER_CREDIT)
        return Request(url=f"{self._rest_url}/v1/{path}", weight=weight, headers=self._headers())

    def _headers(self) -> tuple[Header, ...]:
        return (Header(name=KEY_HEADER, value=self._key),) if self._key else ()

    def _hello(self, natives: Sequence[str], streams: Sequence[Stream]) -> bytes:
        """Return the message that says what is listened to; `$` keeps a name from matching longer ones."""
        types = {Stream.TRADES: "trade", Stream.BOOKS: self._book_channel}
        return json.encode(
            {
                "type": "hello",
                "heartbeat": True,
                "subscribe_data_type": [types[stream] for stream in streams],
                "subscribe_filter_symbol_id": [f"{native}$" for native in natives],
            }
        )


def _opening_ns(timeframe: Timeframe, row: wire.Bar) -> int:
    open_ns = moment_ns(row.time_period_start)
    if moment_ns(row.time_period_end) - open_ns != timeframe.ns or open_ns % MILLISECOND_NS:
        raise msgspec.ValidationError(f"{row.time_period_start} to {row.time_period_end} is no {timeframe}")
    return opening_ns(VENUE, timeframe, open_ns // MILLISECOND_NS)
