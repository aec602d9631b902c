"""OKX's turnover and clock; `volCcy24h` is currency on spot and coins elsewhere, as the vendor documents."""

import json

import pytest

from libs.common.events.symbols import parse
from services.ingest.venues import Okx
from services.ingest.venues.terms import AnswerError, Instrument

VENUE = Okx(rest_url="http://o")
TICKER = {"instType": "SWAP", "last": "9999.99", "lastSz": "1", "volCcy24h": "2222", "vol24h": "222200", "ts": "1"}


def _instrument(symbol, native, face=1.0) -> Instrument:
    kind = parse(symbol)
    return Instrument(
        symbol=symbol, native=native, kind=kind, tick=0.1, lot=0.1, contract_size=face, inverse=kind.inverse
    )


LISTED = {
    one.native: one
    for one in (
        _instrument("BTC-USDT", "BTC-USDT"),
        _instrument("BTC-USDT-PERP", "BTC-USDT-SWAP", 0.01),
        _instrument("BTC-USD-PERP", "BTC-USD-SWAP", 100.0),
    )
}


def _turnover(native, **fields) -> dict[str, float]:
    body = {"code": "0", "msg": "", "data": [TICKER | {"instId": native} | fields]}
    return VENUE.turnover([json.dumps(body).encode()], LISTED)


def test_one_call_for_each_kind() -> None:
    assert [one.url for one in VENUE.turnover_requests()] == [
        f"http://o/api/v5/market/tickers?instType={kind}" for kind in ("SPOT", "SWAP", "FUTURES")
    ]


def test_spot_says_its_currency_itself() -> None:
    assert _turnover("BTC-USDT") == {"BTC-USDT": 2222.0}


def test_linear_contracts_say_coins_which_the_last_price_makes_currency() -> None:
    assert _turnover("BTC-USDT-SWAP") == {"BTC-USDT-SWAP": 2222 * 9999.99}


def test_inverse_contracts_are_counted_in_dollars() -> None:
    assert _turnover("BTC-USD-SWAP") == {"BTC-USD-SWAP": 22_220_000.0}  # 222,200 contracts of 100 dollars


@pytest.mark.parametrize("fields", [{"volCcy24h": ""}, {"last": ""}, {"last": "0"}, {"volCcy24h": "NaN"}, {"last": 7}])
def test_an_unreadable_turnover_is_absent(fields) -> None:
    assert _turnover("BTC-USDT-SWAP", **fields) == {}


def test_what_is_not_listed_is_left_out() -> None:
    assert _turnover("BTC-USD_UM_XPERP-310404") == {}


def test_the_clock() -> None:
    assert VENUE.clock_request().url == "http://o/api/v5/public/time"
    assert VENUE.clock_ns(b'{"code":"0","msg":"","data":[{"ts":"1597026383085"}]}') == 1_597_026_383_085_000_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"code":"50011","msg":"Too Many Requests","data":[]}',
        b'{"code":"0","data":[]}',
        b'{"code":"0","data":[{}]}',
    ],
)
def test_an_answer_without_a_time_is_none(body) -> None:
    with pytest.raises(AnswerError, match="okx"):
        VENUE.clock_ns(body)


def test_an_error_is_no_turnover() -> None:
    with pytest.raises(AnswerError, match="50011"):
        VENUE.turnover([b'{"code":"50011","msg":"Too Many Requests","data":[]}'], LISTED)


def test_open_interest_comes_by_the_socket() -> None:
    assert VENUE.open_interest_request(LISTED["BTC-USDT-SWAP"]) is None
