"""Binance COIN-M in the vendor's documented shapes; the vendor's own base quantities check ours."""

import json
from typing import Any

import pytest

from libs.common.events import (
    BookSnapshot,
    FundingRate,
    Liquidation,
    MarkPrice,
    Origin,
    PositionSide,
    Side,
    Source,
    Timeframe,
    Trade,
)
from services.ingest.venues import BinanceCoinm
from services.ingest.venues.terms import Plan, Rejected, Stream

LISTING = {
    "symbol": "BTCUSD_PERP",
    "pair": "BTCUSD",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "onboardDate": 1596006000000,
    "contractStatus": "TRADING",
    "contractSize": 100,
    "marginAsset": "BTC",
    "baseAsset": "BTC",
    "quoteAsset": "USD",
    "pricePrecision": 1,
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "1000", "maxPrice": "4520958", "tickSize": "0.1"},
        {"filterType": "LOT_SIZE", "stepSize": "1", "maxQty": "1000000", "minQty": "1"},
    ],
}
DATED = LISTING | {"symbol": "BTCUSD_200925", "contractType": "CURRENT_QUARTER", "deliveryDate": 1601020800000}
ETH = LISTING | {"symbol": "ETHUSD_PERP", "baseAsset": "ETH", "contractSize": 10}
AGG_TRADE = {
    "e": "aggTrade",
    "E": 1787492348372,
    "a": 494118434,
    "s": "BTCUSD_PERP",
    "p": "80000.0",
    "q": "40",
    "f": 1149067072,
    "l": 1149067074,
    "T": 1787492348362,
    "m": True,
    "st": 2,
}
DEPTH = {
    "e": "depthUpdate",
    "E": 1591270260907,
    "T": 1591270260891,
    "s": "BTCUSD_200925",
    "ps": "BTCUSD",
    "U": 17285681,
    "u": 17285702,
    "pu": 17285675,
    "b": [["8000.0", "10"]],
    "a": [["10000.0", "45"]],
}
ORDER = {
    "s": "BTCUSD_200925",
    "ps": "BTCUSD",
    "S": "SELL",
    "o": "LIMIT",
    "f": "IOC",
    "q": "1",
    "p": "9425.5",
    "ap": "9496.5",
    "X": "FILLED",
    "l": "1",
    "z": "1",
    "T": 1591154240949,
}
MARK = {
    "e": "markPriceUpdate",
    "E": 1787492348000,
    "s": "BTCUSD_PERP",
    "p": "77509.30000000",
    "ap": "77509.30000000",
    "P": "77427.35627946",
    "i": "77515.59065002",
    "r": "0.00010000",
    "T": 1787500800000,
    "st": 2,
}


def _catalogue(*rows) -> Any:
    return BinanceCoinm().instruments([json.dumps({"timezone": "UTC", "symbols": rows}).encode()])


INSTRUMENTS = _catalogue(LISTING, DATED, ETH)
PERP, QUARTER = INSTRUMENTS["BTCUSD_PERP"], INSTRUMENTS["BTCUSD_200925"]


def _session(trade_channel="aggTrade") -> Any:
    plan = Plan(url="", symbols=(), streams=())
    return BinanceCoinm(trade_channel=trade_channel).session(plan, INSTRUMENTS, Origin.SIMULATED)


def _frame(payload) -> bytes:
    return json.dumps({"stream": "x", "data": payload}).encode()


def test_the_catalogue_says_how_many_dollars_a_contract_is() -> None:
    assert {native: (one.symbol, one.contract_size, one.inverse, one.live) for native, one in INSTRUMENTS.items()} == {
        "BTCUSD_PERP": ("BTC-USD-PERP", 100.0, True, True),
        "BTCUSD_200925": ("BTC-USD-20200925", 100.0, True, True),
        "ETHUSD_PERP": ("ETH-USD-PERP", 10.0, True, True),
    }
    assert (PERP.tick, PERP.lot) == (0.1, 1.0)
    assert not _catalogue(LISTING | {"contractStatus": "SETTLING"})["BTCUSD_PERP"].live


@pytest.mark.parametrize(
    "row",
    [
        {name: value for name, value in LISTING.items() if name != "contractSize"},
        LISTING | {"contractSize": 0},
        LISTING | {"contractSize": "many"},
        LISTING | {"quoteAsset": "USDT"},
        LISTING | {"contractType": "CURRENT_QUARTER DELIVERING"},
    ],
)
def test_what_cannot_be_counted_in_coins_is_left_out(row) -> None:
    assert _catalogue(row) == {}


def test_a_trade_counts_coins() -> None:
    assert _session().receive(_frame(AGG_TRADE), 5) == [
        Trade(
            venue="binance-coinm",
            symbol="BTC-USD-PERP",
            event_ns=1_787_492_348_362_000_000,
            received_ns=5,
            origin=Origin.SIMULATED,
            price=80_000.0,
            size=0.05,  # 40 contracts of 100 dollars at 80,000
            side=Side.SELL,
            trade_id="494118434",
        )
    ]


def test_a_page_agrees_with_the_vendors_base_quantity() -> None:
    row = {"id": 595103, "price": "9642.2", "qty": "1", "baseQty": "0.01037108", "time": 1499865549590,
           "isBuyerMaker": True}  # fmt: skip
    (trade,) = BinanceCoinm(trade_channel="trade").trades(PERP, "", json.dumps([row]).encode(), 3, Origin.LIVE)
    assert (round(trade.size, 8), trade.side) == (0.01037108, Side.SELL)
    row = {"a": 416690, "p": "9642.4", "q": "3", "f": 595259, "l": 595259, "T": 1591250548649, "m": False}
    (trade,) = BinanceCoinm().trades(PERP, "416689", json.dumps([row]).encode(), 3, Origin.LIVE)
    assert trade.size == pytest.approx(300 / 9642.4, rel=1e-15)
    assert BinanceCoinm().trades(PERP, "416690", json.dumps([row]).encode(), 3, Origin.LIVE) == []


