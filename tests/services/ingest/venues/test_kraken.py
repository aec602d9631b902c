"""Kraken's REST answers as the vendor documents them, and what is asked of it."""

import json
import math
from typing import Any

import pytest

from libs.common.events import ListingStatus, Origin, Side, Source, Timeframe
from libs.common.events.symbols import spot
from services.ingest.recording.names import kraken
from services.ingest.venues import VENUES, Kraken
from services.ingest.venues.moments import moment_ns, seconds_ns
from services.ingest.venues.terms import AnswerError, Instrument, Stream, TradeIds

VENUE = Kraken(ws_url="ws://127.0.0.1:1/", rest_url="http://127.0.0.1:2/")
BTC = Instrument(
    symbol="BTC-USD",
    native="BTC/USD",
    kind=spot("BTC", "USD"),
    tick=0.1,
    lot=1e-8,
    aliases=("XBTUSD", "XBT/USD", "XXBTZUSD"),
)
SECOND = 1_000_000_000


def answer(result: Any, *errors: str) -> bytes:
    return json.dumps({"error": list(errors), "result": result}).encode()


def listing(**fields: Any) -> dict[str, Any]:
    """A row as documented, shortened by its fees."""
    return {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "aclass_base": "currency",
        "base": "XXBT",
        "aclass_quote": "currency",
        "quote": "ZUSD",
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "ordermin": "0.00005",
        "tick_size": "0.1",
        "status": "online",
        **fields,
    }


def listed(**rows: Any) -> dict[str, Instrument]:
    return VENUE.instruments([answer(rows)])


def test_the_documented_pair_by_either_key() -> None:
    assert listed(XXBTZUSD=listing()) == {"BTC/USD": BTC}
    (found,) = listed(**{"BTC/USD": listing(base="BTC", quote="USD")}).values()
    assert (found.native, found.symbol, found.aliases) == ("BTC/USD", "BTC-USD", ("XBTUSD", "XBT/USD"))
    assert found.live


def test_old_names_become_the_sockets() -> None:
    found = listed(
        XDGUSD=listing(altname="XDGUSD", wsname="XDG/USD"),
        XETHXXBT=listing(altname="ETHXBT", wsname="ETH/XBT", tick_size=None, pair_decimals=5),
    )
    assert {one.native: one.symbol for one in found.values()} == {"DOGE/USD": "DOGE-USD", "ETH/BTC": "ETH-BTC"}
    assert found["ETH/BTC"].tick == 0.00001


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("online", ListingStatus.LIVE),
        ("limit_only", ListingStatus.LIVE),
        ("post_only", ListingStatus.HALTED),
        ("cancel_only", ListingStatus.HALTED),
        ("reduce_only", ListingStatus.CLOSING),
        ("something new", ListingStatus.HALTED),
    ],
)
def test_statuses(said, status) -> None:
    assert listed(A=listing(status=said))["BTC/USD"].status is status


def test_what_is_no_market_of_ours_is_left_out() -> None:
    assert (
        listed(
            dark=listing(wsname=""),
            share=listing(wsname="AAPLx/USD", aclass_base="tokenized_asset"),
            odd=listing(wsname="a b/USD"),
            many=listing(wsname="A/B/C"),
            unreadable=listing(pair_decimals="many"),
            nothing=7,
        )
        == {}
    )


READS = [
    lambda body: VENUE.instruments([body]),
    lambda body: VENUE.turnover([body], {}),
    VENUE.clock_ns,
    lambda body: VENUE.trades(BTC, "", body, 1, Origin.LIVE),
    lambda body: VENUE.candles(BTC, Timeframe.M1, body, 1, Origin.LIVE),
]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"\xff",
        b"[]",
        b"{}",
        answer({}, "EGeneral:Internal error"),
        b'{"error":["EAPI:Rate limit exceeded"]}',
        answer([1]),
        answer(7),
    ],
)
def test_an_answer_that_is_none_is_an_error(read, body) -> None:
    with pytest.raises(AnswerError, match="kraken"):
        read(body)


