"""Whatever arrives, a session answers with items, and what it publishes can be read back."""

import json
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.bus.codec import decode, encode
from libs.common.events import MarketEvent, Origin
from libs.common.events.symbols import perpetual, spot
from services.ingest.venues import VENUES
from services.ingest.venues.terms import Instrument, Plan, Rejected

INSTRUMENTS = {
    "okx": {
        "BTC-USDT": Instrument(symbol="BTC-USDT", native="BTC-USDT", kind=spot("BTC", "USDT"), tick=0.1, lot=0.1),
        "BTC-USD-SWAP": Instrument(
            symbol="BTC-USD-PERP",
            native="BTC-USD-SWAP",
            kind=perpetual("BTC", "USD"),
            tick=0.1,
            lot=1,
            contract_size=100,
            inverse=True,
        ),
    },
    "binance-coinm": {
        "BTCUSD_PERP": Instrument(
            symbol="BTC-USD-PERP",
            native="BTCUSD_PERP",
            kind=perpetual("BTC", "USD"),
            tick=0.1,
            lot=1,
            contract_size=100,
            inverse=True,
        )
    },
    "binance-spot": {
        "BTCUSDT": Instrument(symbol="BTC-USDT", native="BTCUSDT", kind=spot("BTC", "USDT"), tick=0.1, lot=0.1)
    },
    "binance-usdm": {
        "BTCUSDT": Instrument(
            symbol="BTC-USDT-PERP", native="BTCUSDT", kind=perpetual("BTC", "USDT"), tick=0.1, lot=0.1
        )
    },
    "bybit": {
        "linear:BTCUSDT": Instrument(
            symbol="BTC-USDT-PERP", native="linear:BTCUSDT", kind=perpetual("BTC", "USDT"), tick=0.1, lot=0.1
        )
    },
    "coinapi": {
        "BITSTAMP_SPOT_BTC_USD": Instrument(
            symbol="BTC-USD", native="BITSTAMP_SPOT_BTC_USD", kind=spot("BTC", "USD"), tick=0.1, lot=0.1
        )
    },
    "hyperliquid": {
        "BTC": Instrument(symbol="BTC-USDC-PERP", native="BTC", kind=perpetual("BTC", "USDC"), tick=0.1, lot=1e-5)
    },
    "kraken": {"BTC/USD": Instrument(symbol="BTC-USD", native="BTC/USD", kind=spot("BTC", "USD"), tick=0.1, lot=0.1)},
}
URLS = {"bybit": "wss://x/v5/public/linear"}
"""Where the address of a connection says what its frames are about."""
_LEVELS = [["100.5", "1", "0", "2"], ["101", "0", "0", "0"]]
GOOD: dict[str, list[Any]] = {
    "okx": [
        {"arg": {"channel": "trades", "instId": "BTC-USD-SWAP"}, "data": [
            {"instId": "BTC-USD-SWAP", "tradeId": "1", "px": "1.5", "sz": "2", "side": "buy", "ts": "1630048897897"}]},
        {"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": "snapshot", "data": [
            {"asks": _LEVELS, "bids": [], "ts": "1630048897897", "checksum": 0, "seqId": 5, "prevSeqId": -1}]},
        {"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": "update", "data": [
            {"asks": _LEVELS, "bids": [], "ts": "1630048897898", "checksum": 0, "seqId": 6, "prevSeqId": 5}]},
        {"arg": {"channel": "funding-rate", "instId": "BTC-USD-SWAP"}, "data": [
            {"instId": "BTC-USD-SWAP", "fundingRate": "0.1", "fundingTime": "1630048897897", "ts": "1630048897897"}]},
        {"event": "notice", "code": "64008", "msg": "x"},
    ],
    "binance-coinm": [
        {"stream": "s", "data": {"e": "aggTrade", "s": "BTCUSD_PERP", "a": 1, "p": "1", "q": "2", "f": 1, "l": 1,
                                 "T": 1630048897897, "m": True, "st": 2}},
        {"stream": "s", "data": {"e": "depthUpdate", "E": 1630048897897, "T": 1630048897897, "s": "BTCUSD_PERP",
                                 "U": 1, "u": 2, "pu": 0, "b": [["1", "2"]], "a": [["3", "4"]], "st": 2}},
        {"stream": "s", "data": {"e": "forceOrder", "o": {"s": "BTCUSD_PERP", "S": "BUY", "q": "1", "p": "2",
                                                          "ap": "2.5", "z": "1", "T": 1630048897897}}},
        {"stream": "s", "data": {"e": "markPriceUpdate", "E": 1630048897897, "s": "BTCUSD_PERP", "p": "1", "r": "0.1",
                                 "i": "1", "T": 1630048897897}},
    ],
    "binance-spot": [
        {"stream": "s", "data": {"e": "aggTrade", "s": "BTCUSDT", "a": 1, "p": "1", "q": "2", "f": 1, "l": 1,
                                 "T": 1630048897897000, "m": True}},
        {"stream": "s", "data": {"e": "depthUpdate", "E": 1630048897897, "s": "BTCUSDT", "U": 1, "u": 2,
                                 "b": [["1", "2"]], "a": [["3", "4"]]}},
        {"u": 1, "s": "BTCUSDT", "b": "1", "B": "2", "a": "3", "A": "4"},
        {"e": "serverShutdown", "E": 1630048897897},
    ],
    "binance-usdm": [
        {"stream": "s", "data": {"e": "aggTrade", "s": "BTCUSDT", "a": 1, "p": "1", "q": "2", "f": 1, "l": 1,
                                 "T": 1630048897897, "m": True}},
        {"stream": "s", "data": {"e": "depthUpdate", "E": 1630048897897, "T": 1630048897897, "s": "BTCUSDT", "U": 1,
                                 "u": 2, "pu": 0, "b": [["1", "2"]], "a": [["3", "4"]]}},
        {"stream": "s", "data": {"e": "forceOrder", "o": {"s": "BTCUSDT", "S": "BUY", "q": "1", "p": "2",
                                                          "T": 1630048897897}}},
        {"stream": "s", "data": {"e": "markPriceUpdate", "E": 1630048897897, "s": "BTCUSDT", "p": "1", "r": "0.1",
                                 "T": 1630048897897}},
    ],
    "bybit": [
        {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1630048897897, "data": [
            {"T": 1630048897897, "s": "BTCUSDT", "S": "Buy", "v": "0.1", "p": "1", "i": "20f4-11", "BT": False}]},
        {"topic": "orderbook.200.BTCUSDT", "type": "snapshot", "ts": 1630048897897, "cts": 1630048897890, "data": {
            "s": "BTCUSDT", "b": [["1", "2"]], "a": [["3", "4"]], "u": 5, "seq": 7}},
        {"topic": "orderbook.200.BTCUSDT", "type": "delta", "ts": 1630048897897, "cts": 1630048897890, "data": {
            "s": "BTCUSDT", "b": [["1", "0"]], "a": [], "u": 6, "seq": 8}},
        {"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": 1630048897897, "data": [
            {"T": 1630048897897, "s": "BTCUSDT", "S": "Sell", "v": "1", "p": "2"}]},
        {"topic": "tickers.BTCUSDT", "type": "snapshot", "ts": 1630048897897, "data": {
            "symbol": "BTCUSDT", "markPrice": "1", "indexPrice": "1", "openInterest": "5", "openInterestValue": "6",
            "fundingRate": "-0.1", "nextFundingTime": "1630048800000", "fundingIntervalHour": "8"}},
    ],
    "coinapi": [
        {"type": "trade", "symbol_id": "BITSTAMP_SPOT_BTC_USD", "sequence": 1, "uuid": "u1", "price": 1.5, "size": 2,
         "time_exchange": "2026-09-25T01:29:06.0656180Z", "taker_side": "SELL"},
        {"type": "book", "symbol_id": "BITSTAMP_SPOT_BTC_USD", "sequence": 5, "is_snapshot": True,
         "time_exchange": "2026-09-25T01:29:06.0656180Z", "bids": [{"price": 1, "size": 2}],
         "asks": [{"price": 3, "size": 4}]},
        {"type": "book", "symbol_id": "BITSTAMP_SPOT_BTC_USD", "sequence": 6, "is_snapshot": False,
         "time_exchange": "2026-09-25T01:29:07Z", "bids": [{"price": 1, "size": 0}], "asks": []},
        {"type": "reconnect", "within_seconds": 10},
    ],
    "hyperliquid": [
        {"channel": "trades", "data": [{"coin": "BTC", "side": "A", "px": "84143.0", "sz": "0.00036",
                                        "time": 1790232216193, "hash": "0x7a", "tid": 1045359869404765,
                                        "users": ["0x9a", "0x82"]}]},
        {"channel": "l2Book", "data": {"coin": "BTC", "time": 1790232236546, "levels": [
            [{"px": "84143.0", "sz": "10.25923", "n": 36}], [{"px": "84144.0", "sz": "50.66449", "n": 18}]]}},
        {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": {
            "funding": "0.0000018952", "openInterest": "36585.31848", "prevDayPx": "86627.0", "dayNtlVlm": "4161.9",
            "premium": None, "oraclePx": "84198.0", "markPx": "84148.0", "midPx": "84143.5"}}},
        {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": {
            "type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": False}}},
    ],
    "kraken": [
        {"channel": "trade", "type": "update", "data": [
            {"symbol": "BTC/USD", "side": "buy", "price": 1.5, "qty": 2, "ord_type": "limit", "trade_id": 7,
             "timestamp": "2023-09-25T07:48:36.925533Z"}]},
        {"channel": "book", "type": "snapshot", "data": [
            {"symbol": "BTC/USD", "bids": [{"price": 1, "qty": 2}], "asks": [{"price": 3, "qty": 4}],
             "checksum": crc32(b"3412"), "timestamp": "2023-10-06T17:35:55.440295Z"}]},
        {"channel": "book", "type": "update", "data": [
            {"symbol": "BTC/USD", "bids": [{"price": 1, "qty": 0}, {"price": 2.5, "qty": 0.01}], "asks": [],
             "checksum": crc32(b"34251"), "timestamp": "2023-10-06T17:35:56Z"}]},
        {"method": "subscribe", "success": True, "req_id": 1, "result": {"channel": "book", "symbol": "BTC/USD",
                                                                         "depth": 10, "snapshot": True}},
    ],
}  # fmt: skip
_ANSWER = {"lastUpdateId": 1, "bids": [["1", "2"]], "asks": [["3", "4"]]}
ANSWERS: dict[str, list[Any]] = {name: [_ANSWER] for name in ("binance-coinm", "binance-spot", "binance-usdm")}
"""Books by REST, where a venue sends them so."""
_leaf = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["NaN", "-Infinity", "1e308", "-0", "0", "-1", "9" * 25, "1e-300", "", "\ud800", "\x00"]),
    st.just([]),
    st.just({}),
)


