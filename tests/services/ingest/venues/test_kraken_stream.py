"""Kraken's frames as the vendor documents them, with values computed by hand."""

import json
from typing import Any

import pytest

from libs.common.events import BookDelta, BookSnapshot, Origin, Side, Trade
from libs.common.events.symbols import spot
from services.ingest.venues.kraken_requests import fresh_book, subscriptions
from services.ingest.venues.kraken_stream import KrakenSession
from services.ingest.venues.terms import (
    Acknowledged,
    Heard,
    Instrument,
    Plan,
    Reconnect,
    Rejected,
    Resubscribe,
    Stream,
)

BTC = Instrument(symbol="BTC-USD", native="BTC/USD", kind=spot("BTC", "USD"), tick=0.1, lot=1e-8)
MATIC = Instrument(symbol="MATIC-USD", native="MATIC/USD", kind=spot("MATIC", "USD"), tick=1e-4, lot=1e-8)
CATALOGUE = {one.native: one for one in (BTC, MATIC)}
DOCUMENTED_BOOK = (
    b'{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":['
    b'{"price":45283.5,"qty":0.10000000},{"price":45283.4,"qty":1.54582015},{"price":45282.1,"qty":0.10000000},'
    b'{"price":45281.0,"qty":0.10000000},{"price":45280.3,"qty":1.54592586},{"price":45279.0,"qty":0.07990000},'
    b'{"price":45277.6,"qty":0.03310103},{"price":45277.5,"qty":0.30000000},{"price":45277.3,"qty":1.54602737},'
    b'{"price":45276.6,"qty":0.15445238}],"asks":['
    b'{"price":45285.2,"qty":0.00100000},{"price":45286.4,"qty":1.54571953},{"price":45286.6,"qty":1.54571109},'
    b'{"price":45289.6,"qty":1.54560911},{"price":45290.2,"qty":0.15890660},{"price":45291.8,"qty":1.54553491},'
    b'{"price":45294.7,"qty":0.04454749},{"price":45296.1,"qty":0.35380000},{"price":45297.5,"qty":0.09945542},'
    b'{"price":45299.5,"qty":0.18772827}],"checksum":3310070434}]}'
)
"""https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2: a snapshot without a time."""
DOCUMENTED_CHANGE = (
    b'{"channel":"book","type":"update","data":[{"symbol":"MATIC/USD","bids":[{"price":0.5657,"qty":1098.3947558}],'
    b'"asks":[],"checksum":2114181697,"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
)
DOCUMENTED_TRADES = (
    b'{"channel":"trade","type":"snapshot","data":[{"symbol":"MATIC/USD","side":"buy","price":0.5147,'
    b'"qty":6423.46326,"ord_type":"limit","trade_id":4665846,"timestamp":"2023-09-25T07:48:36.925533Z"},'
    b'{"symbol":"MATIC/USD","side":"buy","price":0.5147,"qty":1136.19677815,"ord_type":"limit","trade_id":4665847,'
    b'"timestamp":"2023-09-25T07:49:36.925603Z"}]}'
)
DOCUMENTED_TRADE = (
    b'{"channel":"trade","type":"update","data":[{"symbol":"MATIC/USD","side":"sell","price":0.5117,"qty":40.0,'
    b'"ord_type":"market","trade_id":4665906,"timestamp":"2023-09-25T07:49:37.708706Z"}]}'
)


def session_of(*symbols: str, **options: Any) -> KrakenSession:
    return KrakenSession(Plan(url="", symbols=symbols, streams=()), CATALOGUE, Origin.LIVE, **options)


def hear(session: KrakenSession, frame: bytes, received_ns: int = 7_000) -> list[Any]:
    return list(session.receive(frame, received_ns))


def say(session: KrakenSession, **message: Any) -> list[Any]:
    return hear(session, json.dumps(message).encode())


def change(**row: Any) -> dict[str, Any]:
    said = {"symbol": "BTC/USD", "bids": [], "asks": [], "timestamp": "2023-10-06T17:35:56.1Z", **row}
    return {"channel": "book", "type": "update", "data": [said]}


def test_the_documented_trade() -> None:
    (event,) = hear(session_of("MATIC-USD"), DOCUMENTED_TRADE)
    assert event == Trade(
        venue="kraken",
        symbol="MATIC-USD",
        event_ns=1_695_628_177_708_706_000,  # 2023-09-25T07:49:37Z by `date -ud`
        received_ns=7_000,
        price=0.5117,
        size=40.0,
        side=Side.SELL,
        trade_id="4665906",
    )


def test_trades_from_before_the_subscription_are_trades_with_their_ids() -> None:
    items = hear(session_of(), DOCUMENTED_TRADES)
    assert [(item.trade_id, item.size) for item in items] == [("4665846", 6423.46326), ("4665847", 1136.19677815)]