@pytest.mark.parametrize("rows", [7, [7], [["x"]]])
def test_rows_that_are_none_are_errors(rows) -> None:
    for read in READS[3:]:
        with pytest.raises(AnswerError, match="kraken"):
            read(answer({"XXBTZUSD": rows, "last": "1"}))


def test_a_warning_is_no_error_and_an_answer_about_nothing_has_no_rows() -> None:
    assert VENUE.trades(BTC, "", answer({"last": "0"}, "WGeneral:Something"), 1, Origin.LIVE) == []


def test_turnover_is_the_last_days_volume_at_its_average_price() -> None:
    ticker = {
        "a": ["30300.10000", "1", "1.000"],
        "b": ["30300.00000", "1", "1.000"],
        "c": ["30303.20000", "0.00067643"],
        "v": ["4083.67001100", "4412.73601799"],
        "p": ["30706.77771", "30689.13205"],
        "t": [34619, 38907],
        "l": ["29868.30000", "29868.30000"],
        "h": ["31631.00000", "31631.00000"],
        "o": "30502.80000",
    }
    body = answer({"XXBTZUSD": ticker, "OTHER": ticker, "XETHZUSD": {"v": 1}})
    found = VENUE.turnover([body], {BTC.native: BTC})
    assert found == {"BTC/USD": pytest.approx(135_423_038.35, abs=0.01)}  # 4412.73601799 x 30689.13205
    assert [one.url for one in VENUE.turnover_requests()] == ["http://127.0.0.1:2/0/public/Ticker?assetVersion=1"]


def test_the_clock_says_whole_seconds() -> None:
    body = answer({"unixtime": 1688669448, "rfc1123": "Thu, 06 Jul 23 18:50:48 +0000"})
    assert VENUE.clock_ns(body) == 1688669448 * SECOND
    assert VENUE.clock_request().url == "http://127.0.0.1:2/0/public/Time"


DOCUMENTED_TRADES = {
    "XXBTZUSD": [
        ["30243.40000", "0.34507674", 1688669597.8277369, "b", "m", "", 61044952],
        ["30243.30000", "0.00376960", 1688669598.2804112, "s", "l", "", 61044953],
        ["30243.30000", "0.01235716", 1688669602.698379, "s", "m", "", 61044956],
    ],
    "last": "1688671969993150842",
}


def page(after_id: str) -> list[Any]:
    return VENUE.trades(BTC, after_id, answer(DOCUMENTED_TRADES), 7, Origin.LIVE)


def test_the_documented_trades() -> None:
    first, second, third = page("")
    assert (first.price, first.size, first.side, first.trade_id) == (30243.4, 0.34507674, Side.BUY, "61044952")
    assert (first.event_ns, first.received_ns) == (1_688_669_597_827_736_900, 7)
    assert (second.side, third.event_ns, third.venue) == (Side.SELL, 1_688_669_602_698_379_000, "kraken")


@pytest.mark.parametrize(
    ("after", "ids"),
    [
        ("61044951", ["61044952", "61044953", "61044956"]),  # it follows at once
        ("61044952", ["61044953", "61044956"]),
        ("61044954", ["61044956"]),  # an id that does not exist, within the page
        ("61044956", []),
        ("61044950", []),  # what was 61044951? the page begins too late to say
    ],
)
def test_a_page_counts_where_it_joins_what_is_known(after, ids) -> None:
    assert [one.trade_id for one in page(after)] == ids


def test_trades_are_asked_for_from_shortly_before_the_last_one() -> None:
    """Many trades have one time, and the socket cuts it to microseconds; REST's own times are known exactly."""
    assert VENUE.trade_ids is TradeIds.CONSECUTIVE
    assert VENUE.trade_order("61044952") == 61044952
    request = VENUE.trades_request_since(BTC, "61044952", 1_688_669_597_827_736_000)
    assert request.url == "http://127.0.0.1:2/0/public/Trades?pair=XBTUSD&since=1688669597807736000"
    request = VENUE.trades_request_since(BTC, "61044952", 1_688_669_597_827_736_900)
    assert request.url == "http://127.0.0.1:2/0/public/Trades?pair=XBTUSD&since=1688669597827735900"
    assert VENUE.trades_request(BTC, "61044952").url == "http://127.0.0.1:2/0/public/Trades?pair=XBTUSD"


