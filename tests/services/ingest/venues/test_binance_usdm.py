"""Binance USD-M's catalogue, connections and REST pages, in the vendor's documented shapes."""

import json
from typing import Any

import pytest

from libs.common.events import Origin, Side, Source, Timeframe
from services.ingest.venues import VENUES, BinanceUsdm
from services.ingest.venues.terms import AnswerError, Stream

LISTING = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": "0"},
    ],
}
DATED = LISTING | {"symbol": "BTCUSDT_260925", "contractType": "CURRENT_QUARTER", "deliveryDate": 1790323200000}


def _body(*rows) -> bytes:
    return json.dumps({"timezone": "UTC", "symbols": rows}).encode()


def _one(row=LISTING):
    return BinanceUsdm().instruments([_body(row)])[row["symbol"]]


def test_symbols_come_from_the_catalogue() -> None:
    found = BinanceUsdm().instruments(
        [_body(LISTING, DATED, LISTING | {"symbol": "1000SHIBUSDT", "baseAsset": "1000SHIB"})]
    )
    assert {native: one.symbol for native, one in found.items()} == {
        "BTCUSDT": "BTC-USDT-PERP",
        "BTCUSDT_260925": "BTC-USDT-20260925",
        "1000SHIBUSDT": "1000SHIB-USDT-PERP",
    }
    one = found["BTCUSDT"]
    assert (one.tick, one.lot, one.contract_size, one.inverse, one.live) == (0.1, 0.001, 1.0, False, True)


@pytest.mark.parametrize(
    "row",
    [
        LISTING | {"contractType": "TRADIFI_PERPETUAL"},
        LISTING | {"contractType": ""},
        LISTING | {"filters": []},
        LISTING | {"filters": 5},
        LISTING | {"baseAsset": ""},
        DATED | {"deliveryDate": 0},
        {"symbol": "X"},
        None,
    ],
)
def test_placeholders_and_other_kinds_are_left_out(row) -> None:
    assert list(BinanceUsdm().instruments([_body(row, DATED)])) == ["BTCUSDT_260925"]


def test_a_settling_contract_is_known_but_not_live() -> None:
    assert not _one(LISTING | {"status": "SETTLING"}).live


def test_streams_are_routed_and_the_addresses_can_be_replaced() -> None:
    venue = VENUES["binance-usdm"](ws_url="ws://127.0.0.1:1/", rest_url="http://127.0.0.1:2/")
    public, market = venue.plan([_one()], [Stream.BOOKS, Stream.TRADES, Stream.LIQUIDATIONS, Stream.FUNDING])
    assert public.url == "ws://127.0.0.1:1/public/stream?streams=btcusdt@depth@100ms"
    assert (
        market.url == "ws://127.0.0.1:1/market/stream?streams=btcusdt@aggTrade/btcusdt@forceOrder/btcusdt@markPrice@1s"
    )
    assert public.symbols == ("BTC-USDT-PERP",)
    (only,) = BinanceUsdm(trade_channel="trade").plan([_one()], [Stream.TRADES, Stream.BOOKS])
    assert only.url == "wss://fstream.binance.com/public/stream?streams=btcusdt@trade/btcusdt@depth@100ms"
    assert [request.url for request in venue.instruments_requests()] == ["http://127.0.0.1:2/fapi/v1/exchangeInfo"]
    assert BinanceUsdm().plan([], list(Stream)) == []


def test_a_connection_carries_at_most_200_streams() -> None:
    plans = BinanceUsdm().plan([_one()] * 250, [Stream.TRADES, Stream.LIQUIDATIONS])
    assert [plan.url.count("@") for plan in plans] == [200, 200, 100]