def _paths(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _paths(value[key], (*path, key))


def _with(value, path, leaf):
    if not path:
        return leaf
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], leaf)
    return copy


def _play(venue, frames) -> None:
    session = VENUES[venue]().session(
        Plan(url=URLS.get(venue, ""), symbols=(), streams=()), INSTRUMENTS[venue], Origin.LIVE
    )
    session.receive(json.dumps(GOOD[venue][1]).encode(), 1)
    for number, frame in enumerate(frames):
        items = session.receive(frame, number)
        for instrument in INSTRUMENTS[venue].values():
            items += session.snapshot(instrument.symbol, frame, number)
        for item in items:
            if isinstance(item, MarketEvent):
                assert decode(encode(item)) == item
    for one in GOOD[venue]:
        session.receive(json.dumps(one).encode(), 99)  # it lives on


@pytest.mark.parametrize("venue", list(VENUES))
def test_good_frames_are_good(venue) -> None:
    """The frames that are damaged below lead to something while they are whole."""
    session = VENUES[venue]().session(
        Plan(url=URLS.get(venue, ""), symbols=(), streams=()), INSTRUMENTS[venue], Origin.LIVE
    )
    for number, good in enumerate(GOOD[venue]):
        items = session.receive(json.dumps(good).encode(), number)
        assert not any(isinstance(item, Rejected) for item in items), good


@pytest.mark.parametrize("venue", list(VENUES))
@settings(deadline=None)
@given(frames=st.lists(st.binary(max_size=200), max_size=5))
def test_random_bytes(venue, frames) -> None:
    _play(venue, frames)


@pytest.mark.parametrize("venue", list(VENUES))
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_good_frames_with_a_foreign_value(venue, data) -> None:
    frames = []
    for _ in range(3):
        good = data.draw(st.sampled_from(GOOD[venue] + ANSWERS.get(venue, [])))
        path = data.draw(st.sampled_from(list(_paths(good))))
        frames.append(json.dumps(_with(good, path, data.draw(_leaf))).encode())
    _play(venue, frames)


@pytest.mark.parametrize("venue", list(VENUES))
@settings(deadline=None)
@given(data=st.data())
def test_good_frames_with_damaged_bytes(venue, data) -> None:
    frame = bytearray(json.dumps(data.draw(st.sampled_from(GOOD[venue] + ANSWERS.get(venue, [])))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    _play(venue, [bytes(frame), bytes(frame[: data.draw(st.integers(0, len(frame)))])])
