"""What catalogues say of an instrument's life: status, first and last day, other names. Documents and recordings."""

import json
from pathlib import Path

import pytest

from libs.common.events import ListingStatus
from services.ingest.recording.recordings import FrameKind, read
from services.ingest.venues import BinanceCoinm, BinanceSpot, BinanceUsdm, Bybit, Coinapi, Okx

MS = 1_000_000
STEPS = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "stepSize": "0.001"},
]
# developers.binance.com, exchangeInfo of futures
USDM = {
    "symbol": "BLZUSDT",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "onboardDate": 1598252400000,
    "status": "TRADING",
    "baseAsset": "BLZ",
    "quoteAsset": "USDT",
    "filters": STEPS,
}
COINM = USDM | {
    "symbol": "BTCUSD_200925",
    "contractType": "CURRENT_QUARTER",
    "deliveryDate": 1601020800000,
    "onboardDate": 1590739200000,
    "status": "",
    "contractStatus": "TRADING",
    "contractSize": 100,
    "baseAsset": "BTC",
    "quoteAsset": "USD",
}
SPOT = {"symbol": "ETHBTC", "status": "TRADING", "baseAsset": "ETH", "quoteAsset": "BTC", "filters": STEPS}


def _binance(venue, row):
    (found,) = venue.instruments([json.dumps({"symbols": [row]}).encode()]).values()
    return found


def test_a_perpetual_of_binance_ends_when_its_end_was_announced() -> None:
    forever = _binance(BinanceUsdm(), USDM)
    assert (forever.listed_ns, forever.delisting_ns) == (1_598_252_400_000 * MS, None)  # 2100 is no date
    ending = _binance(BinanceUsdm(), USDM | {"deliveryDate": 1700643600000, "status": "PRE_SETTLE"})
    assert (ending.delisting_ns, ending.status, ending.live) == (1_700_643_600_000 * MS, ListingStatus.CLOSING, False)
    settling = _binance(BinanceUsdm(), USDM | {"contractType": "PERPETUAL_DELIVERING", "status": "SETTLING"})
    assert (settling.symbol, settling.status) == ("BLZ-USDT-PERP", ListingStatus.CLOSING)


def test_a_dated_contract_of_binance_ends_with_its_delivery() -> None:
    dated = _binance(BinanceCoinm(), COINM)
    assert (dated.listed_ns, dated.delisting_ns) == (1_590_739_200_000 * MS, 1_601_020_800_000 * MS)
    delivering = _binance(
        BinanceCoinm(), COINM | {"contractType": "CURRENT_QUARTER_DELIVERING", "contractStatus": "DELIVERING"}
    )
    assert (delivering.symbol, delivering.status) == ("BTC-USD-20200925", ListingStatus.CLOSING)


@pytest.mark.parametrize("nothing", [0, -1, 5, 1569398400])
def test_a_date_that_is_none_is_absent(nothing) -> None:
    assert _binance(BinanceUsdm(), USDM | {"onboardDate": nothing}).listed_ns is None


def test_spot_of_binance_says_no_dates() -> None:
    pair = _binance(BinanceSpot(), SPOT)
    assert (pair.listed_ns, pair.delisting_ns, pair.aliases) == (None, None, ())


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("TRADING", ListingStatus.LIVE),
        ("PENDING_TRADING", ListingStatus.ANNOUNCED),
        ("PRE_SETTLE", ListingStatus.CLOSING),
        ("SETTLING", ListingStatus.CLOSING),
        ("PRE_DELIVERING", ListingStatus.CLOSING),
        ("DELIVERING", ListingStatus.CLOSING),
        ("DELIVERED", ListingStatus.DELISTED),
        ("CLOSE", ListingStatus.DELISTED),
        ("A_WORD_OF_TOMORROW", ListingStatus.HALTED),
    ],
)
def test_the_words_of_both_futures_of_binance(word, status) -> None:
    assert _binance(BinanceUsdm(), USDM | {"status": word}).status is status
    assert _binance(BinanceCoinm(), COINM | {"contractStatus": word}).status is status


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("TRADING", ListingStatus.LIVE),
        ("HALT", ListingStatus.HALTED),
        ("BREAK", ListingStatus.HALTED),
        ("END_OF_DAY", ListingStatus.HALTED),
        ("PRE_TRADING", ListingStatus.ANNOUNCED),
        ("POST_TRADING", ListingStatus.HALTED),
        ("AUCTION_MATCH", ListingStatus.HALTED),
    ],
)
def test_the_words_of_binance_spot(word, status) -> None:
    assert _binance(BinanceSpot(), SPOT | {"status": word}).status is status


def _okx(**fields):
    row = {"instType": "SPOT", "instId": "BTC-EUR", "baseCcy": "BTC", "quoteCcy": "EUR", "state": "live"}
    row |= {"tickSz": "1", "lotSz": "0.00000001", "listTime": "1704876947000", "expTime": ""}
    (found,) = Okx().instruments([json.dumps({"code": "0", "data": [row | fields]}).encode()]).values()
    return found


