"""OKX v5, spot and swaps and dated futures: where to connect, what to ask, and how REST answers read. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal
from urllib.parse import quote

from msgspec import json

from libs.common.events import Candle, Origin, Side, Source, Timeframe, Trade
from libs.common.events.symbols import Kind, SymbolError
from services.ingest.venues import okx_figures as figures
from services.ingest.venues import okx_wire as wire
from services.ingest.venues.bars import event_ns, opening_ns
from services.ingest.venues.okx_answers import rows_of
from services.ingest.venues.okx_catalogue import decode_listing, instrument_of
from services.ingest.venues.okx_requests import INSTRUMENT_TYPES, subscriptions
from services.ingest.venues.okx_stream import OkxSession
from services.ingest.venues.okx_wire import VENUE
from services.ingest.venues.terms import AnswerError, Heartbeat, Instrument, Plan, Request, Stream, TradeIds
from services.ingest.venues.venue import Session, Venue, ignored
from services.ingest.venues.wire import UNREADABLE, LevelSize, Millis, Price, base_size, nanos

WS_URL: Final = "wss://ws.okx.com"
REST_URL: Final = "https://www.okx.com"
BOOKS_PER_CONNECTION: Final = 25
"""The venue asks for fewer than 30 deep books on a connection."""
CANDLES_LIMIT: Final = 300
TRADES_LIMIT: Final = 100
_BARS: Final = {
    Timeframe.M1: "1m",
    Timeframe.M5: "5m",
    Timeframe.M15: "15m",
    Timeframe.H1: "1H",
    Timeframe.H4: "4H",
    Timeframe.D1: "1Dutc",  # without `utc` days open at 16:00 UTC
    Timeframe.W1: "1Wutc",
}
_decode_candle = json.Decoder(
    tuple[Millis, Price, Price, Price, Price, LevelSize, LevelSize, LevelSize, str], strict=False
).decode


class Okx(Venue):
    """The venue; one instance a configuration."""

    name = VENUE
    trade_ids = TradeIds.RISING
    heartbeat = Heartbeat(ping=b"ping", idle_s=15, dead_s=25)

    def __init__(
        self, *, ws_url: str = WS_URL, rest_url: str = REST_URL, trade_channel: Literal["trades"] = "trades"
    ) -> None:
        """Take other addresses for a region, a demo or a sandbox.

        Raises:
            ValueError: another trade channel; `trades-all` is on another path and would count volume twice.
        """
        if trade_channel != "trades":
            raise ValueError(f"okx: trade channel {trade_channel!r}: only trades")
        self._ws_url = ws_url.rstrip("/")
        self._rest_url = rest_url.rstrip("/")

    def instruments_requests(self) -> Sequence[Request]:
        """Return one call for each kind of instrument."""
        return [self._request(f"public/instruments?instType={kind}") for kind in INSTRUMENT_TYPES.values()]

    def instruments(self, bodies: Iterable[bytes], unnamed: Callable[[str], object] = ignored) -> dict[str, Instrument]:
        """Read the catalogue; X-Perps, stocks, options and listings without numbers are left out."""
        found: dict[str, Instrument] = {}
        for body in bodies:
            for raw in rows_of(body):
                try:
                    instrument = instrument_of(decode_listing(raw))
                except SymbolError as e:
                    unnamed(str(e))
                    continue
                except UNREADABLE:
                    continue  # a placeholder: its numbers come with its launch
                if instrument:
                    found[instrument.native] = instrument
        return found

    def turnover_requests(self) -> Sequence[Request]:
        """Return one call for each kind of instrument."""
        return [self._request(f"market/tickers?instType={kind}") for kind in INSTRUMENT_TYPES.values()]

    def turnover(self, bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
        """Read the tickers; of linear contracts the venue says coins, which the last price turns into currency."""
        return figures.turnover(bodies, instruments)

    def clock_request(self) -> Request:
        """Return the call for the venue's time."""
        return self._request("public/time")

    def clock_ns(self, body: bytes) -> int:
        """Read it, milliseconds."""
        return figures.clock_ns(body)

    def plan(self, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Plan]:
        """Split over connections by the number of deep books."""
        return [
            Plan(
                url=f"{self._ws_url}/ws/v5/public",
                symbols=tuple(one.symbol for one in instruments[start : start + BOOKS_PER_CONNECTION]),
                streams=tuple(streams),
            )
            for start in range(0, len(instruments), BOOKS_PER_CONNECTION)
        ]

    def session(self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin) -> Session:
        """Return a new session; a plan without symbols hears everything and subscribes to nothing."""
        wanted = frozenset(plan.symbols)
        chosen = [one for one in instruments.values() if one.symbol in wanted] if wanted else []
        return OkxSession(plan, instruments, origin, subscriptions(chosen, plan.streams))

    def snapshot_request(self, instrument: Instrument) -> Request:
        """Return the call for a book to compare with; the stream's own snapshots are the only base for its changes."""
        return self._request(f"market/books?instId={quote(instrument.native)}&sz=400")

    def candles_request(self, instrument: Instrument, timeframe: Timeframe, limit: int) -> Request:
        """Return the call for the newest candles, at most 300; days and weeks open at 00:00 UTC."""
        limit = min(limit, CANDLES_LIMIT)
        return self._request(f"market/candles?instId={quote(instrument.native)}&bar={_BARS[timeframe]}&limit={limit}")

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, body: bytes, received_ns: int, origin: Origin
    ) -> list[Candle]:
        """Read candles; the venue says itself which are closed."""
        try:
            rows = [_decode_candle(raw) for raw in rows_of(body)]
        except UNREADABLE as e:
            raise AnswerError(f"okx candles: {e}") from e
        spot_market = instrument.kind.kind is Kind.SPOT
        candles = []
        for millis, opened, high, low, close, volume, base_volume, _, confirm in reversed(rows):
            open_ns = opening_ns(VENUE, timeframe, millis)
            closed = confirm == "1"
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
                    volume=volume if spot_market else base_volume,
                    closed=closed,
                    source=Source.REST,
                )
            )
        return candles

    def trades_request(self, instrument: Instrument, after_id: str) -> Request:
        """Return the call for the 100 ids that follow `after_id`: rows come newest first, so it asks from above."""
        above = f"&after={int(after_id) + TRADES_LIMIT + 1}" if after_id else ""
        return self._request(
            f"market/history-trades?instId={quote(instrument.native)}&type=1{above}&limit={TRADES_LIMIT}"
        )

    def trades(
        self, instrument: Instrument, after_id: str, body: bytes, received_ns: int, origin: Origin
    ) -> list[Trade]:
        """Read a page of single executions, oldest first."""
        try:
            rows = [wire.decode_trade(raw) for raw in rows_of(body)]
        except UNREADABLE as e:
            raise AnswerError(f"okx trades: {e}") from e
        after = int(after_id) if after_id else -1
        return [
            Trade(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=nanos(row.event_ms),
                received_ns=received_ns,
                origin=origin,
                price=row.price,
                size=base_size(instrument, row.size, row.price),
                side=Side(row.side),
                trade_id=row.id,
            )
            for row in sorted(rows, key=lambda row: int(row.id))
            if int(row.id) > after
        ]

    def trade_order(self, trade_id: str) -> int:
        """Return the id as a number; an aggregate carries the last of its ids."""
        return int(trade_id)

    def _request(self, path: str) -> Request:
        return Request(url=f"{self._rest_url}/api/v5/{path}")
