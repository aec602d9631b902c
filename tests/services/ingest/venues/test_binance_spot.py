"""Binance spot frames, catalogue and REST pages in the vendor's documented shapes, with values worked out by hand."""

import json
import re
from typing import Any

import pytest

from libs.common.events import BookSnapshot, Gap, Origin, Side, Source, Timeframe, Trade
from libs.common.events.symbols import spot
from services.ingest.venues import VENUES, BinanceSpot
from services.ingest.venues.terms import AnswerError, Instrument, Plan, Rejected, Rotate, SnapshotWanted, Stream

BNB = Instrument(symbol="BNB-BTC", native="BNBBTC", kind=spot("BNB", "BTC"), tick=0.0001, lot=0.001)
AGG_TRADE = {
    "e": "aggTrade",
    "E": 1672515782136,
    "s": "BNBBTC",
    "a": 12345,
    "p": "0.001",
    "q": "100",
    "f": 100,
    "l": 105,
    "T": 1672515782136,
    "m": True,
    "M": True,
}
TRADE = {
    "e": "trade",
    "E": 1672515782136,
    "s": "BNBBTC",
    "t": 12345,
    "p": "0.001",
    "q": "100",
    "T": 1672515782136,
    "m": False,
    "M": True,
}
DEPTH = {
    "e": "depthUpdate",
    "E": 1672515782136,
    "s": "BNBBTC",
    "U": 157,
    "u": 160,
    "b": [["0.0024", "10"]],
    "a": [["0.0026", "100"]],
}
LISTING = {
    "symbol": "BNBBTC",
    "status": "TRADING",
    "baseAsset": "BNB",
    "baseAssetPrecision": 8,
    "quoteAsset": "BTC",
    "isSpotTradingAllowed": True,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.00000100", "maxPrice": "100000.00", "tickSize": "0.00000100"},
        {"filterType": "LOT_SIZE", "minQty": "0.00100000", "maxQty": "100000.00", "stepSize": "0.00100000"},
        {"filterType": "ICEBERG_PARTS", "limit": 10},
    ],
    "permissionSets": [["SPOT", "MARGIN"]],
}
KLINE: list[Any] = [
    1499040000000,
    "0.01634790",
    "0.80000000",
    "0.01575800",
    "0.01577100",
    "148976.11427815",
    1499644799999,
    "2434.19055334",
    308,
    "1756.87402397",
    "28.46694368",
    "0",
]


def _session(trade_channel="aggTrade") -> Any:
    plan = Plan(url="", symbols=(BNB.symbol,), streams=())
    return BinanceSpot(trade_channel=trade_channel).session(plan, {"BNBBTC": BNB}, Origin.SIMULATED)


def _frame(payload, stream="bnbbtc@something") -> bytes:
    return json.dumps({"stream": stream, "data": payload}).encode()


def _synced() -> Any:
    session = _session()
    session.receive(_frame(DEPTH), 5)
    session.snapshot(BNB.symbol, b'{"lastUpdateId":158,"bids":[["0.0023","1"]],"asks":[["0.0027","2"]]}', 6)
    return session


def test_the_taker_of_an_aggregate_sells_when_the_buyer_was_the_maker() -> None:
    assert _session().receive(_frame(AGG_TRADE), 5) == [
        Trade(
            venue="binance-spot",
            symbol="BNB-BTC",
            event_ns=1_672_515_782_136_000_000,
            received_ns=5,
            origin=Origin.SIMULATED,
            price=0.001,
            size=100.0,
            side=Side.SELL,
            trade_id="12345",
        )
    ]
    (single,) = _session("trade").receive(json.dumps(TRADE).encode(), 5)
    assert (single.side, single.trade_id) == (Side.BUY, "12345")


@pytest.mark.parametrize(
    ("stamp", "event_ns"),
    [(1672515782136, 1_672_515_782_136_000_000), (1672515782136789, 1_672_515_782_136_789_000)],
)
def test_microseconds_are_known_by_their_size(stamp, event_ns) -> None:
    (trade,) = _session().receive(_frame(AGG_TRADE | {"T": stamp, "E": stamp}), 5)
    assert trade.event_ns == event_ns
    session = _synced()
    (delta,) = session.receive(_frame(DEPTH | {"U": 161, "u": 162, "E": stamp}), 7)
    assert delta.event_ns == event_ns


