"""Bybit's catalogue, connections and REST pages, in the vendor's documented shapes."""

import json
from pathlib import Path

import pytest

from libs.common.events import Origin, Side, Source, Timeframe
from libs.common.events.symbols import parse
from services.ingest.recording.recordings import FrameKind, read
from services.ingest.venues import VENUES, Bybit
from services.ingest.venues.bybit_requests import CHARACTERS_PER_CONNECTION
from services.ingest.venues.terms import AnswerError, Instrument, Stream

LINEAR = {
    "symbol": "BTCUSDT",
    "contractType": "LinearPerpetual",
    "status": "Trading",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "deliveryTime": "0",
    "priceFilter": {"minPrice": "0.10", "tickSize": "0.10"},
    "lotSizeFilter": {"maxOrderQty": "1500.000", "qtyStep": "0.001"},
    "fundingInterval": 480,
    "settleCoin": "USDT",
    "symbolType": "",
}
USDC = LINEAR | {"symbol": "BTCPERP", "quoteCoin": "USDC", "settleCoin": "USDC"}
DATED = LINEAR | {"symbol": "BTCUSDT-14AUG26", "contractType": "LinearFutures", "deliveryTime": "1786694400000"}
INVERSE = LINEAR | {
    "symbol": "BTCUSD",
    "contractType": "InversePerpetual",
    "quoteCoin": "USD",
    "settleCoin": "BTC",
    "lotSizeFilter": {"qtyStep": "1"},
}
QUARTER = INVERSE | {"symbol": "BTCUSDU26", "contractType": "InverseFutures", "deliveryTime": "1790323200000"}
SPOT = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "innovation": "0",
    "status": "Trading",
    "lotSizeFilter": {"basePrecision": "0.000001", "quotePrecision": "0.00000001"},
    "priceFilter": {"tickSize": "0.01"},
    "symbolType": "",
}
# https://bybit-exchange.github.io/docs/v5/market/kline: 268,611 dollars, which were 15.74462667 coins
CANDLES = [
    ["1670608800000", "17071", "17073", "17027", "17055.5", "268611", "15.74462667"],
    ["1670605200000", "17071.5", "17071.5", "17061", "17071", "4177", "0.24469757"],
    ["1670601600000", "17086.5", "17088", "16978", "17071.5", "6356", "0.37288112"],
]
TRADE = {
    "execId": "2100000000007764263",
    "symbol": "BTCUSDT",
    "price": "16618.49",
    "size": "0.00012",
    "side": "Buy",
    "time": "1672052955758",
    "isBlockTrade": False,
}


def _answer(category, *rows, code=0, **more) -> bytes:
    return json.dumps({"retCode": code, "retMsg": "OK", "result": {"category": category, "list": rows} | more}).encode()


def _instrument(symbol) -> Instrument:
    kind = parse(symbol)
    natives = {"BTC-USDT-PERP": "linear:BTCUSDT", "BTC-USDT": "spot:BTCUSDT", "BTC-USD-PERP": "inverse:BTCUSD"}
    return Instrument(symbol=symbol, native=natives[symbol], kind=kind, tick=0.1, lot=0.1, inverse=kind.inverse)


def test_it_is_a_venue_like_the_others() -> None:
    assert VENUES["bybit"] is Bybit
    beat = Bybit().heartbeat
    assert (beat.ping, beat.idle_s, beat.busy_too) == (b'{"op":"ping"}', 20, True)
    assert Bybit().bans == {403: 600}  # "access too frequent": wait at least ten minutes


def test_symbols_come_from_the_catalogue_and_one_name_is_two_instruments() -> None:
    found = Bybit().instruments(
        [_answer("linear", LINEAR, USDC, DATED), _answer("inverse", INVERSE, QUARTER), _answer("spot", SPOT)]
    )
    assert {native: (one.symbol, one.inverse, one.lot, one.contract_size) for native, one in found.items()} == {
        "linear:BTCUSDT": ("BTC-USDT-PERP", False, 0.001, 1.0),
        "linear:BTCPERP": ("BTC-USDC-PERP", False, 0.001, 1.0),
        "linear:BTCUSDT-14AUG26": ("BTC-USDT-20260814", False, 0.001, 1.0),
        "inverse:BTCUSD": ("BTC-USD-PERP", True, 1.0, 1.0),
        "inverse:BTCUSDU26": ("BTC-USD-20260925", True, 1.0, 1.0),
        "spot:BTCUSDT": ("BTC-USDT", False, 1e-6, 1.0),
    }
    assert found["linear:BTCUSDT"].tick == 0.1
    assert all(one.live for one in found.values())