def test_an_id_of_zero_is_none() -> None:
    rows = [[*DOCUMENTED_TRADES["XXBTZUSD"][0][:-1], 0]]
    with pytest.raises(AnswerError, match=">= 1"):
        VENUE.trades(BTC, "", answer({"XXBTZUSD": rows}), 7, Origin.LIVE)


def row(at: str, *prices: float, volume: str = "2.5", trades: int = 3) -> list[Any]:
    opened, high, low, close = (f"{price:.1f}" for price in prices or (10, 12, 9, 11))
    return [moment_ns(at) // SECOND, opened, high, low, close, "10.5", volume, trades]


def candles(*rows: Any, timeframe: Timeframe = Timeframe.M1, at: str = "2023-07-06T19:00:00Z") -> list[Any]:
    body = answer({"XXBTZUSD": list(rows), "last": 1688672160})
    return VENUE.candles(BTC, timeframe, body, moment_ns(at), Origin.LIVE)


def test_the_documented_candles() -> None:
    rows = [
        [1688671200, "30306.1", "30306.2", "30305.7", "30305.7", "30306.1", "3.39243896", 23],
        [1688671260, "30304.5", "30304.5", "30300.0", "30300.0", "30300.0", "4.42996871", 18],
    ]
    first, last = candles(*rows, at="2023-07-06T19:21:30Z")
    assert (first.open, first.high, first.low, first.close) == (30306.1, 30306.2, 30305.7, 30305.7)
    assert (first.volume, first.trades, first.source) == (3.39243896, 23, Source.REST)
    assert (first.open_ns, first.event_ns) == (1688671200 * SECOND, 1688671260 * SECOND)
    assert (first.closed, last.closed) == (True, False)
    assert last.event_ns == moment_ns("2023-07-06T19:21:30Z")
    assert [one.closed for one in candles(*rows, at="2023-07-06T19:22:05Z")] == [True, True]
    assert candles() == []


def test_a_bar_off_the_grid_refuses_the_answer() -> None:
    with pytest.raises(AnswerError, match="opens no 5m bar"):
        candles(row("2023-07-06T19:21:00Z"), timeframe=Timeframe.M5)


def days(*numbers: int) -> list[list[Any]]:
    """Days of July 2023, of which the third is a Monday; the n-th opens at n and closes at n + 1."""
    return [row(f"2023-07-{n:02}T00:00:00Z", n, n + 2, n / 2, n + 1, volume=f"0.{n}", trades=n) for n in numbers]


def test_weeks_are_put_together_from_days_monday_to_sunday() -> None:
    week, running = candles(*days(*range(1, 13)), timeframe=Timeframe.W1, at="2023-07-12T06:00:00Z")
    assert (week.open_ns, week.event_ns) == (moment_ns("2023-07-03T00:00:00Z"), moment_ns("2023-07-10T00:00:00Z"))
    assert (week.open, week.high, week.low, week.close, week.closed) == (3, 11, 1.5, 10, True)
    assert (week.volume, week.trades) == (pytest.approx(0.3 + 0.4 + 0.5 + 0.6 + 0.7 + 0.8 + 0.9), 42)
    assert (running.open_ns, running.closed) == (moment_ns("2023-07-10T00:00:00Z"), False)
    assert (running.open, running.close, running.event_ns) == (10, 13, moment_ns("2023-07-12T06:00:00Z"))


def test_a_week_with_a_missing_day_is_left_out() -> None:
    assert candles(*days(3, 4, 6, 7, 8, 9), timeframe=Timeframe.W1, at="2023-07-09T12:00:00Z") == []
    assert candles(*days(3, 4, 5, 6, 7, 8), *days(10), timeframe=Timeframe.W1)[0].open == 10


def test_a_week_is_closed_with_its_last_day() -> None:
    whole = days(*range(3, 10))
    assert [one.closed for one in candles(*whole, timeframe=Timeframe.W1, at="2023-07-10T00:00:04Z")] == [False]
    assert [one.closed for one in candles(*whole, timeframe=Timeframe.W1, at="2023-07-10T00:00:05Z")] == [True]


def test_what_is_asked_for() -> None:
    pair = kraken("ETH/EUR")
    assert pair is not None
    requests = [
        *VENUE.instruments_requests(),
        VENUE.snapshot_request(BTC),
        VENUE.candles_request(BTC, Timeframe.H4, 5),
        VENUE.candles_request(BTC, Timeframe.W1, 5),
        VENUE.candles_request(pair, Timeframe.M1, 5),
    ]
    assert [one.url.removeprefix("http://127.0.0.1:2/0/public/") for one in requests] == [
        "AssetPairs?assetVersion=1",
        "Depth?pair=XBTUSD&count=10",
        "OHLC?pair=XBTUSD&interval=240",
        "OHLC?pair=XBTUSD&interval=1440",
        "OHLC?pair=ETH%2FEUR&interval=1",
    ]
    assert {one.weight for one in requests} == {20}  # one call a second of the usual 1,200 a minute
    assert VENUE.open_interest_request(BTC) is None


def test_connections_carry_a_hundred_pairs_and_only_what_spot_has() -> None:
    many = [
        Instrument(symbol=f"A{n}-USD", native=f"A{n}/USD", kind=spot(f"A{n}", "USD"), tick=1, lot=1) for n in range(201)
    ]
    plans = VENUE.plan(many, tuple(Stream))
    assert [len(plan.symbols) for plan in plans] == [100, 100, 1]
    assert {plan.url for plan in plans} == {"ws://127.0.0.1:1/v2"}
    assert plans[0].streams == (Stream.TRADES, Stream.BOOKS)
    assert VENUE.plan(many, (Stream.FUNDING, Stream.LIQUIDATIONS)) == []


def test_a_session_asks_for_its_plan_and_one_without_symbols_for_nothing() -> None:
    (plan,) = VENUE.plan([BTC], (Stream.BOOKS,))
    (frame,) = Kraken(book_channel="book100").session(plan, {BTC.native: BTC}, Origin.LIVE).subscribe()
    assert json.loads(frame) == {
        "method": "subscribe",
        "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 100, "snapshot": True},
        "req_id": 1,
    }
    (everything,) = VENUE.plan([BTC], tuple(Stream))
    assert VENUE.session(everything, {}, Origin.LIVE).subscribe() == ()


def test_registered_with_its_depths() -> None:
    assert VENUES["kraken"] is Kraken
    with pytest.raises(ValueError, match="one of book10, book25, book100, book500, book1000"):
        VENUES["kraken"](book_channel="book")  # type: ignore[arg-type]  # wrong on purpose


def test_names_of_recordings() -> None:
    found = kraken("BTC/USD")
    assert found is not None
    assert (found.symbol, found.native, found.contract_size) == ("BTC-USD", "BTC/USD", 1.0)
    assert math.isnan(found.tick)
    assert [kraken(name) for name in ("XBTUSD", "a/B", "A/B/C", "/")] == [None] * 4


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("1688669597", 1_688_669_597_000_000_000),
        ("1688669597.5", 1_688_669_597_500_000_000),
        ("1688669597.827736912", 1_688_669_597_827_736_912),
    ],
)
def test_seconds_are_read_exactly(text, at_ns) -> None:
    assert seconds_ns(text) == at_ns


@pytest.mark.parametrize("text", ["", "1", "1688669597000", "1.688669597e9", "-1688669597", "null", "9688669597"])
def test_other_numbers_are_no_seconds(text) -> None:
    with pytest.raises(ValueError, match="no time in seconds"):
        seconds_ns(text)
