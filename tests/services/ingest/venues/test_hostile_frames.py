"""Whatever arrives, a session answers with items, and what it publishes can be read back."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.bus.codec import decode, encode
from libs.common.events import MarketEvent, Origin
from libs.common.events.symbols import perpetual, spot
from services.ingest.venues import VENUES
from services.ingest.venues.venue import Instrument, Plan

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
    "binance-usdm": {
        "BTCUSDT": Instrument(
            symbol="BTC-USDT-PERP", native="BTCUSDT", kind=perpetual("BTC", "USDT"), tick=0.1, lot=0.1
        )
    },
}
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
}  # fmt: skip
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
    session = VENUES[venue]().session(Plan(url="", symbols=(), streams=()), INSTRUMENTS[venue], Origin.LIVE)
    session.receive(json.dumps(GOOD[venue][1]).encode(), 1)
    for number, frame in enumerate(frames):
        items = session.receive(frame, number)
        if venue == "binance-usdm":
            items += session.snapshot("BTC-USDT-PERP", frame, number)
        for item in items:
            if isinstance(item, MarketEvent):
                assert decode(encode(item)) == item
    for one in GOOD[venue]:
        session.receive(json.dumps(one).encode(), 99)  # it lives on


@pytest.mark.parametrize("venue", list(GOOD))
@settings(deadline=None)
@given(frames=st.lists(st.binary(max_size=200), max_size=5))
def test_random_bytes(venue, frames) -> None:
    _play(venue, frames)


@pytest.mark.parametrize("venue", list(GOOD))
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_good_frames_with_a_foreign_value(venue, data) -> None:
    frames = []
    for _ in range(3):
        good = data.draw(st.sampled_from(GOOD[venue]))
        path = data.draw(st.sampled_from(list(_paths(good))))
        frames.append(json.dumps(_with(good, path, data.draw(_leaf))).encode())
    _play(venue, frames)


@pytest.mark.parametrize("venue", list(GOOD))
@settings(deadline=None)
@given(data=st.data())
def test_good_frames_with_damaged_bytes(venue, data) -> None:
    frame = bytearray(json.dumps(data.draw(st.sampled_from(GOOD[venue]))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    _play(venue, [bytes(frame), bytes(frame[: data.draw(st.integers(0, len(frame)))])])
