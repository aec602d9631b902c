"""alternative.me, LunarCrush and CoinGecko against their documented shapes."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Metric, Origin
from libs.common.events.catalogue import METRICS
from libs.common.events.symbols import SymbolError, parse
from services.ingest.vendors import VENDORS, Alternative, CoinGecko, LunarCrush
from services.ingest.vendors.coingecko_ids import IDS
from services.ingest.vendors.vendor import Job, Vendor
from services.ingest.venues.terms import AnswerError
from tests.services.ingest.vendors.answers import GOOD

NOW_NS = 1_790_000_000 * 10**9
SYMBOLS = ("BTC-USDT", "BTC-USDT-PERP", "PEPE-USDT-PERP")


def read(vendor: Any, said: Any, symbols=SYMBOLS):
    (job,) = vendor.jobs(symbols)
    return vendor.parse(job, said if isinstance(said, bytes) else msgspec.json.encode(said), NOW_NS, Origin.LIVE)


def test_alternative_is_seconds_in_strings_newest_first():
    body = b"""{"name": "Fear and Greed Index", "data": [
        {"value": "54", "value_classification": "Neutral", "timestamp": "1789948800", "time_until_update": "4000"},
        {"value": "40", "value_classification": "Fear", "timestamp": "1789862400"}], "metadata": {"error": null}}"""
    metrics = read(Alternative(), body)
    assert [(one.symbol, one.value, one.unit, one.event_ns) for one in metrics] == [
        ("*", 40.0, "points", 1_789_862_400 * 10**9),
        ("*", 54.0, "points", 1_789_948_800 * 10**9),
    ]
    assert Alternative().usable
    assert Alternative().headers() == {}


def test_alternative_says_its_errors_in_the_metadata():
    with pytest.raises(AnswerError, match="error: limit"):
        read(Alternative(), {"data": [], "metadata": {"error": "limit must be a number"}})
    with pytest.raises(AnswerError):
        read(Alternative(), {"data": [{"value": "101", "timestamp": "1789948800"}], "metadata": {"error": None}})


def test_lunarcrush_sentiment_is_percent_and_the_time_of_the_list_is_seconds():
    row = {
        "id": 1,
        "symbol": "BTC",
        "market_cap": 1e12,
        "galaxy_score": 72.5,
        "alt_rank": 3,
        "social_volume_24h": 45230,
        "sentiment": 83,
    }
    metrics = read(LunarCrush(key="k"), {"config": {"generated": 1_789_996_400}, "data": [row]}, SYMBOLS[:1])
    assert [(one.name, one.value, one.unit) for one in metrics] == [
        ("galaxy_score", 72.5, "points"),
        ("alt_rank", 3.0, "rank"),
        ("social_volume_24h", 45_230.0, "count"),
        ("social_sentiment", 0.83, "fraction"),
    ]
    assert {one.event_ns for one in metrics} == {1_789_996_400 * 10**9}


def test_lunarcrush_means_the_largest_coin_of_a_ticker_and_leaves_nulls_absent():
    rows = [
        {"symbol": "PEPE", "market_cap": 10, "galaxy_score": 1},
        {"symbol": "pepe", "market_cap": 5e9, "galaxy_score": 60},
        {"symbol": "PEPE", "galaxy_score": 2},
    ]
    metrics = {(one.symbol, one.name): one for one in read(LunarCrush(key="k"), {"data": rows})}
    assert metrics["PEPE-USDT-PERP", "galaxy_score"].value == 60.0
    assert metrics["PEPE-USDT-PERP", "galaxy_score"].event_ns == NOW_NS
    assert metrics["PEPE-USDT-PERP", "social_sentiment"].value is None
    assert metrics["BTC-USDT", "alt_rank"].cause == "BTC is not in the vendor's list"


def test_lunarcrush_needs_its_key_and_bears_it():
    assert LunarCrush(key="k").headers() == {"Authorization": "Bearer k"}
    assert LunarCrush().headers() == {}
    assert not LunarCrush().usable


def test_coingecko_reads_value_volume_and_time_and_says_why_one_is_missing():
    rows = [
        {
            "id": "bitcoin",
            "market_cap": 1_317_802_988_326,
            "total_volume": 31_260_929_299,
            "last_updated": "2026-09-21T13:00:00.123Z",
        },
        {"id": "pepe", "market_cap": 0, "total_volume": None, "last_updated": None},
    ]
    metrics = {(one.symbol, one.name): one for one in read(CoinGecko(), rows, (*SYMBOLS, "ETH-USDT", "ÄÖÜ-USDT"))}
    btc = metrics["BTC-USDT-PERP", "market_cap"]
    # 2026-09-21T13:00:00 UTC is 1,789,995,600 s after the epoch (date -u -d)
    assert (btc.value, btc.event_ns, btc.unit) == (1_317_802_988_326.0, 1_789_995_600_123_000_000, "usd")
    assert metrics["BTC-USDT", "volume_24h"].value == 31_260_929_299.0
    assert "unknown" in str(metrics["PEPE-USDT-PERP", "market_cap"].cause)
    assert metrics["PEPE-USDT-PERP", "volume_24h"].cause == "the vendor left it out"
    assert metrics["ETH-USDT", "market_cap"].cause == "ETH is not in the vendor's answer"
    assert metrics["ÄÖÜ-USDT", "market_cap"].cause == "no id is known for ÄÖÜ"
    (naive,) = read(
        CoinGecko(), [{"id": "bitcoin", "market_cap": 1, "last_updated": "2026-09-21T13:00:00"}], SYMBOLS[:1]
    )[:1]
    assert naive.event_ns == 1_789_995_600 * 10**9


def test_coingecko_asks_for_all_coins_at_once_and_its_key_fits_the_host():
    (job,) = CoinGecko().jobs(SYMBOLS)
    assert job.request.url == (
        "https://api.coingecko.com/api/v3/coins/markets?vs_currency=usd&ids=bitcoin,pepe&per_page=250"
    )
    assert CoinGecko().headers() == {}
    assert CoinGecko(key="k").headers() == {"x-cg-demo-api-key": "k"}
    assert CoinGecko("https://pro-api.coingecko.com/api/v3/", "k").headers() == {"x-cg-pro-api-key": "k"}


def test_coins_that_trade_have_ids_that_name_one_coin_each():
    assert len(set(IDS.values())) == len(IDS)
    assert IDS["AVAX"] == "avalanche-2"


def test_every_vendor_is_named_as_registered_and_asks_only_for_numbers_of_the_catalogue():
    for name, make in VENDORS.items():
        vendor = make(url="http://127.0.0.1:1/", key="k", per_minute=60.0)
        assert vendor.name == name
        jobs = vendor.jobs(SYMBOLS)
        assert len({job.name for job in jobs}) == len(jobs)
        for job in jobs:
            assert set(job.metrics) <= set(METRICS)
            assert job.request.url.startswith("http://127.0.0.1:1/")


@pytest.mark.parametrize("name", VENDORS)
def test_every_kind_of_request_has_a_documented_answer_that_fills_all_its_numbers(name: str):
    vendor = VENDORS[name](url="http://rest", key="k", per_minute=60.0)
    for job in vendor.jobs(SYMBOLS[:1]):
        filled = {
            metric.name
            for answer in GOOD[name]
            for metric in found(vendor, job, msgspec.json.encode(answer))
            if metric.value is not None
        }
        wanted = {"whale_short_closed"} if job.kind == "whales" else set(job.metrics)
        assert filled == wanted, job.name


def found(vendor: Vendor, job: Job, body: bytes) -> list[Metric]:
    try:
        return vendor.parse(job, body, NOW_NS, Origin.LIVE)
    except AnswerError:
        return []


@given(
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["data", "code", "time", "id"]), inner, max_size=4)
        ),
    ).map(msgspec.json.encode)
)
def test_no_body_breaks_a_vendor_other_than_by_an_answer_error(body: bytes):
    for make in VENDORS.values():
        vendor = make(url="http://rest", key="k", per_minute=60.0)
        for job in vendor.jobs(SYMBOLS):
            try:
                vendor.parse(job, body, NOW_NS, Origin.LIVE)
            except AnswerError:
                continue


def test_a_symbol_that_is_none_is_refused_before_anything_is_asked():
    with pytest.raises(SymbolError):
        CoinGecko().jobs(("btcusdt",))
    assert parse("BTC-USDT").base == "BTC"