def test_usd_margined_contracts_are_passed_over_and_others_are_ours() -> None:
    session = _session()
    assert session.receive(_frame(AGG_TRADE | {"st": 1}), 5) == []
    assert session.receive(_frame({"e": "forceOrder", "st": 1, "o": ORDER}), 5) == []
    assert session.receive(_frame({"e": "forceOrder", "o": ORDER | {"st": 1}}), 5) == []
    assert session.checks.ignored == 3
    assert len(session.receive(_frame({name: value for name, value in AGG_TRADE.items() if name != "st"}), 5)) == 1


def test_a_book_counts_coins_at_each_level() -> None:
    session = _session()
    session.receive(_frame(DEPTH), 5)
    body = {
        "lastUpdateId": 17285690,
        "symbol": "BTCUSD_200925",
        "pair": "BTCUSD",
        "E": 1591270260800,
        "T": 1591270260799,
        "bids": [["5000", "1"]],
        "asks": [["20000", "2"]],
    }
    (shown,) = session.snapshot("BTC-USD-20200925", json.dumps(body).encode(), 6)
    assert isinstance(shown, BookSnapshot)
    assert shown.bids == ((8000.0, 0.125), (5000.0, 0.02))
    assert shown.asks == ((10000.0, 0.45), (20000.0, 0.01))
    (delta,) = session.receive(_frame(DEPTH | {"pu": 17285702, "U": 17285710, "u": 17285711, "a": [["10000", "0"]]}), 7)
    assert (delta.asks, delta.first_sequence, delta.last_sequence) == (((10000.0, 0.0),), 17285703, 17285711)


def test_a_change_without_its_predecessor_is_no_change() -> None:
    session = _session()
    items = session.receive(_frame({name: value for name, value in DEPTH.items() if name != "pu"}), 5)
    assert isinstance(items[0], Rejected)
    assert items[0].reason == "value"


@pytest.mark.parametrize("average", [2.2250738585072014e-308, 5e-324, 1e-19])
def test_a_price_so_small_that_coins_would_be_infinite_is_none(average: float) -> None:
    (item,) = _session().receive(_frame({"e": "forceOrder", "E": 1591154240950, "o": ORDER | {"ap": average}}), 5)
    assert isinstance(item, Rejected)
    assert item.reason == "value"


def test_a_liquidation_counts_coins_at_its_average_price() -> None:
    (item,) = _session().receive(_frame({"e": "forceOrder", "E": 1591154240950, "o": ORDER}), 5)
    assert isinstance(item, Liquidation)
    assert (item.symbol, item.price, item.liquidated) == ("BTC-USD-20200925", 9496.5, PositionSide.LONG)
    assert item.notional == pytest.approx(100.0, rel=1e-15)


def test_marks_and_funding() -> None:
    mark, funding = _session().receive(_frame(MARK), 5)
    assert isinstance(mark, MarkPrice)
    assert (mark.venue, mark.price, mark.index_price) == ("binance-coinm", 77509.3, 77515.59065002)
    assert isinstance(funding, FundingRate)
    assert (funding.rate, funding.next_funding_ns) == (0.0001, 1_787_500_800_000_000_000)
    dated = {"e": "markPriceUpdate", "E": 1596095725000, "s": "BTCUSD_200925", "p": "10934.62615417",
             "P": "10962.17178236", "r": "", "T": 0}  # fmt: skip
    (mark,) = _session().receive(_frame(dated), 5)
    assert mark.symbol == "BTC-USD-20200925"


def test_a_candles_base_volume_is_another_column() -> None:
    row = [
        1591258320000,
        "9640.7",
        "9642.4",
        "9640.6",
        "9642.0",
        "206",
        1591258379999,
        "2.13660389",
        48,
        "119",
        "1.23424865",
        "0",
    ]
    (candle,) = BinanceCoinm().candles(PERP, Timeframe.M1, json.dumps([row]).encode(), 2 * 10**18, Origin.LIVE)
    assert (candle.volume, candle.taker_buy_volume, candle.trades) == (2.13660389, 1.23424865, 48)
    assert (candle.open, candle.close, candle.closed, candle.source) == (9640.7, 9642.0, True, Source.REST)
    assert candle.volume == pytest.approx(206 * 100 / 9641.5, rel=1e-4)  # contracts of 100 dollars


def test_addresses_and_weights() -> None:
    venue = BinanceCoinm()
    (plan,) = venue.plan([PERP], list(Stream))
    assert plan.url == (
        "wss://dstream.binance.com/stream?streams="
        "btcusd_perp@aggTrade/btcusd_perp@depth@100ms/btcusd_perp@forceOrder/btcusd_perp@markPrice@1s"
    )
    (routed,) = BinanceCoinm(ws_url="wss://dstream.binance.com/market").plan([QUARTER], [Stream.TRADES])
    assert routed.url == "wss://dstream.binance.com/market/stream?streams=btcusd_200925@aggTrade"
    assert venue.instruments_requests()[0].url == "https://dapi.binance.com/dapi/v1/exchangeInfo"
    depth = venue.snapshot_request(PERP)
    assert (depth.url, depth.weight) == (
        "https://dapi.binance.com/dapi/v1/depth?symbol=BTCUSD_PERP&limit=1000",
        20,
    )
    assert venue.candles_request(PERP, Timeframe.M5, 2000).weight == 10
    assert BinanceCoinm(trade_channel="trade").trades_request(PERP, "1").weight == 20