def test_what_is_not_followed_is_left_out_and_what_does_not_trade_is_not_live() -> None:
    rows = [
        LINEAR | {"symbolType": "stock"},
        LINEAR | {"symbolType": "commodity"},
        LINEAR | {"contractType": "Option"},
        LINEAR | {"quoteCoin": "USD"},  # linear on dollars: no canonical symbol tells it from its namesake
        LINEAR | {"priceFilter": {"tickSize": ""}},
        LINEAR | {"lotSizeFilter": {"qtyStep": ""}},
        LINEAR | {"baseCoin": ""},
        DATED | {"deliveryTime": "0"},
        {},
        7,
    ]
    assert Bybit().instruments([_answer("linear", *rows), _answer("option", LINEAR)]) == {}
    (soon,) = Bybit().instruments([_answer("linear", LINEAR | {"status": "PreLaunch"})]).values()
    assert not soon.live


def test_the_catalogue_comes_in_pages() -> None:
    venue = Bybit(rest_url="http://r/")
    urls = [request.url for request in venue.instruments_requests()]
    assert urls == [
        f"http://r/v5/market/instruments-info?category={category}&limit=1000"
        for category in ("linear", "inverse", "spot")
    ]
    first = venue.instruments_requests()[0]
    more = venue.instruments_after(first, _answer("linear", LINEAR, nextPageCursor="first%3D0GUSDT%26last=A B"))
    assert more is not None
    assert more.url == urls[0] + "&cursor=first%3D0GUSDT%26last%3DA%20B"
    assert venue.instruments_after(first, _answer("linear", LINEAR, nextPageCursor="")) is None
    assert venue.instruments_after(first, _answer("spot", SPOT)) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"retCode":0}', _answer("linear", code=10006)])
def test_an_error_is_no_answer(body) -> None:
    venue, instrument = Bybit(), _instrument("BTC-USDT-PERP")
    for read_it in (
        lambda: venue.instruments([body]),
        lambda: venue.candles(instrument, Timeframe.H1, body, 0, Origin.LIVE),
        lambda: venue.trades(instrument, "1", body, 0, Origin.LIVE),
    ):
        with pytest.raises(AnswerError, match="bybit"):
            read_it()


def test_each_category_has_its_own_sockets_and_spot_no_liquidations() -> None:
    three = [_instrument(symbol) for symbol in ("BTC-USDT", "BTC-USD-PERP", "BTC-USDT-PERP")]
    plans = Bybit(ws_url="ws://w/").plan(three, tuple(Stream))
    assert [(plan.url, plan.symbols, plan.streams) for plan in plans] == [
        ("ws://w/v5/public/linear", ("BTC-USDT-PERP",), tuple(Stream)),
        ("ws://w/v5/public/inverse", ("BTC-USD-PERP",), tuple(Stream)),
        ("ws://w/v5/public/spot", ("BTC-USDT",), (Stream.TRADES, Stream.BOOKS)),
    ]
    assert Bybit().plan(three[:1], [Stream.FUNDING]) == []


def test_a_connection_asks_for_no_more_than_the_venue_takes() -> None:
    name = "LONG" * 60
    many = [
        Instrument(
            symbol=f"{name}{number}-USDT-PERP",
            native=f"linear:{name}{number}USDT",
            kind=parse(f"A{number}-USDT-PERP"),
            tick=1,
            lot=1,
        )
        for number in range(100)
    ]
    plans = Bybit().plan(many, tuple(Stream))
    assert [symbol for plan in plans for symbol in plan.symbols] == [one.symbol for one in many]
    by_native = {one.native: one for one in many}
    for plan in plans:
        frames = Bybit().session(plan, by_native, Origin.LIVE).subscribe()
        batches = [json.loads(frame)["args"] for frame in frames]
        assert max(map(len, batches)) <= 10
        assert sum(len(json.dumps(batch)) for batch in batches) <= CHARACTERS_PER_CONNECTION
        assert len(plan.symbols) <= 40
    assert len(Bybit().plan(many, [Stream.TRADES])[0].symbols) == 40


def test_rest_calls_name_the_category() -> None:
    venue = Bybit(rest_url="http://r")
    spot, inverse = _instrument("BTC-USDT"), _instrument("BTC-USD-PERP")
    assert [
        request.url.removeprefix("http://r/v5/market/")
        for request in (
            venue.snapshot_request(spot),
            venue.candles_request(inverse, Timeframe.W1, 2000),
            venue.candles_request(spot, Timeframe.H4, 5),
            venue.trades_request(spot, "7"),
            venue.trades_request(inverse, "7"),
        )
    ] == [
        "orderbook?category=spot&symbol=BTCUSDT&limit=200",
        "kline?category=inverse&symbol=BTCUSD&interval=W&limit=1000",
        "kline?category=spot&symbol=BTCUSDT&interval=240&limit=5",
        "recent-trade?category=spot&symbol=BTCUSDT&limit=60",
        "recent-trade?category=inverse&symbol=BTCUSD&limit=1000",
    ]