@pytest.mark.parametrize("stamp", [1672515782, 9_000_000_000_001, 999_999_999_999_999, 1672515782136789000])
def test_other_units_of_time_are_refused(stamp) -> None:
    (item,) = _session().receive(_frame(AGG_TRADE | {"T": stamp}), 5)
    assert (type(item), item.reason) == (Rejected, "value")


def test_depth_is_joined_with_a_snapshot_by_its_ids_alone() -> None:
    session = _session()
    assert session.receive(_frame(DEPTH), 5) == [SnapshotWanted(symbol="BNB-BTC", cause="start")]
    body = {"lastUpdateId": 158, "bids": [["0.0023", "1"]], "asks": [["0.0027", "2"]]}
    (shown,) = session.snapshot("BNB-BTC", json.dumps(body).encode(), 6)
    assert shown == BookSnapshot(
        venue="binance-spot",
        symbol="BNB-BTC",
        event_ns=1_672_515_782_136_000_000,
        received_ns=6,
        origin=Origin.SIMULATED,
        bids=((0.0024, 10.0), (0.0023, 1.0)),
        asks=((0.0026, 100.0), (0.0027, 2.0)),
        sequence=160,
    )
    (delta,) = session.receive(_frame(DEPTH | {"U": 161, "u": 165, "b": [], "a": [["0.0026", "0"]]}), 7)
    assert (delta.first_sequence, delta.last_sequence, delta.asks) == (161, 165, ((0.0026, 0.0),))


def test_a_missing_change_loses_the_book() -> None:
    session = _synced()
    gap, want = session.receive(_frame(DEPTH | {"U": 164, "u": 165}), 7)
    assert isinstance(gap, Gap)
    assert (gap.cause, gap.first_missing, gap.last_missing) == ("sequence", "161", "163")
    assert want == SnapshotWanted(symbol="BNB-BTC", cause="sequence")
    assert session.book("BNB-BTC") is None


@pytest.mark.parametrize(
    ("payload", "stream"),
    [
        ({"lastUpdateId": 160, "bids": [["0.0024", "10"]], "asks": [["0.0026", "100"]]}, "bnbbtc@depth5"),
        ({"lastUpdateId": 160, "bids": [], "asks": []}, "bnbbtc@depth20@100ms"),
        ({"u": 400900217, "s": "BNBBTC", "b": "25.35", "B": "31.2", "a": "25.36", "A": "40.6"}, "bnbbtc@bookTicker"),
        ({"u": 400900217, "s": "BNBBTC", "b": "25.35", "B": "31.2", "a": "25.36", "A": "40.6"}, "!bookTicker"),
        ({"e": "kline", "E": 1672515782136, "s": "BNBBTC", "k": {"t": 1672515780000}}, "bnbbtc@kline_1m"),
        ({"e": "24hrTicker", "E": 1672515782136, "s": "BNBBTC"}, "bnbbtc@ticker"),
    ],
)
def test_known_streams_that_are_not_read_are_counted(payload, stream) -> None:
    session = _session()
    assert session.receive(_frame(payload, stream), 5) == []
    assert session.receive(json.dumps(payload).encode(), 5) == []  # bare
    assert session.checks.ignored == 2


def test_a_planned_shutdown_asks_for_the_next_connection() -> None:
    notice = {"e": "serverShutdown", "E": 1770123456789}
    for frame in (json.dumps(notice).encode(), _frame(notice, "!serverShutdown")):
        assert _session().receive(frame, 5) == [Rotate(cause="serverShutdown")]


def test_what_futures_alone_have_is_unknown_here() -> None:
    for event in ({"e": "forceOrder", "o": {"s": "BNBBTC"}}, {"e": "markPriceUpdate", "s": "BNBBTC", "p": "1"}):
        (item,) = _session().receive(_frame(event), 5)
        assert item.reason == "unknown_channel"


def test_a_snapshot_of_nobody_is_refused() -> None:
    (item,) = _session().snapshot("XRP-BTC", b'{"lastUpdateId":158,"bids":[],"asks":[]}', 6)
    assert (type(item), item.reason) == (Rejected, "unknown_instrument")


def _catalogue(*rows) -> dict[str, Instrument]:
    return BinanceSpot().instruments([json.dumps({"timezone": "UTC", "symbols": rows}).encode()])