def test_anything_of_okx_ends_when_its_end_was_announced() -> None:
    assert (_okx().listed_ns, _okx().delisting_ns) == (1_704_876_947_000 * MS, None)
    assert _okx(expTime="1790323200000").delisting_ns == 1_790_323_200_000 * MS
    assert _okx(listTime="").listed_ns is None


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("live", ListingStatus.LIVE),
        ("suspend", ListingStatus.HALTED),
        ("rebase", ListingStatus.HALTED),
        ("post_only", ListingStatus.HALTED),
        ("preopen", ListingStatus.ANNOUNCED),
        ("settling", ListingStatus.CLOSING),
        ("expired", ListingStatus.DELISTED),
        ("test", ListingStatus.HALTED),
    ],
)
def test_the_words_of_okx(word, status) -> None:
    assert _okx(state=word).status is status


def _recorded(venue, path: Path):
    bodies = [frame.data for frame in read(path) if frame.kind is FrameKind.ANSWER and b"instType" in frame.data]
    return venue.instruments(bodies)


def test_okx_as_recorded_in_2022(recordings: Path) -> None:
    found = _recorded(Okx(), recordings / "raw/okx/2022-05-13_OKX.0.gz")
    assert found["BTC-USDT"].listed_ns == 1_548_133_413_000 * MS
    swap, dated = found["BTC-USD-SWAP"], found["BTC-USD-220520"]
    assert (swap.listed_ns, swap.delisting_ns) == (1_611_916_828_000 * MS, None)
    assert (dated.listed_ns, dated.delisting_ns) == (1_651_824_600_735 * MS, 1_653_033_600_000 * MS)


def test_bybit_as_recorded_in_2026(recordings: Path) -> None:
    path = recordings / "raw/bybit/2026-08-09_BYBIT.jsonl.zst"
    bodies = [frame.data for frame in read(path) if "instruments-info" in frame.url]
    found = Bybit().instruments(bodies)
    assert all(one.live for one in found.values())
    perpetual, dated, pair = found["linear:0GUSDT"], found["linear:BTCUSDT-14AUG26"], found["spot:BTCUSDT"]
    assert (perpetual.listed_ns, perpetual.delisting_ns) == (1_758_175_736_000 * MS, None)  # "0" is no date
    assert (dated.listed_ns, dated.delisting_ns) == (1_784_880_000_000 * MS, 1_786_694_400_000 * MS)
    assert (pair.listed_ns, pair.delisting_ns, pair.aliases) == (None, None, ())
    assert found["linear:AAVEPERP"].aliases == ("linear:AAVEUSDC",)  # what the venue's pages call it
    assert (found["linear:AAVEPERP"].symbol, perpetual.aliases) == ("AAVE-USDC-PERP", ())


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Trading", ListingStatus.LIVE),
        ("PreLaunch", ListingStatus.ANNOUNCED),
        ("Delivering", ListingStatus.CLOSING),
        ("Closed", ListingStatus.DELISTED),
        ("Tomorrow", ListingStatus.HALTED),
    ],
)
def test_the_words_of_bybit(word, status) -> None:
    row = {
        "symbol": "BTCUSD",
        "contractType": "InversePerpetual",
        "status": word,
        "baseCoin": "BTC",
        "quoteCoin": "USD",
        "launchTime": "1585526400000",
        "deliveryTime": "1790323200000",
        "priceFilter": {"tickSize": "0.10"},
        "lotSizeFilter": {"qtyStep": "1"},
    }
    body = {"retCode": 0, "result": {"category": "inverse", "list": [row]}}
    (found,) = Bybit().instruments([json.dumps(body).encode()]).values()
    assert (found.status, found.delisting_ns) == (status, 1_790_323_200_000 * MS)  # a perpetual's end, announced


def test_coinapi_says_a_futures_day_and_the_exchanges_own_name() -> None:
    row = {
        "symbol_id": "BINANCEFTS_FTS_ETH_USDT_261225",
        "exchange_id": "BINANCEFTS",
        "symbol_type": "FUTURES",
        "asset_id_base": "ETH",
        "asset_id_quote": "USDT",
        "future_delivery_time": "2026-12-25T08:00:00.0000000Z",
        "future_contract_unit": 1,
        "future_contract_unit_asset": "ETH",
        "symbol_id_exchange": "ETHUSDT_261225",
        "data_start": "2026-06-26",
    }
    (found,) = Coinapi(exchange="BINANCEFTS").instruments([json.dumps([row]).encode()]).values()
    assert (found.listed_ns, found.delisting_ns) == (None, 1_798_185_600_000 * MS)  # 2026-12-25 08:00 UTC
    assert found.aliases == ("ETHUSDT_261225",)
