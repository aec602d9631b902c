"""Kraken, spot: where to connect, what to ask, and how REST answers read. Pure.

WebSocket v2: https://docs.kraken.com/exchange/guides/websockets/introduction. REST:
https://docs.kraken.com/api-reference/market-data. There is no funding, no open interest and no liquidation on spot.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, get_args
from urllib.parse import quote

from libs.common.events import Candle, Origin, Side, Source, Timeframe, Trade
from libs.common.events.symbols import SymbolError
from services.ingest.venues import kraken_answers as answers
from services.ingest.venues import kraken_wire as wire
from services.ingest.venues.bars import event_ns
from services.ingest.venues.kraken_bars import MINUTES, bars_of
from services.ingest.venues.kraken_book import MICROSECOND_NS
from services.ingest.venues.kraken_catalogue import instrument_of, short_name
from services.ingest.venues.kraken_requests import subscriptions
from services.ingest.venues.kraken_stream import KrakenSession
from services.ingest.venues.kraken_wire import VENUE
from services.ingest.venues.moments import seconds_ns
from services.ingest.venues.terms import AnswerError, Heartbeat, Instrument, Plan, Request, Stream, TradeIds
from services.ingest.venues.venue import Session, Venue, ignored
from services.ingest.venues.wire import MILLISECOND_NS, UNREADABLE

WS_URL: Final = "wss://ws.kraken.com"
REST_URL: Final = "https://api.kraken.com"
SYMBOLS_PER_CONNECTION: Final = 100
"""Our choice: the venue says that one connection can carry everything."""
CALL_WEIGHT: Final = 20
"""Of each REST call, so that the usual budget of 1,200 a minute makes one call a second: all that the venue's support
allows public calls from one address (github.com/discosultan/KrakenCore/issues/1); its documentation has no number."""
OVERLAP_NS: Final = 20 * MILLISECOND_NS
"""Trades are asked for from this long before the last one on, whose time the socket cut to microseconds, if it says the
same time as REST at all; the overlap is dropped by id."""
TIGHT_NS: Final = MICROSECOND_NS
"""The same where the time has more digits: REST said it itself. A burst has had 1,000 trades, a whole page, within 14
microseconds, and a wide overlap would show that page again and again."""

BookChannel = Literal["book10", "book25", "book100", "book500", "book1000"]
_STREAMS: Final = (Stream.TRADES, Stream.BOOKS)
_SIDES: Final = {"b": Side.BUY, "s": Side.SELL}


class Kraken(Venue):
    """The venue; one instance a configuration."""

    name = VENUE
    trade_ids = TradeIds.CONSECUTIVE
    clock_step_s = 1.0
    heartbeat = Heartbeat(ping=b'{"method":"ping"}', idle_s=10, dead_s=20)
    overdone = (b"EAPI:Rate limit exceeded", b"EGeneral:Too many requests", b"EService: Throttled")

    def __init__(
        self,
        *,
        ws_url: str = WS_URL,
        rest_url: str = REST_URL,
        book_channel: BookChannel = "book10",
        replay: bool = True,
    ) -> None:
        """Take other addresses for the venue's beta or a sandbox.

        Args:
            ws_url: scheme and host.
            rest_url: scheme and host.
            book_channel: levels a side; only the first ten are covered by the venue's checksum.
            replay: begin each subscription with the newest 50 trades from before it. A recording wants none: it may
                hold them already.

        Raises:
            ValueError: another book channel.
        """
        if book_channel not in get_args(BookChannel):
            raise ValueError(f"kraken: book channel {book_channel!r}: one of {', '.join(get_args(BookChannel))}")
        self._ws_url = ws_url.rstrip("/")
        self._rest_url = rest_url.rstrip("/")
        self._depth = int(book_channel.removeprefix("book"))
        self._replay = replay

    def instruments_requests(self) -> Sequence[Request]:
        """Return the call for all pairs, by the names that the socket takes."""
        return [self._request("AssetPairs?assetVersion=1")]

    def instruments(self, bodies: Iterable[bytes], unnamed: Callable[[str], object] = ignored) -> dict[str, Instrument]:
        """Read the catalogue; dark pools, tokenized shares and unreadable rows are left out."""
        found: dict[str, Instrument] = {}
        for body in bodies:
            for key, row in answers.members_of(body).items():
                try:
                    instrument = instrument_of(key, row)
                except SymbolError as e:
                    unnamed(str(e))
                    continue
                except UNREADABLE:
                    continue  # no market of ours
                if instrument:
                    found[instrument.native] = instrument
        return found

    def turnover_requests(self) -> Sequence[Request]:
        """Return the call for the tickers of all pairs."""
        return [self._request("Ticker?assetVersion=1")]

    def turnover(self, bodies: Iterable[bytes], instruments: Mapping[str, Instrument]) -> dict[str, float]:
        """Read the tickers."""
        return answers.turnover(bodies, instruments)

    def clock_request(self) -> Request:
        """Return the call for the venue's time."""
        return self._request("Time")

    def clock_ns(self, body: bytes) -> int:
        """Read it: whole seconds, up to one behind."""
        return answers.clock_ns(body)

    def plan(self, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Plan]:
        """Split over connections by the number of pairs."""
        heard = tuple(stream for stream in streams if stream in _STREAMS)
        if not heard:
            return []
        return [
            Plan(
                url=f"{self._ws_url}/v2",
                symbols=tuple(one.symbol for one in instruments[start : start + SYMBOLS_PER_CONNECTION]),
                streams=heard,
            )
            for start in range(0, len(instruments), SYMBOLS_PER_CONNECTION)
        ]

    def session(self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin) -> Session:
        """Return a new session; a plan without symbols hears everything and subscribes to nothing."""
        wanted = frozenset(plan.symbols)
        chosen = [one for one in instruments.values() if one.symbol in wanted] if wanted else []
        frames = subscriptions(chosen, plan.streams, depth=self._depth, replay=self._replay)
        return KrakenSession(plan, instruments, origin, frames, replay=self._replay)

    def snapshot_request(self, instrument: Instrument) -> Request:
        """Return the call for a book to compare with; the stream's own snapshots are the only base for its changes."""
        return self._request(f"Depth?pair={_pair(instrument)}&count={min(self._depth, 500)}")

    def candles_request(self, instrument: Instrument, timeframe: Timeframe, limit: int) -> Request:
        """Return the call for the newest candles: 720 of them, there is no choice."""
        _ = limit
        return self._request(f"OHLC?pair={_pair(instrument)}&interval={MINUTES[timeframe]}")

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, body: bytes, received_ns: int, origin: Origin
    ) -> list[Candle]:
        """Read candles; weeks are made of the days that came."""
        return [
            Candle(
                venue=VENUE,
                symbol=instrument.symbol,
                event_ns=event_ns(timeframe, bar.open_ns, received_ns, closed=bar.closed),
                received_ns=received_ns,
                origin=origin,
                timeframe=timeframe,
                open_ns=bar.open_ns,
                open=bar.open,
                high=bar.high,
                low=bar.low,
                close=bar.close,
                volume=bar.volume,
                trades=bar.trades,
                closed=bar.closed,
                source=Source.REST,
            )
            for bar in bars_of(body, timeframe, received_ns)
        ]

    def trades_request(self, instrument: Instrument, after_id: str) -> Request:
        """Return the call for the newest 1,000 trades: the venue is asked by time, not by id."""
        _ = after_id
        return self._request(f"Trades?pair={_pair(instrument)}")

    def trades_request_since(self, instrument: Instrument, after_id: str, after_ns: int) -> Request:
        """Return the call for the 1,000 trades from shortly before `after_ns` on."""
        _ = after_id
        since_ns = after_ns - (TIGHT_NS if after_ns % MICROSECOND_NS else OVERLAP_NS)
        return self._request(f"Trades?pair={_pair(instrument)}&since={since_ns}")

    def trades(
        self, instrument: Instrument, after_id: str, body: bytes, received_ns: int, origin: Origin
    ) -> list[Trade]:
        """Read a page, oldest first; one that begins behind a hole after `after_id` proves nothing and counts as empty.

        https://docs.kraken.com/api-reference/market-data/get-recent-trades
        """
        try:
            page = [
                Trade(
                    venue=VENUE,
                    symbol=instrument.symbol,
                    event_ns=seconds_ns(bytes(second).decode()),
                    received_ns=received_ns,
                    origin=origin,
                    price=price,
                    size=size,
                    side=_SIDES[side],
                    trade_id=str(number),
                )
                for price, size, second, side, _, _, number in map(wire.decode_execution, answers.rows_of(body))
            ]
        except UNREADABLE as e:
            raise AnswerError(f"kraken trades: {e}: {body[:200]!r}") from e
        page.sort(key=lambda trade: int(trade.trade_id))
        if not after_id or not page:
            return page
        after = int(after_id)
        joined = int(page[0].trade_id) <= after + 1
        return [trade for trade in page if int(trade.trade_id) > after] if joined else []

    def trade_order(self, trade_id: str) -> int:
        """Return the id as a number."""
        return int(trade_id)

    def _request(self, path: str) -> Request:
        return Request(url=f"{self._rest_url}/0/public/{path}", weight=CALL_WEIGHT)


def _pair(instrument: Instrument) -> str:
    return quote(short_name(instrument), safe="")
