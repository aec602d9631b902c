"""Bybit's turnover and clock, from the vendor's sample answers."""

import json
from typing import Any

import pytest

from libs.common.events.symbols import parse
from services.ingest.venues import Bybit
from services.ingest.venues.terms import AnswerError, Instrument

VENUE = Bybit(rest_url="http://b")
# https://bybit-exchange.github.io/docs/v5/market/tickers, inverse: 13,713,832 dollars, which were 115.6907 coins
INVERSE = {
    "symbol": "BTCUSD",
    "lastPrice": "120635.50",
    "highPrice24h": "131309.30",
    "lowPrice24h": "102007.60",
    "openInterest": "240113967",
    "openInterestValue": "2089.79",
    "turnover24h": "115.6907",
    "volume24h": "13713832.0000",
}
# The same page, spot: 11,801 coins for 243,765,620 tethers
SPOT = {"symbol": "BTCUSDT", "turnover24h": "243765620.65899866", "volume24h": "11801.27771"}
# Derivatives v3, linear: 8,782 coins for 253,089,983 tethers
LINEAR = {"symbol": "BTCUSDT", "turnover24h": "253089983.0199994", "volume24h": "8782.69399999"}
NATIVES = {"inverse:BTCUSD": "BTC-USD-PERP", "spot:BTCUSDT": "BTC-USDT", "linear:BTCUSDT": "BTC-USDT-PERP"}
LISTED = {
    native: Instrument(
        symbol=symbol, native=native, kind=parse(symbol), tick=0.1, lot=0.1, inverse=parse(symbol).inverse
    )
    for native, symbol in NATIVES.items()
}


def _answer(category, *rows, code=0) -> bytes:
    return json.dumps({"retCode": code, "retMsg": "OK", "result": {"category": category, "list": rows}}).encode()


def test_one_call_for_each_category() -> None:
    assert [one.url for one in VENUE.turnover_requests()] == [
        f"http://b/v5/market/tickers?category={category}" for category in ("linear", "inverse", "spot")
    ]


def test_turnover_is_in_quote_currency_and_one_name_is_two_instruments() -> None:
    bodies = [_answer("linear", LINEAR), _answer("inverse", INVERSE), _answer("spot", SPOT)]
    assert VENUE.turnover(bodies, LISTED) == {
        "linear:BTCUSDT": 253_089_983.0199994,
        "inverse:BTCUSD": 13_713_832.0,  # `turnover24h` is in coins there
        "spot:BTCUSDT": 243_765_620.65899866,
    }


@pytest.mark.parametrize("said", ["", "NaN", "-1", 7, None])
def test_an_unreadable_turnover_is_absent_and_loses_no_other(said) -> None:
    rows: tuple[Any, ...] = (SPOT | {"turnover24h": said}, 7, {}, SPOT | {"symbol": "NOBODYUSDT"})
    assert VENUE.turnover([_answer("spot", *rows), _answer("linear", LINEAR)], LISTED) == {
        "linear:BTCUSDT": 253_089_983.0199994
    }


def test_the_clock_is_in_nanoseconds() -> None:
    assert VENUE.clock_request().url == "http://b/v5/market/time"
    sample = {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"timeSecond": "1688639403", "timeNano": "1688639403423213947"},
        "retExtInfo": {},
        "time": 1688639403423,
    }
    assert VENUE.clock_ns(json.dumps(sample).encode()) == 1_688_639_403_423_213_947  # no float would hold it


@pytest.mark.parametrize("nanos", ["", "1688639403", "1688639403423", "soon", 1688639403423213947, None])
def test_an_answer_without_a_time_is_none(nanos) -> None:
    with pytest.raises(AnswerError, match="bybit"):
        VENUE.clock_ns(json.dumps({"retCode": 0, "result": {"timeNano": nanos}}).encode())


def test_an_error_is_no_answer() -> None:
    with pytest.raises(AnswerError, match="10006"):
        VENUE.turnover([_answer("spot", code=10006)], LISTED)
    with pytest.raises(AnswerError, match="10006"):
        VENUE.clock_ns(_answer("", code=10006))


def test_open_interest_comes_by_the_socket() -> None:
    assert VENUE.open_interest_request(LISTED["linear:BTCUSDT"]) is None
