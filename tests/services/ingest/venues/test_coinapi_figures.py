"""CoinAPI's turnover: the vendor counts in dollars, a symbol in its own quote currency. Values by hand."""

import json

import pytest

from libs.common.events.symbols import parse
from services.ingest.venues import Coinapi
from services.ingest.venues.terms import AnswerError, Instrument

VENUE = Coinapi(api_key="S3CRET", rest_url="http://a", exchange="KRAKEN")
DAY = {"volume_1day": 100.0, "volume_1day_usd": 6_000_000.0, "price": 55_000.0}


def _turnover(symbol, **fields) -> dict[str, float]:
    instrument = Instrument(symbol=symbol, native="X", kind=parse(symbol), tick=0.1, lot=0.1)
    return VENUE.turnover([json.dumps([{"symbol_id": "X"} | DAY | fields]).encode()], {"X": instrument})


def test_the_catalogue_says_it() -> None:
    assert VENUE.turnover_requests() == VENUE.instruments_requests()
    assert VENUE.turnover_requests()[0].headers[0].value == "S3CRET"


@pytest.mark.parametrize("symbol", ["BTC-USD", "BTC-USDT", "BTC-USDC-PERP"])
def test_what_is_quoted_in_dollars_has_the_vendors_dollars(symbol) -> None:
    assert _turnover(symbol) == {"X": 6_000_000.0}


def test_another_quote_currency_is_never_called_dollars() -> None:
    assert _turnover("BTC-EUR") == {"X": 5_500_000.0}  # 100 coins at 55,000
    assert _turnover("BTC-EUR", price=None) == {}
    assert _turnover("BTC-EUR-PERP") == {}  # nobody says in what unit its volume is


@pytest.mark.parametrize("said", [None, "6000000", -1.0])
def test_an_unreadable_turnover_is_absent(said) -> None:
    assert _turnover("BTC-USD", volume_1day_usd=said) == {}


def test_an_error_is_no_answer() -> None:
    with pytest.raises(AnswerError, match="coinapi"):
        VENUE.turnover([b'{"error":"Invalid API key"}'], {})


def test_the_vendor_says_no_time_and_no_open_interest() -> None:
    assert VENUE.clock_request() is None
    with pytest.raises(AnswerError, match="does not say its time"):
        VENUE.clock_ns(b"{}")