def test_a_recording_passes_them_over_for_it_may_hold_them_already() -> None:
    session = session_of(replay=False)
    assert hear(session, DOCUMENTED_TRADES) == [Heard(stream=Stream.TRADES)] * 2
    assert session.checks.ignored == 2
    assert [type(item) for item in hear(session, DOCUMENTED_TRADE)] == [Trade]


def test_the_documented_book_is_published_and_a_change_that_does_not_fit_it_loses_it() -> None:
    session = session_of()
    (event,) = hear(session, DOCUMENTED_BOOK, 1_790_000_000_000_000_123)
    assert isinstance(event, BookSnapshot)
    assert (event.event_ns, event.sequence) == (1_790_000_000_000_000_123, 1_790_000_000_000_000)
    assert (event.bids[9], event.asks[9]) == ((45276.6, 0.15445238), (45299.5, 0.18772827))
    assert session.book("BTC-USD") == event
    gap, wish = say(session, **change(bids=[{"price": 45283.5, "qty": 0}], checksum=3310070434))
    assert (gap.cause, gap.event_ns) == ("checksum", 1_696_613_756_100_000_000)
    assert isinstance(wish, Resubscribe)
    assert [json.loads(frame) for frame in wish.frames] == [
        {"method": "unsubscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}, "req_id": 1001},
        {
            "method": "subscribe",
            "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10, "snapshot": True},
            "req_id": 1001,
        },
    ]
    assert session.book("BTC-USD") is None
    assert [type(item).__name__ for item in hear(session, DOCUMENTED_BOOK)] == ["BookSnapshot", "Gap"]


def test_a_change_that_fits_is_published() -> None:
    session = session_of()
    hear(session, DOCUMENTED_BOOK)
    (delta,) = say(session, **change(bids=[{"price": 45200.0, "qty": 1}], checksum=3310070434))  # the eleventh
    assert isinstance(delta, BookDelta)
    assert delta.bids == ((45200.0, 1.0), (45200.0, 0.0))


def test_a_change_of_a_book_whose_beginning_is_not_here_means_nothing() -> None:
    session = session_of()
    assert hear(session, DOCUMENTED_CHANGE) == []
    assert session.checks.stale == 1
    assert session.book("MATIC-USD") is None


@pytest.mark.parametrize(("said", "expected"), [(None, 25), (100, 100), (10, 10), (7, 25)])
def test_a_book_is_as_deep_as_the_venue_says_or_as_its_snapshot_tells(said, expected) -> None:
    session = session_of()
    if said:
        acknowledged = {"channel": "book", "symbol": "BTC/USD", "depth": said, "snapshot": True}
        assert say(session, method="subscribe", result=acknowledged, success=True) == [
            Acknowledged(channel="book:BTC/USD")
        ]
    levels = [{"price": 100 - step, "qty": 1} for step in range(11)]
    snapshot = change(bids=levels, checksum=0)
    (wish,) = say(session, **snapshot | {"type": "snapshot"})  # the wrong checksum makes it ask again
    assert json.loads(wish.frames[1])["params"]["depth"] == expected


def test_a_change_that_cannot_be_read_is_rejected_and_loses_the_book() -> None:
    session = session_of()
    hear(session, DOCUMENTED_BOOK)
    bad, gap, wish = say(session, **change(bids=[{"price": 45283.5, "qty": -1}], checksum=1))
    assert (bad.reason, gap.cause, wish.cause) == ("value", "value", "value")
    assert [item.reason for item in say(session, **change() | {"type": "news"})] == ["value"]


def test_a_snapshot_that_nobody_dated_is_no_fact() -> None:
    (item,) = hear(session_of(), DOCUMENTED_BOOK, 0)
    assert (item.reason, "at 0" in item.detail) == ("value", True)


def test_one_bad_row_does_not_lose_its_neighbours() -> None:
    rows = [
        {"symbol": "BTC/USD", "side": "buy", "price": 1, "qty": 1, "trade_id": 1, "timestamp": "2023-02-30T00:00:00Z"},
        {"symbol": "X/Y"},
        7,
        {"symbol": "BTC/USD", "side": "buy", "price": 1, "qty": 1, "trade_id": 2, "timestamp": "2023-02-28T00:00:00Z"},
    ]
    items = say(session_of(), channel="trade", type="update", data=rows)
    assert [getattr(item, "reason", "trade") for item in items] == ["value", "unknown_instrument", "value", "trade"]


def test_pairs_nobody_asked_for_are_passed_over() -> None:
    assert hear(session_of("BTC-USD"), DOCUMENTED_TRADE) == []


@pytest.mark.parametrize(
    "frame",
    [
        b'{"channel":"heartbeat"}',
        b'{"method":"pong","req_id":101,"time_in":"2023-09-24T14:10:23.799685Z"}',
        b'{"channel":"status","data":[{"connection_id":12834057235102743821,"system":"online"}],"type":"update"}',
        b'{"method":"unsubscribe","result":{"channel":"book","depth":10,"symbol":"BTC/USD"},"success":true}',
    ],
)
def test_what_only_says_that_the_line_lives_leads_to_nothing(frame) -> None:
    assert hear(session_of(), frame) == []


@pytest.mark.parametrize("channel", ["ticker", "ohlc", "instrument", "level3"])
def test_channels_that_are_not_read_are_counted(channel) -> None:
    session = session_of()
    assert say(session, channel=channel, type="update", data={"assets": []}) == []
    assert session.checks.ignored == 1


def test_a_refused_subscription_is_told_and_the_connection_goes_on() -> None:
    frame = b'{"error":"Currency pair not supported XDG/USD","method":"subscribe","success":false,"symbol":"XDG/USD"}'
    (item,) = hear(session_of(), frame)
    assert (item.reason, item.detail) == ("error_frame", "subscribe XDG/USD: Currency pair not supported XDG/USD")
    (item,) = hear(session_of(), b'{"Error":"Exceeded msg rate"}')
    assert (item.reason, "Exceeded msg rate" in item.detail) == ("error_frame", True)


def test_a_fresh_book_that_is_refused_comes_with_a_new_connection_only() -> None:
    session = session_of()
    hear(session, DOCUMENTED_BOOK)
    (_, wish) = say(session, **change(checksum=1))
    request = json.loads(wish.frames[1])["req_id"]
    refused: dict[str, Any] = {"error": "Exceeded msg rate", "success": False, "req_id": request}
    assert [type(item) for item in say(session, method="unsubscribe", **refused)] == [Rejected]
    bad, end = say(session, method="subscribe", **refused)
    assert (bad.reason, end) == ("error_frame", Reconnect(cause="refused"))
    gone = refused | {"error": "Currency pair not supported BTC/USD"}  # delisted: its neighbours stay
    assert [type(item) for item in say(session, method="subscribe", **gone)] == [Rejected]


def test_a_book_by_rest_is_not_wanted() -> None:
    (item,) = session_of().snapshot("BTC-USD", b"{}", 1)
    assert isinstance(item, Rejected)
    assert item.reason == "unexpected"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"\xff\xfe", "decode"),
        (b'{"deep":' + b"[" * 100_000, "decode"),
        (b"[]", "value"),
        (b"{}", "unknown_channel"),
        (b'{"channel":"gossip"}', "unknown_channel"),
        (b'{"channel":"book","type":"update","data":{}}', "value"),
        (b'{"channel":"trade","data":[{"symbol":"BTC/USD","side":"both"}]}', "value"),
        (DOCUMENTED_TRADE.replace(b"40.0", b"NaN"), "decode"),
        (DOCUMENTED_TRADE.replace(b"40.0", b"0"), "value"),
        (DOCUMENTED_TRADE.replace(b"40.0", b'"40.0"'), "value"),
        (DOCUMENTED_TRADE.replace(b"4665906", b"0"), "value"),
        (b" " * (4 * 2**20 + 1), "oversize"),
    ],
)
def test_what_cannot_be_read_is_rejected_by_reason(frame, reason) -> None:
    (item,) = hear(session_of(), frame)
    assert isinstance(item, Rejected)
    assert item.reason == reason
    assert len(item.payload) <= 4096


def test_few_frames_ask_for_many_pairs_books_first() -> None:
    many = [
        Instrument(symbol=f"A{n}-USD", native=f"A{n}/USD", kind=spot(f"A{n}", "USD"), tick=1, lot=1) for n in range(65)
    ]
    frames = [json.loads(one) for one in subscriptions(many, tuple(Stream), depth=25, replay=True)]
    asked = [(one["req_id"], one["params"]["channel"], len(one["params"]["symbol"])) for one in frames]
    assert asked == [(1, "book", 50), (2, "book", 15), (3, "trade", 50), (4, "trade", 15)]
    assert {one["method"] for one in frames} == {"subscribe"}
    assert {one["params"].get("depth") for one in frames} == {25, None}
    assert all(one["params"]["snapshot"] for one in frames)
    (only,) = subscriptions(many[:1], (Stream.TRADES,), depth=10, replay=False)
    assert json.loads(only)["params"] == {"channel": "trade", "symbol": ["A0/USD"], "snapshot": False}
    assert json.loads(fresh_book(BTC, 10, 5)[0])["req_id"] == 5
