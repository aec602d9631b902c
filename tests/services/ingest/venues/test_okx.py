"""OKX's catalogue, connections and REST pages, in the vendor's documented shapes."""

import json
from pathlib import Path

import pytest

from libs.common.events import Origin, Side, Source, Timeframe
from services.ingest.recording.recordings import read
from services.ingest.venues import VENUES, Okx
from services.ingest.venues.terms import AnswerError, Plan, Stream

SPOT = {
    "instType": "SPOT",
    "instId": "BTC-USDT",
    "baseCcy": "BTC",
    "quoteCcy": "USDT",
    "state": "live",
    "tickSz": "0.1",
    "lotSz": "0.00000001",
    "minSz": "0.00001",
    "ctVal": "",
    "ctMult": "",
    "ctType": "",
    "settleCcy": "",
    "expTime": "",
}
SWAP = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "baseCcy": "",
    "quoteCcy": "",
    "ctVal": "0.01",
    "ctMult": "1",
    "ctValCcy": "BTC",
    "ctType": "linear",
    "settleCcy": "USDT",
    "state": "live",
    "tickSz": "0.1",
    "lotSz": "0.1",
    "instFamily": "BTC-USDT",
    "uly": "BTC-USDT",
    "ruleType": "normal",
    "instCategory": "1",
}
INVERSE = SWAP | {
    "instId": "BTC-USD-SWAP",
    "ctVal": "100",
    "ctValCcy": "USD",
    "instFamily": "BTC-USD",
    "uly": "BTC-USD",
    "ctType": "inverse",
    "settleCcy": "BTC",
    "lotSz": "1",
}
FUTURE = INVERSE | {"instType": "FUTURES", "instId": "BTC-USD-220527", "expTime": "1653638400000"}


def _answer(*rows, code="0") -> bytes:
    return json.dumps({"code": code, "msg": "", "data": rows}).encode()


def _catalogue(*rows):
    return Okx().instruments([_answer(*rows)])


def test_symbols_and_sizes_come_from_the_catalogue() -> None:
    found = _catalogue(SPOT, SWAP, INVERSE, FUTURE)
    assert {native: (one.symbol, one.contract_size, one.inverse, one.lot) for native, one in found.items()} == {
        "BTC-USDT": ("BTC-USDT", 1.0, False, 1e-8),
        "BTC-USDT-SWAP": ("BTC-USDT-PERP", 0.01, False, pytest.approx(0.001)),
        "BTC-USD-SWAP": ("BTC-USD-PERP", 100.0, True, 1.0),
        "BTC-USD-220527": ("BTC-USD-20220527", 100.0, True, 1.0),
    }
    assert all(one.tick == 0.1 and one.live for one in found.values())


def test_the_multiplier_counts() -> None:
    assert _catalogue(SWAP | {"ctMult": "10"})["BTC-USDT-SWAP"].contract_size == pytest.approx(0.1)


@pytest.mark.parametrize(
    "row",
    [
        FUTURE | {"ruleType": "xperp"},
        SWAP | {"instCategory": "3"},  # a stock
        SWAP | {"instType": "OPTION", "ctType": ""},
        SWAP | {"instType": "EVENTS"},
        SWAP | {"ctVal": ""},
        SWAP | {"tickSz": ""},
        SWAP | {"settleCcy": "USD"},  # linear on dollars has no canonical symbol
        SWAP | {"instFamily": "BTC-USD_UM"},  # settled in the same coin as its namesake
        FUTURE | {"expTime": ""},
        SPOT | {"baseCcy": ""},
        {"instId": "BTC-USDT"},
        7,
    ],
)
def test_placeholders_and_other_kinds_are_left_out(row) -> None:
    assert list(_catalogue(row, SPOT)) == ["BTC-USDT"]


def test_a_suspended_instrument_is_known_but_not_live() -> None:
    assert not _catalogue(SPOT | {"state": "suspend"})["BTC-USDT"].live


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", _answer(code="50011"), b'{"code":0}'])
def test_an_error_is_no_catalogue(body) -> None:
    with pytest.raises(AnswerError):
        Okx().instruments([body])


def test_urls_follow_their_bases() -> None:
    venue = VENUES["okx"](ws_url="ws://127.0.0.1:1/", rest_url="http://127.0.0.1:2")
    one = _catalogue(SPOT)["BTC-USDT"]
    assert [request.url for request in venue.instruments_requests()] == [
        f"http://127.0.0.1:2/api/v5/public/instruments?instType={kind}" for kind in ("SPOT", "SWAP", "FUTURES")
    ]
    assert [plan.url for plan in venue.plan([one], list(Stream))] == ["ws://127.0.0.1:1/ws/v5/public"]
    assert Okx().plan([one], [Stream.BOOKS])[0].url == "wss://ws.okx.com/ws/v5/public"
    assert (
        Okx().candles_request(one, Timeframe.D1, 1000).url
        == "https://www.okx.com/api/v5/market/candles?instId=BTC-USDT&bar=1Dutc&limit=300"
    )
    assert Okx().snapshot_request(one).url.endswith("/market/books?instId=BTC-USDT&sz=400")


