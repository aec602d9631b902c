"""Binance USD-M frames in the vendor's documented shapes, with values worked out by hand."""

import json

import pytest

from libs.common.events import (
    BookSnapshot,
    FundingRate,
    Gap,
    Liquidation,
    MarkPrice,
    Origin,
    PositionSide,
    Side,
    Trade,
)
from libs.common.events.symbols import perpetual
from services.ingest.venues import BinanceUsdm
from services.ingest.venues.terms import Acknowledged, Instrument, Plan, Rejected, SnapshotWanted
from services.ingest.venues.wire import FRAME_LIMIT, PAYLOAD_LIMIT

SYMBOL = "BTC-USDT-PERP"
INSTRUMENTS = {
    f"{base}USDT": Instrument(
        symbol=f"{base}-USDT-PERP", native=f"{base}USDT", kind=perpetual(base, "USDT"), tick=0.1, lot=0.001
    )
    for base in ("BTC", "ETH")
}
AGG_TRADE = {
    "e": "aggTrade",
    "E": 1700000000123,
    "s": "BTCUSDT",
    "a": 5933014,
    "p": "42000.10",
    "q": "0.250",
    "nq": "0.250",
    "f": 100,
    "l": 105,
    "T": 1700000000100,
    "m": True,
}
TRADE = {
    "e": "trade",
    "E": 1700000000123,
    "T": 1700000000101,
    "s": "BTCUSDT",
    "t": 77,
    "p": "42000.20",
    "q": "1.5",
    "X": "MARKET",
    "m": False,
}
DEPTH = {
    "e": "depthUpdate",
    "E": 1700000000123,
    "T": 1700000000111,
    "s": "BTCUSDT",
    "U": 157,
    "u": 160,
    "pu": 149,
    "b": [["42000.00", "10"]],
    "a": [["42000.10", "0"], ["42000.20", "3.5"]],
}
ORDER = {
    "s": "BTCUSDT",
    "S": "SELL",
    "o": "LIMIT",
    "f": "IOC",
    "q": "0.014",
    "p": "9910",
    "ap": "9920.5",
    "X": "FILLED",
    "l": "0.004",
    "z": "0.012",
    "T": 1700000000200,
}
MARK = {
    "e": "markPriceUpdate",
    "E": 1700000000000,
    "s": "BTCUSDT",
    "p": "11794.15",
    "ap": "11794.2",
    "i": "11784.62",
    "P": "11784.25",
    "r": "0.00038167",
    "T": 1700006400000,
}


def _session(trade_channel="aggTrade", symbols=(SYMBOL,)):
    venue = BinanceUsdm(trade_channel=trade_channel)
    return venue.session(Plan(url="", symbols=symbols, streams=()), INSTRUMENTS, Origin.SIMULATED)


def _frame(payload, stream="btcusdt@something") -> bytes:
    return json.dumps({"stream": stream, "data": payload}).encode()


def _one(session, payload, **kwargs):
    (item,) = session.receive(_frame(payload, **kwargs), 5)
    return item


def test_the_taker_of_an_aggregate_sells_when_the_buyer_was_the_maker() -> None:
    assert _one(_session(), AGG_TRADE) == Trade(
        venue="binance-usdm",
        symbol=SYMBOL,
        event_ns=1_700_000_000_100_000_000,
        received_ns=5,
        origin=Origin.SIMULATED,
        price=42000.1,
        size=0.25,
        side=Side.SELL,
        trade_id="5933014",
    )


def test_an_aggregate_without_an_id_is_named_by_its_range() -> None:
    old = {name: value for name, value in AGG_TRADE.items() if name not in {"a", "nq"}}
    assert _one(_session(), old).trade_id == "100-105"


def test_single_trades_are_read_where_they_were_chosen_and_bare_frames_too() -> None:
    (trade,) = _session("trade").receive(json.dumps(TRADE).encode(), 5)
    assert (trade.side, trade.trade_id, trade.size) == (Side.BUY, "77", 1.5)


def test_only_one_trade_channel_counts() -> None:
    session = _session()
    assert session.receive(_frame(TRADE), 5) == []
    assert session.checks.ignored == 1
    first = _session("first")
    assert len(first.receive(_frame(TRADE), 5)) == 1
    assert first.receive(_frame(AGG_TRADE), 5) == []


@pytest.mark.parametrize("kind", ["INSURANCE_FUND", "ADL", "NA"])
def test_an_execution_outside_the_market_is_counted_but_no_trade(kind) -> None:
    session = _session("trade")
    assert session.receive(_frame(TRADE | {"X": kind, "p": "0", "q": "0"}), 5) == []
    assert session.checks.non_market == 1


