"""Names say a symbol or nothing; they never say a size they do not hold."""

import math

import pytest

from libs.common.events import ListingStatus
from libs.common.events.symbols import perpetual
from services.ingest.recording.names import NAMES, SPOT_QUOTES, NamedInstruments, binance_spot, binance_usdm, bybit, okx
from services.ingest.recording.normalize import RECORDED
from services.ingest.venues.terms import Instrument


@pytest.mark.parametrize(
    ("native", "symbol"),
    [
        ("BTCUSDT", "BTC-USDT-PERP"),
        ("1000SHIBUSDT", "1000SHIB-USDT-PERP"),
        ("ETHBTC", "ETH-BTC-PERP"),
        ("BTCBUSD_210129", "BTC-BUSD-20210129"),
        ("USDCUSDT", "USDC-USDT-PERP"),
    ],
)
def test_usdm_names(native, symbol) -> None:
    found = binance_usdm(native)
    assert found is not None
    assert (found.symbol, found.native, found.contract_size) == (symbol, native, 1.0)
    assert math.isnan(found.tick)
    assert math.isnan(found.lot)


@pytest.mark.parametrize("native", ["", "USDT", "BTCUSD_PERP", "BTCUSDT_211399", "btcusdt", "BTC-USDT", "BTCEUR"])
def test_names_that_tell_nothing_on_usdm(native) -> None:
    assert binance_usdm(native) is None


@pytest.mark.parametrize(
    ("native", "symbol"),
    [
        ("BTCUSDT", "BTC-USDT"),
        ("RUNEEUR", "RUNE-EUR"),
        ("LRCBTC", "LRC-BTC"),
        ("BTCFDUSD", "BTC-FDUSD"),
        ("BTCTUSD", "BTC-TUSD"),
        ("ETHBTC", "ETH-BTC"),
        ("1INCHBUSD", "1INCH-BUSD"),
        ("币安人生USDT", "币安人生-USDT"),
    ],
)
def test_spot_names(native, symbol) -> None:
    found = binance_spot(native)
    assert found is not None
    assert (found.symbol, found.native, found.contract_size) == (symbol, native, 1.0)
    assert math.isnan(found.lot)


@pytest.mark.parametrize(
    "native", ["", "USDT", "BTCUSD_PERP", "BTCUSDT_210129", "btcusdt", "BTC-USDT", "BTCUSD", "bUSDT"]
)
def test_names_that_tell_nothing_on_spot(native) -> None:
    assert binance_spot(native) is None


def test_a_spot_name_is_cut_in_one_way_or_in_none() -> None:
    assert [(one, other) for one in SPOT_QUOTES for other in SPOT_QUOTES if one != other and one.endswith(other)] == []


def test_a_coin_margined_name_does_not_say_what_a_contract_is() -> None:
    assert NAMES["binance-coinm"]("BTCUSD_PERP") is None


def test_every_recorded_venue_has_its_names() -> None:
    assert NAMES.keys() == RECORDED.keys()


def test_okx_spot_pairs_but_no_contract() -> None:
    found = okx("BTC-USDT")
    assert found is not None
    assert found.symbol == "BTC-USDT"
    for native in ("BTC-USDT-SWAP", "BTC-USD-220527", "BTC", "", "btc-usdt", "-USDT"):
        assert okx(native) is None


@pytest.mark.parametrize(
    ("native", "symbol", "inverse"),
    [
        ("linear:BTCUSDT", "BTC-USDT-PERP", False),
        ("linear:1000BONKUSDT", "1000BONK-USDT-PERP", False),
        ("linear:BTCPERP", "BTC-USDC-PERP", False),
        ("inverse:XRPUSD", "XRP-USD-PERP", True),
        ("spot:BTCUSDT", "BTC-USDT", False),
        ("spot:ETHUSDC", "ETH-USDC", False),
    ],
)
def test_bybit_names_need_their_category(native, symbol, inverse) -> None:
    found = bybit(native)
    assert found is not None
    assert (found.symbol, found.native, found.inverse, found.contract_size) == (symbol, native, inverse, 1.0)


@pytest.mark.parametrize(
    "native",
    ["BTCUSDT", "option:BTCUSDT", "inverse:BTCUSDU23", "linear:BTCUSDT-14AUG26", "linear:btcUSDT", "spot:USDT"],
)
def test_names_that_tell_nothing_on_bybit(native) -> None:
    assert bybit(native) is None


def test_the_catalogue_wins_over_names() -> None:
    instruments = NamedInstruments(binance_usdm)
    assert instruments["BTCUSDT"].symbol == "BTC-USDT-PERP"
    with pytest.raises(KeyError):
        instruments["NOTHING"]
    assert instruments.get("NOTHING") is None
    told = Instrument(
        symbol="X-USDT-PERP", native="XUSDT", kind=perpetual("X", "USDT"), tick=0.1, lot=1, status=ListingStatus.HALTED
    )
    instruments.learn({"XUSDT": told})
    assert instruments["XUSDT"] is told
    assert sorted(instruments) == ["BTCUSDT", "XUSDT"]
    assert len(instruments) == 2
