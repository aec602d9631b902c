"""Symbols read back to what was written, in every form, and say what is wrong with the others."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import symbols
from libs.common.events.symbols import Kind, Symbol, SymbolError

_ASSETS = st.text(
    st.characters(exclude_categories=["Z", "C"], exclude_characters="-/:|,"), min_size=1, max_size=12
).map(str.upper)
_ASSETS = _ASSETS.filter(lambda text: text == text.upper() and len(text) <= 32 and not text.isspace())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BTC-USDT", Symbol("BTC", "USDT")),
        ("BTC-USDT-PERP", Symbol("BTC", "USDT", Kind.PERPETUAL)),
        ("BTC-USD-PERP", Symbol("BTC", "USD", Kind.PERPETUAL)),
        ("BTC-USD-20261225", Symbol("BTC", "USD", Kind.FUTURE, dt.date(2026, 12, 25))),
        ("1000SATS-USDT-PERP", Symbol("1000SATS", "USDT", Kind.PERPETUAL)),
        ("币安人生-USDT-PERP", Symbol("币安人生", "USDT", Kind.PERPETUAL)),
    ],
)
def test_every_form_of_the_architecture_page_is_read_and_written(text, expected):
    assert symbols.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BTC",
        "BTCUSDT",
        "btc-usdt",
        "BTC-",
        "-USDT",
        "BTC-USDT-SWAP",
        "BTC-USD-20261332",
        "BTC-USDT-PERP-X",
        "BTC USDT",
        "BTC/USDT",
        "BTC-USDT\n",
        "B" * 33 + "-USDT",
        "A|B-USDT",
        "A,B-USDT",
        "A\u202eB-USDT",
        "A\x00-USDT",
    ],
)
def test_anything_else_is_refused_with_the_text_in_the_message(text):
    with pytest.raises(SymbolError, match="is no symbol"):
        symbols.parse(text)


@given(_ASSETS, _ASSETS, st.dates(dt.date(2000, 1, 1), dt.date(2099, 12, 31)))
def test_what_is_made_is_read_back_equal(base, quote, day):
    for made in (symbols.spot(base, quote), symbols.perpetual(base, quote), symbols.future(base, quote, day)):
        assert symbols.parse(str(made)) == made


def test_a_contract_on_us_dollars_is_inverse_and_spot_never_is():
    assert symbols.parse("BTC-USD-PERP").inverse
    assert symbols.parse("BTC-USD-20261225").inverse
    assert not symbols.parse("BTC-USDT-PERP").inverse
    assert not symbols.parse("BTC-USD").inverse


def test_an_asset_with_a_dash_is_refused_where_it_is_made():
    with pytest.raises(SymbolError):
        symbols.spot("BTC-X", "USDT")