def test_requests_and_their_weights() -> None:
    venue, one = BinanceUsdm(), _one()
    depth = venue.snapshot_request(one)
    assert (depth.url, depth.weight) == ("https://fapi.binance.com/fapi/v1/depth?symbol=BTCUSDT&limit=1000", 20)
    klines = venue.candles_request(one, Timeframe.W1, 5000)
    assert (klines.url, klines.weight) == (
        "https://fapi.binance.com/fapi/v1/klines?symbol=BTCUSDT&interval=1w&limit=1500",
        10,
    )
    assert [venue.candles_request(one, Timeframe.M1, limit).weight for limit in (99, 499, 1000)] == [1, 2, 5]
    page = venue.trades_request(one, "41")
    assert (page.url, page.weight) == (
        "https://fapi.binance.com/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=42&limit=1000",
        20,
    )
    assert "fromId" not in venue.trades_request(one, "").url
    single = BinanceUsdm(trade_channel="trade").trades_request(one, "41")
    assert (single.url.split("?")[0].rpartition("/")[2], single.weight) == ("historicalTrades", 200)


KLINE: list[Any] = [
    1499040000000,
    "0.0163",
    "0.8000",
    "0.0157",
    "0.0158",
    "148976.1",
    1499040059999,
    "2434.1",
    308,
    "1756.8",
    "28.4",
    "0",
]


def test_a_candle_is_closed_when_another_follows_or_its_end_is_past() -> None:
    one, minute = _one(), 60_000
    body = json.dumps([KLINE, [KLINE[0] + minute, *KLINE[1:]]]).encode()
    end = (KLINE[0] + 2 * minute) * 10**6
    first, second = BinanceUsdm().candles(one, Timeframe.M1, body, end - 1, Origin.LIVE)
    assert (first.closed, second.closed) == (True, False)
    assert (first.open, first.high, first.low, first.close, first.volume) == (0.0163, 0.8, 0.0157, 0.0158, 148976.1)
    assert (first.taker_buy_volume, first.trades, first.source) == (1756.8, 308, Source.REST)
    assert (first.event_ns, second.event_ns) == (first.open_ns + Timeframe.M1.ns, end - 1)
    assert [one.closed for one in BinanceUsdm().candles(one, Timeframe.M1, body, end + 5 * 10**9, Origin.LIVE)] == [
        True
    ] * 2


def test_a_candle_off_its_grid_is_refused() -> None:
    with pytest.raises(AnswerError, match="opens no 1d bar"):
        BinanceUsdm().candles(_one(), Timeframe.D1, json.dumps([[KLINE[0] + 1, *KLINE[1:]]]).encode(), 0, Origin.LIVE)


@pytest.mark.parametrize("body", [b"", b'{"code":-1121,"msg":"Invalid symbol."}', b"[[1]]", b"[7]"])
def test_unusable_answers_raise(body) -> None:
    venue, one = BinanceUsdm(), _one()
    with pytest.raises(AnswerError):
        venue.candles(one, Timeframe.M1, body, 0, Origin.LIVE)
    with pytest.raises(AnswerError):
        venue.trades(one, "", body, 0, Origin.LIVE)
    with pytest.raises(AnswerError):
        venue.instruments([body])


def test_a_page_of_aggregates_is_what_follows_an_id() -> None:
    rows = [
        {"a": number, "p": "4.01", "q": "4.5", "f": 100, "l": 105, "T": 1498793709153, "m": True}
        for number in (7, 8, 9)
    ]
    trades = BinanceUsdm().trades(_one(), "7", json.dumps(rows).encode(), 3, Origin.LIVE)
    assert [(trade.trade_id, trade.side, trade.size) for trade in trades] == [
        ("8", Side.SELL, 4.5),
        ("9", Side.SELL, 4.5),
    ]


def test_a_page_of_single_trades() -> None:
    row = {
        "id": 28457,
        "price": "4.001",
        "qty": "12.5",
        "quoteQty": "8000",
        "time": 1499865549590,
        "isBuyerMaker": False,
    }
    (trade,) = BinanceUsdm(trade_channel="trade").trades(_one(), "", json.dumps([row]).encode(), 3, Origin.LIVE)
    assert (trade.trade_id, trade.side, trade.price, trade.event_ns) == (
        "28457",
        Side.BUY,
        4.001,
        1499865549590 * 10**6,
    )


def test_a_range_of_ids_stands_at_its_end() -> None:
    assert [BinanceUsdm().trade_order(text) for text in ("77", "181349-181352")] == [77, 181352]