def test_inverse_candles_are_in_coins() -> None:
    inverse = _instrument("BTC-USD-PERP")
    now_ns = 1_670_610_000 * 10**9
    first, _, last = Bybit().candles(inverse, Timeframe.H1, _answer("inverse", *CANDLES), now_ns, Origin.LIVE)
    assert (first.open, first.high, first.low, first.close) == (17086.5, 17088.0, 16978.0, 17071.5)
    assert (first.volume, first.closed, first.source) == (0.37288112, True, Source.REST)
    assert first.event_ns == 1_670_605_200 * 10**9
    assert (last.volume, last.closed, last.event_ns) == (15.74462667, False, now_ns)
    linear = _instrument("BTC-USDT-PERP")
    late_ns = 1_670_612_405 * 10**9  # five seconds after the end
    candles = Bybit().candles(linear, Timeframe.H1, _answer("linear", *CANDLES), late_ns, Origin.LIVE)
    assert [(candle.volume, candle.closed) for candle in candles] == [(6356.0, True), (4177.0, True), (268611.0, True)]


@pytest.mark.parametrize("row", [["1670608800001", *CANDLES[0][1:]], ["1670608800", *CANDLES[0][1:]], ["x"], 5])
def test_a_candle_that_is_none_refuses_the_answer(row) -> None:
    with pytest.raises(AnswerError):
        Bybit().candles(_instrument("BTC-USDT"), Timeframe.H1, _answer("spot", row), 0, Origin.LIVE)


def _trades(*rows, after="b", symbol="BTC-USDT-PERP"):
    body = _answer("linear", *rows)
    return Bybit().trades(_instrument(symbol), after, body, 9, Origin.LIVE)


def _row(ident, millis, **more):
    return TRADE | {"execId": ident, "time": str(1_672_052_955_000 + millis)} | more


def test_the_newest_trades_are_read_up_to_the_last_one_known() -> None:
    rows = [_row("e", 9, side="Sell"), _row("d", 8, isBlockTrade=True), _row("c", 7), _row("b", 5), _row("a", 4)]
    found = _trades(*rows)
    assert [(trade.trade_id, trade.side, trade.size) for trade in found] == [
        ("c", Side.BUY, 0.00012),
        ("e", Side.SELL, 0.00012),
    ]
    assert found[0].event_ns == 1_672_052_955_007_000_000
    assert [trade.trade_id for trade in _trades(*rows, after="")] == ["a", "b", "c", "e"]
    (inverse, *_) = _trades(_row("c", 7, price="20000", size="5000"), _row("b", 5), symbol="BTC-USD-PERP")
    assert inverse.size == 0.25


def test_a_page_that_does_not_reach_back_is_worth_nothing() -> None:
    assert _trades(_row("z", 9), _row("y", 8)) == []
    assert _trades() == []


def test_within_a_millisecond_the_order_of_rest_is_not_trusted() -> None:
    assert [trade.trade_id for trade in _trades(_row("c", 7), _row("b", 5), _row("x", 5), _row("a", 4))] == ["x", "c"]


def test_a_damaged_trade_refuses_the_page_and_ids_have_no_order() -> None:
    with pytest.raises(AnswerError, match="bybit trades"):
        _trades(_row("b", 5, size="0"))
    with pytest.raises(ValueError, match="no place"):
        Bybit().trade_order("20f43950-d8dd-5b31-9112-a178eb6023af")


@pytest.mark.recordings
def test_the_recorded_catalogue(recordings: Path) -> None:
    frames = read(recordings / "raw/bybit/2026-08-09_BYBIT.jsonl.zst")
    bodies = [frame.data for frame in frames if frame.kind is FrameKind.ANSWER]
    raw = [json.loads(body)["result"] for body in bodies]
    wanted = {
        f"{result['category']}:{row['symbol']}"
        for result in raw
        for row in result["list"]
        if row["symbolType"] not in {"stock", "xstocks", "commodity"}
    }
    found = Bybit().instruments(bodies)
    assert found.keys() == wanted
    assert len({one.symbol for one in found.values()}) == len(wanted)  # no two share a canonical symbol
    assert found["linear:SHIB1000USDT"].symbol == "SHIB1000-USDT-PERP"
    assert found["linear:BTCUSDT-14AUG26"].symbol == "BTC-USDT-20260814"
