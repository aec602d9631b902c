"""Words of `CSX_INGEST_SYMBOLS`: what they mean, and what is refused."""

import pytest

from libs.common.events.symbols import Kind, SymbolError, parse
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import load
from services.ingest.listings.wishes import Top, top_of
from services.ingest.settings import Settings


@pytest.mark.parametrize(
    ("word", "top"),
    [
        ("top:65", Top(65)),
        ("top:1:PERP", Top(1, None, Kind.PERPETUAL)),
        ("top:9:SPOT", Top(9, None, Kind.SPOT)),
        ("top:65:USDT-PERP", Top(65, "USDT", Kind.PERPETUAL)),
        ("top:1000:KRW-SPOT", Top(1000, "KRW", Kind.SPOT)),
        ("top:3:USD-FUTURE", Top(3, "USD", Kind.FUTURE)),
        ("BTC-USDT", None),
        ("币安人生-USDT-PERP", None),
    ],
)
def test_words_are_read(word: str, top: Top | None) -> None:
    assert top_of(word) == top


@pytest.mark.parametrize(
    "word",
    ["top:", "top:0", "top:1001", "top:-1", "top:x", "top:5:", "top:5:USDT", "top:5:usdt-PERP", "top:5:USDT-PERP:X"],
)
def test_other_forms_are_refused_with_the_form_that_is_meant(word: str) -> None:
    with pytest.raises(SymbolError, match="top:"):
        top_of(word)


@pytest.mark.parametrize(
    ("word", "admitted"),
    [
        ("top:5", {"BTC-USDT", "BTC-USDT-PERP", "BTC-USD-PERP", "BTC-FDUSD", "BTC-USD-20261225"}),
        ("top:5:PERP", {"BTC-USDT-PERP", "BTC-USD-PERP"}),
        ("top:5:USDT-PERP", {"BTC-USDT-PERP"}),
        ("top:5:KRW-SPOT", {"BTC-KRW"}),
        ("top:5:BTC-SPOT", {"ETH-BTC"}),
    ],
)
def test_turnovers_of_different_money_are_never_ranked_together(word: str, admitted: set[str]) -> None:
    every = {"BTC-USDT", "BTC-USDT-PERP", "BTC-USD-PERP", "BTC-FDUSD", "BTC-USD-20261225", "BTC-KRW", "ETH-BTC"}
    top = top_of(word)
    assert top is not None
    assert {symbol for symbol in every if top.admits(parse(symbol))} == admitted


def test_settings_take_both_and_refuse_by_name(monkeypatch) -> None:
    monkeypatch.setenv("CSX_INGEST_VENUE", "binance-usdm")
    monkeypatch.setenv("CSX_INGEST_SYMBOLS", "top:65:USDT-PERP, 币安人生-USDT-PERP,BTC-USDT-PERP")
    assert load(Settings).symbols == ("top:65:USDT-PERP", "币安人生-USDT-PERP", "BTC-USDT-PERP")
    monkeypatch.setenv("CSX_INGEST_SYMBOLS", "top:65:coins")
    with pytest.raises(ConfigurationError, match=r"SYMBOLS.*'top:65:coins' is no choice: expected top:N"):
        load(Settings)
    monkeypatch.setenv("CSX_INGEST_SYMBOLS", "top:65")
    monkeypatch.setenv("CSX_INGEST_VENUE", "vendors")
    with pytest.raises(ConfigurationError, match="vendors are no venue"):
        load(Settings)