def test_depth_is_joined_with_a_snapshot_and_continues_as_deltas() -> None:
    session = _session()
    assert _one(session, DEPTH) == SnapshotWanted(symbol=SYMBOL, cause="start")
    body = {
        "lastUpdateId": 158,
        "E": 1,
        "T": 1700000000105,
        "bids": [["41999.90", "1"]],
        "asks": [["42000.10", "2"], ["42000.30", "4"]],
    }
    (shown,) = session.snapshot(SYMBOL, json.dumps({**body, "E": 1700000000106}).encode(), 6)
    assert shown == BookSnapshot(
        venue="binance-usdm",
        symbol=SYMBOL,
        event_ns=1_700_000_000_111_000_000,
        received_ns=6,
        origin=Origin.SIMULATED,
        bids=((42000.0, 10.0), (41999.9, 1.0)),
        asks=((42000.2, 3.5), (42000.3, 4.0)),
        sequence=160,
    )
    assert session.book(SYMBOL) == shown
    delta = _one(session, DEPTH | {"U": 170, "u": 175, "pu": 160, "a": []})
    assert (delta.first_sequence, delta.last_sequence, delta.asks) == (161, 175, ())
    assert session.book("ETH-USDT-PERP") is None


def test_an_unreadable_snapshot_is_rejected_and_asked_for_again() -> None:
    session = _session()
    session.receive(_frame(DEPTH), 5)
    rejected, again = session.snapshot(SYMBOL, b'{"code":-1003,"msg":"Too many requests"}', 6)
    assert rejected.reason == "value"
    assert again == SnapshotWanted(symbol=SYMBOL, cause="unreadable")


def test_a_bad_level_loses_the_book_because_the_change_is_lost() -> None:
    session = _session()
    session.receive(_frame(DEPTH), 5)
    session.snapshot(SYMBOL, b'{"lastUpdateId":158,"bids":[],"asks":[]}', 6)
    items = session.receive(_frame(DEPTH | {"pu": 160, "U": 161, "u": 162, "b": [["42000", "-1"]]}), 7)
    assert [type(item) for item in items] == [Rejected, Gap, SnapshotWanted]
    assert session.book(SYMBOL) is None


def test_a_change_without_its_predecessor_is_no_change() -> None:
    items = _session().receive(_frame({name: value for name, value in DEPTH.items() if name != "pu"}), 5)
    assert items[0].reason == "value"


@pytest.mark.parametrize("stream", ["btcusdt@depth5", "btcusdt@depth20@100ms", "btcusdt@depth10@500ms"])
def test_partial_books_are_no_changes(stream) -> None:
    session = _session()
    assert session.receive(_frame(DEPTH, stream), 5) == []
    assert session.checks.ignored == 1


def test_a_selling_liquidation_order_closes_a_long() -> None:
    expected = Liquidation(
        venue="binance-usdm",
        symbol=SYMBOL,
        event_ns=1_700_000_000_200_000_000,
        received_ns=5,
        origin=Origin.SIMULATED,
        price=9920.5,
        size=0.012,
        liquidated=PositionSide.LONG,
    )
    event = {"e": "forceOrder", "E": 1700000000201, "o": ORDER}
    assert _one(_session(), event) == expected
    assert _session().receive(json.dumps(event).encode(), 5) == [expected]
    short = _one(_session(), {"e": "forceOrder", "E": 1, "o": ORDER | {"S": "BUY", "ap": "0", "z": "0"}})
    assert (short.liquidated, short.price, short.size) == (PositionSide.SHORT, 9910.0, 0.014)


def test_coin_margined_contracts_are_passed_over() -> None:
    session = _session()
    assert session.receive(_frame({"e": "forceOrder", "E": 1, "o": ORDER | {"st": 2}}), 5) == []
    assert session.receive(_frame({"e": "forceOrder", "E": 1, "st": 2, "o": ORDER}), 5) == []
    assert session.receive(_frame(AGG_TRADE | {"st": 2}), 5) == []
    assert len(session.receive(_frame(AGG_TRADE | {"st": 1}), 5)) == 1
    assert session.checks.ignored == 3


def test_a_liquidation_without_a_size_is_rejected() -> None:
    assert _one(_session(), {"e": "forceOrder", "o": ORDER | {"z": "0", "q": "0"}}).reason == "value"


def test_a_mark_price_carries_the_funding_rate() -> None:
    mark, funding = _session().receive(_frame(MARK), 5)
    assert isinstance(mark, MarkPrice)
    assert (mark.price, mark.index_price) == (11794.15, 11784.62)
    assert isinstance(funding, FundingRate)
    assert (funding.rate, funding.next_funding_ns) == (0.00038167, 1_700_006_400_000_000_000)


@pytest.mark.parametrize("dated", [{"r": "", "T": 0}, {"r": "0.00000000", "T": 0}, {"r": ""}])
def test_dated_contracts_have_no_funding(dated) -> None:
    assert [type(item) for item in _session().receive(_frame(MARK | dated), 5)] == [MarkPrice]