def test_subscriptions_stay_within_the_venues_limits() -> None:
    rows = [
        SWAP | {"instId": f"C{number}-USDT-SWAP", "ctValCcy": f"C{number}", "instFamily": ""} | {"uly": ""}
        for number in range(60)
    ]
    found = _catalogue(*rows)
    plans = Okx().plan(list(found.values()), list(Stream))
    assert [len(plan.symbols) for plan in plans] == [25, 25, 10]
    frames = Okx().session(plans[0], found, Origin.LIVE).subscribe()
    requests = [json.loads(frame) for frame in frames]
    assert all(len(frame) <= 4096 for frame in frames)
    assert all(len(request["args"]) <= 50 and request["id"].isalnum() for request in requests)
    assert len({request["id"] for request in requests}) == len(requests)
    args = [arg for request in requests for arg in request["args"]]
    assert {"channel": "liquidation-orders", "instType": "SWAP"} in args
    of_each = {"books", "trades", "funding-rate", "mark-price", "open-interest"}
    assert {arg["channel"] for arg in args} == of_each | {"liquidation-orders"}
    assert len(args) == 5 * 25 + 1
    assert Okx().session(Plan(url="", symbols=(), streams=()), found, Origin.LIVE).subscribe() == ()


def test_spot_has_no_liquidations_and_no_funding() -> None:
    found = _catalogue(SPOT)
    (plan,) = Okx().plan(list(found.values()), [Stream.TRADES, Stream.LIQUIDATIONS, Stream.FUNDING])
    (frame,) = Okx().session(plan, found, Origin.LIVE).subscribe()
    assert json.loads(frame)["args"] == [{"channel": "trades", "instId": "BTC-USDT"}]


def test_dated_contracts_have_a_mark_and_an_open_interest_but_no_funding() -> None:
    found = _catalogue(FUTURE)
    (plan,) = Okx().plan(list(found.values()), [Stream.FUNDING])
    (frame,) = Okx().session(plan, found, Origin.LIVE).subscribe()
    assert [arg["channel"] for arg in json.loads(frame)["args"]] == ["mark-price", "open-interest"]


CANDLE = ["1597024800000", "3.721", "3.743", "3.677", "3.708", "8422410", "22698348", "12698348", "1"]


def test_candles_come_oldest_first_in_base_units() -> None:
    swap, coin = (_catalogue(row)[row["instId"]] for row in (SWAP, SPOT))
    later = ["1597028400000", *CANDLE[1:8], "0"]
    body = _answer(later, CANDLE)
    first, second = Okx().candles(swap, Timeframe.H1, body, 1597028500000 * 10**6, Origin.LIVE)
    assert (first.open_ns, first.closed, second.closed) == (1_597_024_800_000_000_000, True, False)
    assert (first.open, first.high, first.low, first.close) == (3.721, 3.743, 3.677, 3.708)
    assert first.volume == 22698348  # coins, where the sixth field counts contracts
    assert (first.event_ns, second.event_ns) == (1597028400000 * 10**6, 1597028500000 * 10**6)
    assert first.source is Source.REST
    assert Okx().candles(coin, Timeframe.H1, body, 0, Origin.LIVE)[0].volume == 8422410


def test_a_day_that_opens_in_hong_kong_is_refused() -> None:
    coin = _catalogue(SPOT)["BTC-USDT"]
    with pytest.raises(AnswerError, match="opens no 1d bar"):
        Okx().candles(coin, Timeframe.D1, _answer(["1597075200000", *CANDLE[1:]]), 0, Origin.LIVE)


@pytest.mark.parametrize("body", [_answer(["x"]), b"{", _answer(code="50013"), _answer(["NaN", *CANDLE[1:]])])
def test_unusable_answers_raise(body) -> None:
    coin = _catalogue(SPOT)["BTC-USDT"]
    with pytest.raises(AnswerError):
        Okx().candles(coin, Timeframe.H1, body, 0, Origin.LIVE)
    with pytest.raises(AnswerError):
        Okx().trades(coin, "1", body, 0, Origin.LIVE)


def test_a_page_of_trades_is_what_follows_an_id() -> None:
    swap = _catalogue(SWAP)["BTC-USDT-SWAP"]
    request = Okx().trades_request(swap, "1000")
    assert request.url.endswith("/history-trades?instId=BTC-USDT-SWAP&type=1&after=1101&limit=100")
    assert "after" not in Okx().trades_request(swap, "").url
    rows = [
        {
            "instId": "BTC-USDT-SWAP",
            "side": "sell",
            "sz": "2",
            "px": "100",
            "tradeId": str(number),
            "ts": "1597026383085",
        }
        for number in (1002, 1001, 1000, 999)
    ]
    trades = Okx().trades(swap, "1000", _answer(*rows), 7, Origin.LIVE)
    assert [(trade.trade_id, trade.size, trade.side) for trade in trades] == [
        ("1001", 0.02, Side.SELL),
        ("1002", 0.02, Side.SELL),
    ]
    assert len(Okx().trades(swap, "", _answer(*rows), 7, Origin.LIVE)) == 4
    assert Okx().trade_order("1001") == 1001


@pytest.mark.recordings
def test_the_recorded_catalogue_agrees_with_the_names(recordings: Path) -> None:
    bodies = [
        frame.data
        for frame in read(recordings / "raw/okx/2022-05-13_OKX.0.gz")
        if frame.url.endswith(("SPOT", "SWAP", "FUTURES"))
    ]
    found = Okx().instruments(bodies)
    rows = {row["instId"]: row for body in bodies for row in json.loads(body)["data"]}
    assert found.keys() == rows.keys()  # nothing was left out in 2022
    for native, one in found.items():
        assert one.symbol.split("-")[:2] == native.split("-")[:2]
        assert one.inverse == (rows[native]["ctType"] == "inverse")
    assert found["BTC-USD-220527"].symbol == "BTC-USD-20220527"
    assert (found["UNI-USD-SWAP"].symbol, found["UNI-USD-SWAP"].contract_size) == ("UNI-USD-PERP", 10.0)


def test_another_trade_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="only trades"):
        VENUES["okx"](trade_channel="trades-all")
    with pytest.raises(ValueError, match="one of aggTrade, trade, first"):
        VENUES["binance-usdm"](trade_channel="trades")
