"""Hyperliquid's REST answers, its catalogue, its calls and plans; values from its documentation or by hand."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import DAY_NS, SECOND_NS, ListingStatus, Origin, Side, Source, Timeframe
from libs.common.events.symbols import SymbolError, perpetual
from services.ingest.recording.names import hyperliquid
from services.ingest.venues import VENUES, Hyperliquid
from services.ingest.venues.hyperliquid_wire import kind_of
from services.ingest.venues.terms import AnswerError, Instrument, Stream

BTC = Instrument(symbol="BTC-USDC-PERP", native="BTC", kind=perpetual("BTC", "USDC"), tick=0.1, lot=1e-5)
KPEPE = Instrument(symbol="1000PEPE-USDC-PERP", native="kPEPE", kind=perpetual("1000PEPE", "USDC"), tick=1e-6, lot=1.0)
VENUE = Hyperliquid(ws_url="ws://127.0.0.1:1/", rest_url="http://127.0.0.1:2/")
MINUTE_MS = 60_000
DAY_MS = 86_400_000

# The documented answer to `metaAndAssetCtxs`, with a delisted contract and one of a builder's exchange added.
CATALOGUE = [
    {
        "universe": [
            {"name": "BTC", "szDecimals": 5, "maxLeverage": 50},
            {"name": "ETH", "szDecimals": 4, "maxLeverage": 50},
            {"name": "HPOS", "szDecimals": 0, "maxLeverage": 3, "onlyIsolated": True},
            {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "isDelisted": True},
            {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10, "isDelisted": None},
            {"name": "xyz:TSLA", "szDecimals": 3, "maxLeverage": 10},
            {"name": "NEW", "szDecimals": None},
        ],
        "marginTables": [],
        "collateralToken": 0,
    },
    [
        {"dayNtlVlm": "1169046.29406", "funding": "0.0000125", "markPx": "14.3161", "openInterest": "688.11"},
        {"dayNtlVlm": "1426126.295175", "funding": "0.0000125", "markPx": "6.0436", "openInterest": "1882.55"},
        {"dayNtlVlm": "809774.565507", "funding": "0.0000125", "markPx": "8.4505", "openInterest": "2912.05"},
        {"dayNtlVlm": "0.0", "funding": "0.0", "midPx": None, "premium": None},
        {"dayNtlVlm": None},
        {"dayNtlVlm": "5.0"},
        {"dayNtlVlm": "6.0"},
    ],
]


def listed(catalogue=CATALOGUE):
    return VENUE.instruments([json.dumps(catalogue).encode()])


def test_the_catalogue_names_what_is_settled_in_usdc() -> None:
    found = listed()
    assert {native: one.symbol for native, one in found.items()} == {
        "BTC": "BTC-USDC-PERP",
        "ETH": "ETH-USDC-PERP",
        "HPOS": "HPOS-USDC-PERP",
        "MATIC": "MATIC-USDC-PERP",
        "kPEPE": "1000PEPE-USDC-PERP",
    }
    assert found["BTC"] == BTC
    assert not found["BTC"].inverse
    assert (found["MATIC"].status, found["MATIC"].live) == (ListingStatus.DELISTED, False)


def test_a_coin_by_the_thousand_is_its_own_unit_and_no_number_is_touched() -> None:
    """kPEPE at 0.001604 is PEPE at 0.000001604: one base unit is 1000 PEPE, and so says its name."""
    assert listed()["kPEPE"] == KPEPE
    assert KPEPE.contract_size == 1.0


@pytest.mark.parametrize(
    ("decimals", "price", "size"),
    [(0, "0.001234", "1"), (1, "0.01234", "0.1"), (3, "1234.5", "1.001"), (5, "0.1", "0.00001"), (6, "1", "0.000001")],
)
def test_steps_are_the_smallest_that_the_documentation_allows(decimals, price, size) -> None:
    """ "no more than 6 - szDecimals decimal places"; "sizes are rounded to the szDecimals"."""
    row = {"name": "A", "szDecimals": decimals}
    (one,) = listed([{"universe": [row]}, [{}]]).values()
    assert one.tick == float(f"1e-{6 - decimals}")
    assert math.isclose(float(price) / one.tick, round(float(price) / one.tick))
    assert math.isclose(float(size) / one.lot, round(float(size) / one.lot))


@pytest.mark.parametrize("name", ["xyz:TSLA", "kpepe", "@107", "PURR/USDC", "a b", ""])
def test_names_that_are_none_of_ours(name) -> None:
    assert hyperliquid(name) is None
    with pytest.raises(SymbolError):
        kind_of(name)


def test_the_day_is_said_with_the_catalogue_and_in_usdc() -> None:
    (request,) = VENUE.turnover_requests()
    assert request == VENUE.instruments_requests()[0]
    assert VENUE.turnover([json.dumps(CATALOGUE).encode()], listed()) == {
        "BTC": 1169046.29406,
        "ETH": 1426126.295175,
        "HPOS": 809774.565507,
        "MATIC": 0.0,
    }


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[", b"\xff", b"{}", b'[{"universe":[]}]', b'[{"universe":[]},[{}]]', b'"text"']
)
def test_an_answer_that_is_none_is_an_error(body) -> None:
    for read in (
        lambda: VENUE.instruments([body]),
        lambda: VENUE.turnover([body], {}),
        lambda: VENUE.trades(BTC, "", body, 1, Origin.LIVE),
        lambda: VENUE.candles(BTC, Timeframe.M1, body, 1, Origin.LIVE),
        lambda: VENUE.clock_ns(body),
    ):
        with pytest.raises(AnswerError, match="hyperliquid"):
            read()


def test_the_clock_is_the_exchange_status() -> None:
    request = VENUE.clock_request()
    assert (request.body, request.weight) == (b'{"type":"exchangeStatus"}', 4)
    assert VENUE.clock_ns(b'{"specialStatuses":null,"time":1790231586439}') == 1_790_231_586_439_000_000


def test_calls_are_posts_whose_names_stay_here() -> None:
    """Weights: 2 for `l2Book` and `exchangeStatus`, else 20; one more for 20 trades or 60 candles; counted twice."""
    asked = [
        *VENUE.instruments_requests(),
        VENUE.snapshot_request(BTC),
        VENUE.trades_request(BTC, "1-1"),
        VENUE.trades_request_since(KPEPE, "1-1", 5),
    ]
    assert [(one.url, one.weight, json.loads(one.body or b"")) for one in asked] == [
        ("http://127.0.0.1:2/info#metaAndAssetCtxs", 40, {"type": "metaAndAssetCtxs"}),
        ("http://127.0.0.1:2/info#l2Book", 4, {"type": "l2Book", "coin": "BTC"}),
        ("http://127.0.0.1:2/info#recentTrades", 42, {"type": "recentTrades", "coin": "BTC"}),
        ("http://127.0.0.1:2/info#recentTrades", 42, {"type": "recentTrades", "coin": "kPEPE"}),
    ]
    assert VENUE.open_interest_request(BTC) is None  # a socket says it


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def _asked(timeframe: Timeframe, limit: int, now: str) -> tuple[dict[str, Any], int]:
    request = VENUE.candles_request_at(BTC, timeframe, limit, _ms(now) * 1_000_000)
    body = json.loads(request.body or b"")
    assert body["type"] == "candleSnapshot"
    return body["req"], request.weight


def test_candles_are_asked_for_by_time() -> None:
    asked, weight = _asked(Timeframe.H1, 500, "2026-09-24T06:36:11")
    assert asked == {
        "coin": "BTC",
        "interval": "1h",
        "startTime": _ms("2026-09-24T07:00:00") - 500 * 60 * MINUTE_MS,
        "endTime": _ms("2026-09-24T07:00:00") - 1,  # the bar that goes on, whatever our clock
    }
    assert weight == 2 * (20 + 9)
    asked, weight = _asked(Timeframe.M1, 99_999, "2026-09-24T06:36:11")
    assert (asked["endTime"] + 1 - asked["startTime"], weight) == (5_000 * MINUTE_MS, 2 * (20 + 84))


def test_weeks_are_asked_for_as_days_from_a_monday_on() -> None:
    asked, weight = _asked(Timeframe.W1, 3, "2026-09-24T06:36:11")  # a Thursday
    assert asked["interval"] == "1d"
    assert asked["startTime"] == _ms("2026-09-07T00:00:00")
    assert asked["endTime"] == _ms("2026-09-28T00:00:00") - 1
    assert weight == 2 * 21
    asked, weight = _asked(Timeframe.W1, 9_999, "2026-09-24T06:36:11")
    assert (asked["endTime"] + 1 - asked["startTime"], weight) == (714 * 7 * DAY_MS, 2 * (20 + 84))
    asked, _ = _asked(Timeframe.D1, 5_000, "1970-01-03T00:00:00")
    assert asked["startTime"] == 0


def test_without_a_time_all_candles_are_asked_for() -> None:
    request = VENUE.candles_request(BTC, Timeframe.M5, 10)
    assert json.loads(request.body or b"")["req"]["startTime"] == 0
    assert request.weight == 2 * (20 + 84)


def bar(open_ms: int, length_ms: int, **fields):
    row = {
        "T": open_ms + length_ms - 1,
        "c": "29258.0",
        "h": "29309.0",
        "i": "15m",
        "l": "29250.0",
        "n": 189,
        "o": "29295.0",
        "s": "BTC",
        "t": open_ms,
        "v": "0.98639",
    }
    return row | fields


def candles(timeframe, *rows, received_ms, instrument=BTC):
    body = json.dumps(rows).encode()
    return VENUE.candles(instrument, timeframe, body, received_ms * 1_000_000, Origin.LIVE)


def test_the_documented_candle() -> None:
    (one,) = candles(Timeframe.M15, bar(1681923600000, 900_000), received_ms=1681924505000)
    assert (one.open, one.high, one.low, one.close, one.volume) == (29295.0, 29309.0, 29250.0, 29258.0, 0.98639)
    assert (one.open_ns, one.close_ns) == (1681923600 * SECOND_NS, 1681924500 * SECOND_NS)
    assert (one.symbol, one.trades, one.taker_buy_volume, one.source) == ("BTC-USDC-PERP", 189, None, Source.REST)
    assert (one.closed, one.event_ns) == (True, 1681924500 * SECOND_NS)
    (open_one,) = candles(Timeframe.M15, bar(1681923600000, 900_000), received_ms=1681924504999)
    assert (open_one.closed, open_one.event_ns) == (False, 1681924500 * SECOND_NS)


def test_recorded_hours_of_the_exchange() -> None:
    """Two rows that the venue answered in 2023, newest first here; the first is closed because one follows it."""
    rows = [
        {"T": 1684706399999, "c": "0.001591", "h": "0.001603", "i": "1h", "l": "0.001584", "n": 802, "o": "0.001603",
         "s": "kPEPE", "t": 1684702800000, "v": "682593287.0"},
        {"T": 1684702799999, "c": "0.001604", "h": "0.001616", "i": "1h", "l": "0.001601", "n": 709, "o": "0.001601",
         "s": "kPEPE", "t": 1684699200000, "v": "520665683.0"},
    ]  # fmt: skip
    first, second = candles(Timeframe.H1, *rows, received_ms=1684703000000, instrument=KPEPE)
    assert (first.open_ns, first.close, first.volume, first.closed) == (
        1684699200 * SECOND_NS,
        0.001604,
        520665683,
        True,
    )
    assert (second.trades, second.closed, second.event_ns) == (802, False, 1684703000 * SECOND_NS)


@pytest.mark.parametrize(
    "row",
    [
        bar(1681923600000, 900_000, s="ETH"),
        bar(1681923600000, 60_000),
        bar(1681923600001, 900_000),
        bar(1681923600000, 900_000, o="NaN"),
        bar(1681923600000, 900_000, n=-1),
    ],
)
def test_another_bar_than_asked_for_refuses_the_answer(row) -> None:
    with pytest.raises(AnswerError):
        candles(Timeframe.M15, row, received_ms=1681924600000)


def test_a_bar_that_is_there_twice_refuses_the_answer() -> None:
    with pytest.raises(AnswerError, match="twice"):
        candles(Timeframe.M15, *[bar(1681923600000, 900_000)] * 2, received_ms=1681924600000)


def days(first: str, count: int, missing: tuple[int, ...] = ()):
    begin = _ms(f"{first}T00:00:00")
    return [
        bar(begin + n * DAY_MS, DAY_MS, o=str(100 + n), h=str(200 + n), l=str(50 - n), c=str(110 + n), v="0.5", n=n)
        for n in range(count)
        if n not in missing
    ]


def test_a_week_is_its_seven_days_from_a_monday_on() -> None:
    """2026-09-07 is a Monday. The venue's own weeks open on Thursdays."""
    weeks = candles(Timeframe.W1, *days("2026-09-05", 20), received_ms=_ms("2026-09-24T06:00:00"))
    assert [(one.open_ns // 1_000_000, one.closed) for one in weeks] == [
        (_ms("2026-09-07T00:00:00"), True),
        (_ms("2026-09-14T00:00:00"), True),
        (_ms("2026-09-21T00:00:00"), False),
    ]
    first = weeks[0]  # days 2 to 8 of the answer
    assert (first.open, first.high, first.low, first.close, first.trades) == (
        102,
        208,
        42,
        118,
        2 + 3 + 4 + 5 + 6 + 7 + 8,
    )
    assert first.volume == 3.5
    assert weeks[-1].event_ns == _ms("2026-09-24T06:00:00") * 1_000_000


def test_a_week_that_lacks_a_day_is_left_out() -> None:
    opens = [
        one.open_ns // 1_000_000
        for one in candles(Timeframe.W1, *days("2026-09-07", 21, missing=(3,)), received_ms=_ms("2026-09-29T00:00:00"))
    ]
    assert opens == [_ms("2026-09-14T00:00:00"), _ms("2026-09-21T00:00:00")]
    ended = candles(Timeframe.W1, *days("2026-09-07", 9), received_ms=_ms("2026-09-29T00:00:00"))
    assert [one.open_ns // 1_000_000 for one in ended] == [_ms("2026-09-07T00:00:00")]  # it stopped on a Tuesday
    assert candles(Timeframe.W1, received_ms=5) == []


@given(first=st.integers(0, 6), count=st.integers(0, 40), absent=st.sets(st.integers(0, 39)))
def test_whole_weeks_and_the_one_that_goes_on(first, count, absent) -> None:
    """The oracle: a set of days."""
    monday = _ms("2026-09-07T00:00:00")
    begin = monday + first * DAY_MS
    there = [begin + n * DAY_MS for n in range(count) if n not in absent]
    now = begin + count * DAY_MS
    rows = [bar(one, DAY_MS) for one in there]
    found = {one.open_ns // 1_000_000: one.closed for one in candles(Timeframe.W1, *rows, received_ms=now)}
    for week in range(monday, now + 1, 7 * DAY_MS):
        due = [week + n * DAY_MS for n in range(7)]
        told = [one for one in due if one in there]
        if told == due:
            assert week in found
        elif told and told == due[: len(told)] and told[-1] == there[-1] and now < week + 7 * DAY_MS + 5000:
            assert found[week] is False
        else:
            assert week not in found


def row(number: int, time_ms: int, side: str = "B", **fields):
    said = {
        "coin": "BTC",
        "side": side,
        "px": "104310.5",
        "sz": "0.02000",
        "hash": "0x0",
        "time": time_ms,
        "tid": number,
        "users": ["0xbuyer", "0xseller"],
    }
    return said | fields


def page(after_id: str, *rows):
    body = json.dumps(rows).encode()
    return [one.trade_id for one in VENUE.trades(BTC, after_id, body, 7, Origin.LIVE)]


T = 1769916000000


def test_the_newest_trades_come_newest_first_and_leave_oldest_first() -> None:
    rows = [row(3, T + 2000, "A"), row(2, T + 1000), row(1, T, "A")]
    body = json.dumps(rows).encode()
    trades = VENUE.trades(BTC, "", body, 7, Origin.LIVE)
    assert [(one.trade_id, one.side) for one in trades] == [
        (f"{T}-1", Side.SELL),  # A: the ask side aggressed
        (f"{T + 1000}-2", Side.BUY),
        (f"{T + 2000}-3", Side.SELL),
    ]
    assert (trades[0].price, trades[0].size, trades[0].event_ns, trades[0].received_ns) == (
        104310.5,
        0.02,
        T * 10**6,
        7,
    )


def test_a_page_is_taken_behind_the_last_trade_and_all_of_its_block() -> None:
    rows = [row(4, T + 2), row(3, T + 1), row(2, T + 1), row(1, T)]
    assert page(f"{T + 1}-3", *rows) == [f"{T + 1}-2", f"{T + 2}-4"]
    assert page(f"{T + 2}-4", *rows) == []
    assert page(f"{T + 5}-9", *rows) == []  # REST is behind the socket
    assert page(f"{T + 1}-8", *rows) == []


def test_ten_trades_that_are_all_later_say_that_the_rest_cannot_be_had() -> None:
    with pytest.raises(AnswerError, match="the newest 2 trades, which are all after"):
        page(f"{T - 1}-1", row(3, T + 1), row(2, T))
    with pytest.raises(AnswerError, match="no id of a trade"):
        page("u1", row(1, T))
    assert page(f"{T}-1") == []
    with pytest.raises(ValueError, match="no place in an order"):
        VENUE.trade_order("1-1")


def coins(count: int) -> list[Instrument]:
    return [
        Instrument(symbol=f"C{n}-USDC-PERP", native=f"C{n}", kind=perpetual(f"C{n}", "USDC"), tick=0.1, lot=0.1)
        for n in range(count)
    ]


@given(count=st.integers(0, 400))
def test_plans_stay_within_the_limits_of_one_address(count) -> None:
    """10 connections, of which each may be doubled while it is replaced; every coin on exactly one. It lists 234."""
    plans = VENUE.plan(coins(count), tuple(Stream))
    assert [symbol for plan in plans for symbol in plan.symbols] == [one.symbol for one in coins(count)]
    assert {plan.url for plan in plans} <= {"ws://127.0.0.1:1/ws"}
    if count <= 250:
        assert len(plans) <= 5
        assert sum(len(plan.symbols) * len(plan.streams) for plan in plans) <= 1000


def test_a_connection_is_kept_alive_and_begun_within_the_limits() -> None:
    """The server closes what it has sent nothing to for 60 s; 2,000 messages a minute are allowed."""
    assert VENUE.heartbeat.ping == b'{"method":"ping"}'
    assert VENUE.heartbeat.idle_s < VENUE.heartbeat.dead_s < 60
    frames = sum(len(plan.symbols) * len(plan.streams) for plan in VENUE.plan(coins(250), tuple(Stream)))
    assert frames <= 2_000 / 2  # and again, should all connections be lost within the minute
    assert max(len(plan.symbols) for plan in VENUE.plan(coins(250), tuple(Stream))) * VENUE.frame_spacing_s < 5


def test_liquidations_are_told_to_accounts_alone() -> None:
    (plan,) = VENUE.plan([BTC], tuple(Stream))
    assert set(plan.streams) == {Stream.BOOKS, Stream.TRADES, Stream.FUNDING}
    assert VENUE.plan([BTC], (Stream.LIQUIDATIONS,)) == []


@pytest.mark.parametrize("channel", ["book20", "book5"])
def test_subscriptions_are_one_a_frame_trades_first(channel) -> None:
    venue = Hyperliquid(book_channel=channel)
    (plan,) = venue.plan([BTC, KPEPE], tuple(Stream))
    session = venue.session(plan, {"BTC": BTC, "kPEPE": KPEPE}, Origin.LIVE)
    frames = session.subscribe()
    book = {"type": "l2Book", "coin": "BTC"} | ({"fast": True} if channel == "book5" else {})
    assert [json.loads(frame) for frame in frames] == [
        {"method": "subscribe", "subscription": one}
        for one in (
            {"type": "trades", "coin": "BTC"},
            {"type": "trades", "coin": "kPEPE"},
            book,
            book | {"coin": "kPEPE"},
            {"type": "activeAssetCtx", "coin": "BTC"},
            {"type": "activeAssetCtx", "coin": "kPEPE"},
        )
    ]
    assert [json.loads(frame) for frame in session.resubscribe("BTC-USDC-PERP", Stream.BOOKS)] == [
        {"method": "unsubscribe", "subscription": book},
        {"method": "subscribe", "subscription": book},
    ]
    assert session.resubscribe("ETH-USDC-PERP", Stream.BOOKS) == ()


def test_the_registry_has_it_and_refuses_another_book() -> None:
    assert VENUES["hyperliquid"] is Hyperliquid
    assert Hyperliquid().plan([BTC], (Stream.TRADES,))[0].url == "wss://api.hyperliquid.xyz/ws"
    with pytest.raises(ValueError, match="book channel"):
        VENUES["hyperliquid"](book_channel="book50")  # type: ignore[arg-type]  # wrong on purpose
    named = hyperliquid("kPEPE")
    assert named is not None
    assert (named.symbol, named.contract_size) == ("1000PEPE-USDC-PERP", 1.0)
    assert DAY_NS == DAY_MS * 1_000_000