def test_symbols_come_from_the_catalogue() -> None:
    halted = LISTING | {"symbol": "币安人生USDT", "baseAsset": "币安人生", "quoteAsset": "USDT", "status": "BREAK"}
    found = _catalogue(LISTING, halted, LISTING | {"filters": []}, {"symbol": "X"}, None)
    assert {native: (one.symbol, one.live) for native, one in found.items()} == {
        "BNBBTC": ("BNB-BTC", True),
        "币安人生USDT": ("币安人生-USDT", False),
    }
    one = found["BNBBTC"]
    assert (one.tick, one.lot, one.contract_size, one.inverse) == (0.000001, 0.001, 1.0, False)


def test_one_connection_carries_trades_and_books_and_nothing_else_exists() -> None:
    (plan,) = BinanceSpot().plan([BNB], list(Stream))
    assert plan.url == "wss://stream.binance.com:9443/stream?streams=bnbbtc@aggTrade/bnbbtc@depth@100ms"
    assert plan.streams == (Stream.TRADES, Stream.BOOKS)
    assert BinanceSpot().plan([BNB], [Stream.FUNDING, Stream.LIQUIDATIONS]) == []
    moved = VENUES["binance-spot"](ws_url="wss://data-stream.binance.vision/", trade_channel="trade")
    (plan,) = moved.plan([BNB], [Stream.TRADES])
    assert plan.url == "wss://data-stream.binance.vision/stream?streams=bnbbtc@trade"
    assert [one.url.count("@depth") for one in BinanceSpot().plan([BNB] * 150, list(Stream))] == [100, 50]


def test_requests_and_their_weights() -> None:
    venue, api = BinanceSpot(), "https://api.binance.com/api/v3"
    calls = {
        f"{api}/exchangeInfo": (venue.instruments_requests()[0], 20),
        f"{api}/depth?symbol=BNBBTC&limit=1000": (venue.snapshot_request(BNB), 50),
        f"{api}/klines?symbol=BNBBTC&interval=1w&limit=1000": (venue.candles_request(BNB, Timeframe.W1, 5000), 2),
        f"{api}/aggTrades?symbol=BNBBTC&fromId=42&limit=1000": (venue.trades_request(BNB, "41"), 4),
        f"{api}/historicalTrades?symbol=BNBBTC&limit=500": (
            BinanceSpot(trade_channel="trade").trades_request(BNB, ""),
            25,
        ),
    }
    assert {url: (call.url, call.weight) for url, (call, _) in calls.items()} == {
        url: (url, weight) for url, (_, weight) in calls.items()
    }


def test_a_candle_counts_base_units() -> None:
    monday = KLINE[0] // 604_800_000 * 604_800_000 + 4 * 86_400_000
    rows = [[monday - 604_800_000, *KLINE[1:]], [monday, *KLINE[1:]]]
    first, second = BinanceSpot().candles(BNB, Timeframe.W1, json.dumps(rows).encode(), monday * 10**6 + 5, Origin.LIVE)
    assert (first.closed, second.closed, first.source) == (True, False, Source.REST)
    assert (first.open, first.high, first.low, first.close) == (0.0163479, 0.8, 0.015758, 0.015771)
    assert (first.volume, first.taker_buy_volume, first.trades) == (148976.11427815, 1756.87402397, 308)


def test_pages_of_trades() -> None:
    rows = [
        {"a": number, "p": "0.01633102", "q": "4.70443515", "f": 27781, "l": 27781, "T": 1498793709153, "m": True}
        for number in (26128, 26129)
    ]
    (trade,) = BinanceSpot().trades(BNB, "26128", json.dumps(rows).encode(), 3, Origin.LIVE)
    assert (trade.venue, trade.trade_id, trade.side, trade.size) == ("binance-spot", "26129", Side.SELL, 4.70443515)
    row = {"id": 28457, "price": "4.00000100", "qty": "12.0", "quoteQty": "48.000012", "time": 1499865549590,
           "isBuyerMaker": False, "isBestMatch": True}  # fmt: skip
    (single,) = BinanceSpot(trade_channel="trade").trades(BNB, "", json.dumps([row]).encode(), 3, Origin.LIVE)
    assert (single.trade_id, single.side, single.event_ns) == ("28457", Side.BUY, 1499865549590 * 10**6)
    for body in (b'{"code":-1121,"msg":"Invalid symbol."}', json.dumps([rows[0] | {"T": 10**14}]).encode()):
        with pytest.raises(AnswerError, match=re.escape("binance-spot trades")):
            BinanceSpot().trades(BNB, "", body, 3, Origin.LIVE)
