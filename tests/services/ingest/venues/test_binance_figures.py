"""Binance's turnover, clock and open interest, from the vendor's sample answers; its day's range checks the units."""

import json

import pytest

from libs.common.events import OpenInterest, Origin
from libs.common.events.symbols import parse
from services.ingest.venues import BinanceCoinm, BinanceSpot, BinanceUsdm
from services.ingest.venues.terms import AnswerError, Instrument

USDM, SPOT, COINM = (
    BinanceUsdm(rest_url="http://u"),
    BinanceSpot(rest_url="http://s"),
    BinanceCoinm(rest_url="http://c"),
)
# developers.binance.com, 24hr ticker: 8,913.3 were traded for 15.3 of the quote currency
DAY = {"symbol": "BNBBTC", "lastPrice": "4.00000200", "volume": "8913.30000000", "quoteVolume": "15.30000000"}
# The same of COIN-M: 494,109 contracts of 100 dollars, which were 5,192.94797687 coins
COINM_DAY = {
    "symbol": "BTCUSD_200925",
    "pair": "BTCUSD",
    "weightedAvgPrice": "9547.3",
    "lastPrice": "9651.6",
    "volume": "494109",
    "baseVolume": "5192.94797687",
}


def _instrument(symbol, native, face=1.0) -> Instrument:
    kind = parse(symbol)
    return Instrument(
        symbol=symbol, native=native, kind=kind, tick=0.1, lot=0.1, contract_size=face, inverse=kind.inverse
    )


BNB = _instrument("BNB-BTC", "BNBBTC")
BTC = _instrument("BTC-USDT-PERP", "BTCUSDT")
COIN = _instrument("BTC-USD-20200925", "BTCUSD_200925", 100.0)


def _body(*rows) -> bytes:
    return json.dumps(rows).encode()


def test_turnover_is_asked_for_at_once_with_its_published_weight() -> None:
    asked = [(one.url, one.weight) for venue in (USDM, SPOT, COINM) for one in venue.turnover_requests()]
    assert asked == [
        ("http://u/fapi/v1/ticker/24hr", 40),
        ("http://s/api/v3/ticker/24hr", 80),
        ("http://c/dapi/v1/ticker/24hr", 40),
    ]


def test_turnover_is_in_quote_currency() -> None:
    assert SPOT.turnover([_body(DAY)], {"BNBBTC": BNB}) == {"BNBBTC": 15.3}
    assert USDM.turnover([_body(DAY | {"symbol": "BTCUSDT"})], {"BTCUSDT": BTC}) == {"BTCUSDT": 15.3}


def test_turnover_of_coin_margined_contracts_is_their_dollars_not_their_coins() -> None:
    found = COINM.turnover([_body(COINM_DAY)], {"BTCUSD_200925": COIN})
    assert found == {"BTCUSD_200925": 49_410_900.0}
    low, high = 9_499.5, 9_687.0  # the vendor's range of the day: coins at these prices
    assert low < found["BTCUSD_200925"] / 5192.94797687 < high


@pytest.mark.parametrize("said", ["", "NaN", "-1", "many", None, 7])
def test_an_unreadable_turnover_is_absent_and_loses_no_other(said) -> None:
    rows = _body(DAY | {"symbol": "BTCUSDT", "quoteVolume": said}, 7, {}, DAY, DAY | {"symbol": "UNKNOWN"})
    assert USDM.turnover([rows], {"BTCUSDT": BTC, "BNBBTC": BNB}) == {"BNBBTC": 15.3}


def test_nothing_traded_is_a_turnover_of_zero() -> None:
    assert USDM.turnover([_body(DAY | {"quoteVolume": "0.00"})], {"BNBBTC": BNB}) == {"BNBBTC": 0.0}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"code":-1003,"msg":"Too many requests"}', b"\xff"])
def test_an_error_is_no_answer(body) -> None:
    for read_it in (
        lambda: USDM.turnover([body], {}),
        lambda: USDM.clock_ns(body),
        lambda: USDM.open_interest(BTC, body, 0, Origin.LIVE),
    ):
        with pytest.raises(AnswerError, match="binance-usdm"):
            read_it()


def test_the_clock_is_in_milliseconds_and_on_spot_in_microseconds_where_asked_for() -> None:
    urls = [venue.clock_request().url for venue in (USDM, SPOT, COINM)]
    assert urls == ["http://u/fapi/v1/time", "http://s/api/v3/time", "http://c/dapi/v1/time"]
    assert USDM.clock_ns(b'{"serverTime":1499827319559}') == 1_499_827_319_559_000_000
    assert SPOT.clock_ns(b'{"serverTime":1499827319559123}') == 1_499_827_319_559_123_000
    for seconds_or_micros in (b'{"serverTime":1499827319}', b'{"serverTime":1499827319559123}'):
        with pytest.raises(AnswerError):
            USDM.clock_ns(seconds_or_micros)


def test_open_interest_of_dollar_margined_contracts_is_in_base_units() -> None:
    request = USDM.open_interest_request(BTC)
    assert (request.url, request.weight) == ("http://u/fapi/v1/openInterest?symbol=BTCUSDT", 1)
    body = b'{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}'
    assert USDM.open_interest(BTC, body, 7, Origin.LIVE) == OpenInterest(
        venue="binance-usdm",
        symbol="BTC-USDT-PERP",
        event_ns=1_589_437_530_011_000_000,
        received_ns=7,
        origin=Origin.LIVE,
        base=10_659.509,
    )


def test_open_interest_of_coin_margined_contracts_is_contracts_and_their_dollars() -> None:
    june = _instrument("BTC-USD-20200626", "BTCUSD_200626", 100.0)
    assert COINM.open_interest_request(june).url == "http://c/dapi/v1/openInterest?symbol=BTCUSD_200626"
    body = (
        b'{"symbol":"BTCUSD_200626","pair":"BTCUSD","openInterest":"15004","contractType":"CURRENT_QUARTER",'
        b'"time":1591261042378}'
    )
    found = COINM.open_interest(june, body, 7, Origin.LIVE)
    assert (found.contracts, found.notional, found.base) == (15_004.0, 1_500_400.0, None)  # coins would need a price
    assert found.event_ns == 1_591_261_042_378_000_000


def test_open_interest_of_another_symbol_is_no_answer() -> None:
    body = b'{"openInterest":"1","symbol":"ETHUSDT","time":1589437530011}'
    with pytest.raises(AnswerError, match="asked for BTCUSDT, told of ETHUSDT"):
        USDM.open_interest(BTC, body, 0, Origin.LIVE)


def test_spot_has_no_open_interest() -> None:
    assert SPOT.open_interest_request(BNB) is None
    assert SPOT.open_interest(BNB, b"{}", 0, Origin.LIVE) is None