def test_early_marks_lack_the_index() -> None:
    mark, _ = _session().receive(_frame({name: MARK[name] for name in ("e", "E", "s", "p", "r", "T")}), 5)
    assert mark.index_price is None


def test_an_array_of_marks_keeps_the_good_neighbours_of_a_bad_row() -> None:
    rows = [MARK, MARK | {"p": "NaN"}, MARK | {"s": "ETHUSDT"}, MARK | {"s": "XUSDT"}]
    items = _session(symbols=()).receive(_frame(rows, "!markPrice@arr@1s"), 5)
    assert [type(item).__name__ for item in items] == [
        "MarkPrice",
        "FundingRate",
        "Rejected",
        "MarkPrice",
        "FundingRate",
        "Rejected",
    ]
    assert [item.reason for item in items if isinstance(item, Rejected)] == ["value", "unknown_instrument"]


def test_instruments_nobody_asked_for_are_passed_over() -> None:
    assert _session().receive(_frame(AGG_TRADE | {"s": "ETHUSDT"}), 5) == []


def test_answers_and_errors() -> None:
    session = _session()
    assert session.subscribe() == ()
    assert session.receive(b'{"result":null,"id":3}', 5) == [Acknowledged(channel="3")]
    for frame in (b'{"code":2,"msg":"Invalid request","id":1}', b'{"error":{"code":3,"msg":"x"},"id":1}'):
        (item,) = session.receive(frame, 5)
        assert item.reason == "error_frame"


@pytest.mark.parametrize("event", ["bookTicker", "kline", "24hrTicker"])
def test_known_streams_that_are_not_read_are_counted(event) -> None:
    session = _session()
    assert session.receive(_frame({"e": event, "s": "BTCUSDT"}), 5) == []
    assert session.checks.ignored == 1


BAD = [
    (b'{"stream":"btcusdt@aggTrade","da', "decode"),
    (b'{"stream":"\xff\xfe","data":{}}', "decode"),
    (b"", "decode"),
    (b"[" * 100_000, "value"),
    (b'{"data":' + b'{"a":' * 100_000, "decode"),
    (b"[]", "value"),
    (b"7", "value"),
    (b"{}", "unknown_channel"),
    (_frame({"e": "somethingNew", "s": "BTCUSDT"}), "unknown_channel"),
    (_frame({"s": "BTCUSDT"}), "unknown_channel"),
    (_frame("text"), "value"),
    (_frame([[]]), "value"),
    (b"x" * (16 * 1024 * 1024), "oversize"),
    (b" " * (FRAME_LIMIT + 1), "oversize"),
    (_frame(AGG_TRADE | {"s": "DOGEUSDT"}), "unknown_instrument"),
    (_frame(AGG_TRADE | {"p": "NaN"}), "value"),
    (_frame(AGG_TRADE | {"p": "Infinity"}), "value"),
    (_frame(AGG_TRADE | {"p": "-1"}), "value"),
    (_frame(AGG_TRADE | {"p": "0"}), "value"),
    (_frame(AGG_TRADE | {"p": "1e400"}), "value"),
    (_frame(AGG_TRADE | {"q": "-0.5"}), "value"),
    (_frame(AGG_TRADE | {"q": "0"}), "value"),
    (_frame(AGG_TRADE | {"q": None}), "value"),
    (_frame(AGG_TRADE | {"q": []}), "value"),
    (_frame(AGG_TRADE | {"m": "maybe"}), "value"),
    (_frame(AGG_TRADE | {"a": -1}), "value"),
    (_frame(AGG_TRADE | {"a": 10**40}), "value"),
    (_frame(AGG_TRADE | {"T": 1700000000}), "value"),
    (_frame(AGG_TRADE | {"T": 1700000000000000}), "value"),
    (_frame({"e": "aggTrade", "s": "BTCUSDT"}), "value"),
    (_frame(AGG_TRADE | {"p": "NaN"}).replace(b'"NaN"', b"NaN"), "decode"),
    (_frame({"e": "forceOrder", "o": ORDER | {"S": "HOLD"}}), "value"),
    (_frame({"e": "forceOrder", "o": 5}), "value"),
    (_frame({"e": "forceOrder"}), "decode"),
    (_frame(MARK | {"r": "NaN"}), "value"),
    (_frame(MARK | {"r": "much"}), "value"),
]


@pytest.mark.parametrize(("frame", "reason"), BAD, ids=range(len(BAD)))
def test_bad_input_is_rejected_with_its_reason_and_the_session_lives_on(frame, reason) -> None:
    session = _session()
    (item,) = session.receive(frame, 5)
    assert isinstance(item, Rejected)
    assert item.reason == reason
    assert len(item.payload) <= PAYLOAD_LIMIT
    assert isinstance(_one(session, AGG_TRADE), Trade)
