"""CoinGlass's socket against its documented frame; its side is who lost, not who bought."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Metric, Origin
from services.ingest.vendors.coinglass_stream import CoinGlassStream
from services.ingest.vendors.vendor import RefusedError
from services.ingest.venues.terms import AnswerError
from tests.services.ingest.vendors.answers import ORDERS

NOW_NS = 1_790_000_000 * 10**9
SYMBOLS = ("BTC-USDT", "BTC-USDT-PERP", "ETH-USDT-PERP")


def stream(symbols: tuple[str, ...] = SYMBOLS) -> CoinGlassStream:
    return CoinGlassStream("wss://host/", "se+cret", symbols)


def frame(**changes: Any) -> bytes:
    said = copy.deepcopy(ORDERS)
    said["data"][0] |= changes
    return msgspec.json.encode(said)


def read(body: bytes) -> list[Metric]:
    return stream().receive(body, NOW_NS, Origin.LIVE)


def test_the_documented_order_is_a_short_that_was_liquidated_on_one_exchange():
    metrics = read(frame())
    assert [(one.symbol, one.name, one.value, one.unit, one.exchange, one.event_ns) for one in metrics] == [
        (symbol, "liquidation_order_short", 3858.184, "usd", "Binance", 1_725_416_318_379_000_000)
        for symbol in SYMBOLS[:2]
    ]
    assert {(one.venue, one.interval_s, one.received_ns) for one in metrics} == {("coinglass", None, NOW_NS)}


@pytest.mark.parametrize(("side", "lost"), [(1, "long"), (2, "short")])
def test_one_is_long_here_although_it_is_a_buy_by_rest_and_a_sell_in_trades(side: int, lost: str):
    assert {one.name for one in read(frame(side=side))} == {f"liquidation_order_{lost}"}


@pytest.mark.parametrize("at", [1_725_416_318_000, 1_725_416_318])
def test_milliseconds_and_seconds_are_one_moment(at: int):
    assert {one.event_ns for one in read(frame(time=at))} == {1_725_416_318 * 10**9}


def test_orders_of_one_moment_side_and_exchange_are_added_up_and_others_are_not():
    order = ORDERS["data"][0]
    rows = [order, order | {"volUsd": 1.5}, order | {"exName": "OKX"}, order | {"side": 1}, order | {"time": 1e12}]
    metrics = stream(("BTC-USDT",)).receive(msgspec.json.encode(ORDERS | {"data": rows}), NOW_NS, Origin.LIVE)
    assert [(one.exchange, one.name[-5:], one.value) for one in metrics] == [
        ("Binance", "short", 3858.184),
        ("Binance", "_long", 3858.184),
        ("Binance", "short", 3859.684),
        ("OKX", "short", 3858.184),
    ]


def test_coins_nobody_follows_pongs_and_unknown_objects_say_nothing():
    assert read(frame(baseAsset="DOGE")) == []
    assert read(b"pong") == []
    assert read(b'{"event":"subscribed"}') == []
    assert read(b'{"channel":"other","data":{"a":1}}') == []


@pytest.mark.parametrize(
    "body", [frame(side=3), frame(volUsd=-1), frame(price="NaN"), frame(time=5), b"\xff", b"[]", b"[" * 100_000]
)
def test_another_shape_refuses_the_frame(body: bytes):
    with pytest.raises(AnswerError):
        read(body)


def test_a_refusal_is_told_without_the_key():
    with pytest.raises(RefusedError, match=r"code 401: no \*\*\*") as e:
        read(b'{"code":"401","msg":"no se+cret"}')
    assert "se+cret" not in str(e.value)


def test_it_subscribes_to_all_orders_and_the_key_stands_in_the_address_escaped():
    assert stream().subscribe() == [b'{"method":"subscribe","channels":["liquidationOrders"]}']
    assert stream().url == "wss://host/ws-api?cg-api-key=se%2Bcret"
    assert (stream().heartbeat.ping, stream().heartbeat.idle_s) == (b"ping", 20.0)


def test_what_is_not_heard_is_absent_for_both_sides_of_every_market():
    absent = stream().absent("no key", 7, Origin.SIMULATED)
    assert {(one.value, one.cause, one.event_ns) for one in absent} == {(None, "no key", 7)}
    assert {(one.symbol, one.name) for one in absent} == {
        (symbol, f"liquidation_order_{side}") for symbol in SYMBOLS for side in ("long", "short")
    }
    assert not CoinGlassStream("wss://host", None, SYMBOLS).usable


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.integers(1, 10**6), st.integers(0, 3)), max_size=20))
def test_the_usd_of_a_frame_are_neither_lost_nor_doubled(orders: list[tuple[int, int, int]]):
    order = ORDERS["data"][0]
    rows = [order | {"side": side, "volUsd": usd, "time": order["time"] + ms} for side, usd, ms in orders]
    body = msgspec.json.encode(ORDERS | {"data": rows})
    metrics = stream(("BTC-USDT",)).receive(body, NOW_NS, Origin.LIVE)
    for side, word in ((1, "long"), (2, "short")):
        said = sum(one.value or 0 for one in metrics if one.name.endswith(word))
        assert said == sum(usd for who, usd, _ in orders if who == side)
    assert [one.event_ns for one in metrics] == sorted(one.event_ns for one in metrics)
