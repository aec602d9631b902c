"""CoinGlass answers against the recorded ones and the documented shapes; each unit trap has its test."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest

from libs.common.events import Metric, Origin
from services.ingest.vendors.coinglass import CoinGlass
from services.ingest.vendors.coinglass_rows import INTERVALS, SERIES
from services.ingest.vendors.vendor import Job, LimitedError, RefusedError
from services.ingest.venues.terms import AnswerError

BTC = ("BTC-USDT-PERP",)
NOW_NS = 1_790_000_000 * 10**9
S = 10**9


def job_of(name: str, symbols: tuple[str, ...] = BTC, interval: str = "4h") -> tuple[CoinGlass, Job]:
    vendor = CoinGlass(key="k", interval=interval)
    (job,) = (job for job in vendor.jobs(symbols) if job.name == name)
    return vendor, job


def read(name: str, data: Any, *, symbols: tuple[str, ...] = BTC, interval: str = "4h", now_ns: int = NOW_NS):
    vendor, job = job_of(name, symbols, interval)
    return vendor.parse(job, msgspec.json.encode({"code": "0", "msg": "success", "data": data}), now_ns, Origin.LIVE)


def values(metrics: list[Metric]) -> list[tuple[str, float | None]]:
    return [(one.name, one.value) for one in metrics]


@pytest.mark.recordings
def test_recorded_funding_is_percent_and_becomes_a_fraction(recordings):
    body = (recordings / "raw/coinglass/coinglass_funding_oi.json").read_bytes()
    vendor, job = job_of("funding BTC", interval="8h")
    metrics = vendor.parse(job, body, NOW_NS, Origin.RECORDED)
    assert len(metrics) == 30
    first = metrics[0]
    # the first row says close "0.003673": percent, so 0.003673 / 100
    assert first.value == pytest.approx(3.673e-05, rel=1e-12)
    assert (first.unit, first.interval_s, first.origin) == ("fraction", 28_800, Origin.RECORDED)
    assert first.event_ns == (1_782_864_000_000 + 28_800_000) * 1_000_000
    assert all(abs(one.value or 0) < 0.001 for one in metrics)


@pytest.mark.recordings
def test_recorded_open_interest_is_numeric_strings_and_its_open_day_is_left_out(recordings):
    body = (recordings / "raw/coinglass/coinglass_oi_aggregated.json").read_bytes()
    vendor, job = job_of("open-interest BTC", interval="1d")
    last_ms = 1_786_492_800_000  # 12 August 2026, 00:00: the newest row, that day was not over
    metrics = vendor.parse(job, body, (last_ms + 3_600_000) * 1_000_000, Origin.LIVE)
    assert len(metrics) == 9
    assert (metrics[0].value, metrics[0].unit) == (48_913_507_314.0, "usd")
    assert (metrics[-1].value, metrics[-1].event_ns) == (46_794_137_466.0, last_ms * 1_000_000)
    whole = vendor.parse(job, body, (last_ms + 86_400_000) * 1_000_000, Origin.LIVE)
    assert [one.value for one in whole[9:]] == [46_665_190_559.9107]


@pytest.mark.recordings
def test_recorded_liquidations_are_numbers_and_long_is_long(recordings):
    body = (recordings / "raw/coinglass/coinglass_liquidation.json").read_bytes()
    vendor, job = job_of("liquidations BTC", interval="1d")
    metrics = vendor.parse(job, body, NOW_NS, Origin.LIVE)
    assert len(metrics) == 20
    assert values(metrics[:2]) == [("liquidations_long", 20_948_550.41), ("liquidations_short", 21_778_810.08)]


def test_numbers_may_be_strings_or_numbers_for_one_field():
    rows = [{"time": 1_785_715_200_000, "close": "12.5"}, {"time": 1_785_729_600_000, "close": 13}]
    assert values(read("open-interest BTC", rows)) == [("open_interest", 12.5), ("open_interest", 13.0)]


@pytest.mark.parametrize("raw", ["NaN", "inf", "", "many", 1e300, True])
def test_what_is_no_finite_number_refuses_the_answer(raw):
    with pytest.raises(AnswerError):
        read("open-interest BTC", [{"time": 1_785_715_200_000, "close": raw}])


def test_a_missing_number_is_absent_and_never_zero():
    (metric,) = read("open-interest BTC", [{"time": 1_785_715_200_000, "close": None}])
    assert (metric.value, metric.cause) == (None, "the vendor left it out")


def test_shares_of_accounts_are_percent():
    row = {
        "time": 1_785_715_200_000,
        "global_account_long_percent": 73.88,
        "global_account_short_percent": 26.12,
        "global_account_long_short_ratio": 2.83,
    }
    metrics = read("accounts BTCUSDT", [row])
    assert values(metrics) == [
        ("accounts_long", pytest.approx(0.7388)),
        ("accounts_short", pytest.approx(0.2612)),
        ("accounts_long_short_ratio", 2.83),
    ]
    assert {one.exchange for one in metrics} == {"Binance"}


@pytest.mark.parametrize(
    ("job", "field", "metric"),
    [
        ("top-accounts BTCUSDT", "top_account", "top_accounts"),
        ("top-positions BTCUSDT", "top_position", "top_positions"),
    ],
)
def test_shares_of_the_top_are_percent_too(job: str, field: str, metric: str):
    row = {
        "time": 1_785_715_200_000,
        f"{field}_long_percent": 73.3,
        f"{field}_short_percent": "26.7",
        f"{field}_long_short_ratio": 2.75,
    }
    metrics = read(job, [row])
    assert values(metrics) == [
        (f"{metric}_long", pytest.approx(0.733)),
        (f"{metric}_short", pytest.approx(0.267)),
        (f"{metric}_long_short_ratio", 2.75),
    ]
    assert {(one.exchange, one.event_ns) for one in metrics} == {("Binance", (1_785_715_200 + 14_400) * S)}


@pytest.mark.parametrize("code", ["401", "403", "422"])
def test_a_plan_that_lacks_an_answer_is_a_refusal_and_bad_parameters_are_none(code: str):
    vendor, job = job_of("funding BTC")
    with pytest.raises(RefusedError, match=f"code {code}: Upgrade plan"):
        vendor.parse(job, msgspec.json.encode({"code": code, "msg": "Upgrade plan"}), NOW_NS, Origin.LIVE)
    with pytest.raises(AnswerError, match="code 400") as e:
        vendor.parse(job, b'{"code":"400","msg":"symbol"}', NOW_NS, Origin.LIVE)
    assert not isinstance(e.value, RefusedError)


def test_taker_volume_has_a_bought_and_a_sold_side():
    row = {
        "time": 1_785_715_200_000,
        "aggregated_buy_volume_usd": 968834542.3787,
        "aggregated_sell_volume_usd": 1054582654.8138,
    }
    assert values(read("taker-volume BTC", [row])) == [
        ("taker_buy_volume", 968_834_542.3787),
        ("taker_sell_volume", 1_054_582_654.8138),
    ]


@pytest.mark.parametrize("at", [1_785_715_200, 1_785_715_200_000])
def test_times_in_seconds_and_in_milliseconds_are_one_moment(at: int):
    (metric,) = read("open-interest BTC", [{"time": at, "close": 1}])
    assert metric.event_ns == (1_785_715_200 + 14_400) * S


@pytest.mark.parametrize("at", [0, 999_999_999, 10**11, 10**14, 1_785_715_200_000_000_000])
def test_a_time_of_another_unit_refuses_the_answer(at: int):
    with pytest.raises(AnswerError, match="no time"):
        read("open-interest BTC", [{"time": at, "close": 1}])


def test_a_row_is_final_once_its_time_is_over_and_not_before():
    rows = [{"time": 1_785_715_200_000, "close": 1}]
    ends_ns = (1_785_715_200 + 14_400) * S
    assert read("open-interest BTC", rows, now_ns=ends_ns - 1) == []
    assert len(read("open-interest BTC", rows, now_ns=ends_ns)) == 1


def test_a_day_of_funds_may_miss_its_flow_and_the_running_day_is_left_out():
    day = 1_785_715_200_000
    rows = [
        {"timestamp": day + 172_800_000, "flow_usd": 1.0, "price_usd": 1.0},
        {"timestamp": day, "flow_usd": -655_300_000, "etf_flows": [{"etf_ticker": "GBTC", "flow_usd": -95_100_000}]},
        {"timestamp": day + 86_400_000, "etf_flows": [{"etf_ticker": "GBTC"}]},
    ]
    metrics = read("etf BTC", rows, now_ns=(day + 3 * 86_400_000 - 1) * 1_000_000)
    assert [(one.value, one.cause) for one in metrics] == [(-655_300_000.0, None), (None, "the vendor left it out")]
    assert metrics[0].event_ns == (day + 86_400_000) * 1_000_000
    assert {one.interval_s for one in metrics} == {86_400}


def test_whales_are_long_by_the_sign_of_size_and_opened_by_action_one():
    at = 1_785_715_200_000

    def whale(size: float, value: float, action: int, coin: str = "BTC", ms: int = at) -> Mapping[str, Any]:
        return {
            "user": "0x1",
            "symbol": coin,
            "position_size": size,
            "entry_price": 1.0,
            "liq_price": 0.5,
            "position_value_usd": value,
            "position_action": action,
            "create_time": ms,
        }

    rows = [
        whale(10, 2_000_000, 1),
        whale(20, 3_000_000, 1),
        whale(-5, 1_500_000, 1),
        whale(7, 1_200_000, 2, ms=at + 1),
        whale(-7, -1_300_000, 2, ms=at + 2),
        whale(0, 1_000_000, 2),
        whale(9, 1_000_000, 1, coin="ETH"),
    ]
    metrics = read("whales", rows)
    assert values(metrics) == [
        ("whale_long_opened", 5_000_000.0),
        ("whale_short_opened", 1_500_000.0),
        ("whale_long_closed", 1_200_000.0),
        ("whale_short_closed", 1_300_000.0),
    ]
    assert {(one.exchange, one.symbol) for one in metrics} == {("Hyperliquid", "BTC-USDT-PERP")}
    with pytest.raises(AnswerError):
        read("whales", [whale(1, 1.0, 3)])


def test_large_orders_side_one_sells_and_two_buys():
    def order(side: int, usd: float | str, state: int = 1) -> Mapping[str, Any]:
        return {
            "id": 2868159989,
            "exchange_name": "Binance",
            "symbol": "BTCUSDT",
            "price": 56932,
            "start_time": 1_785_715_000_000,
            "current_usd_value": usd,
            "current_time": 1_785_715_200_000,
            "order_side": side,
            "order_state": state,
        }

    metrics = read("large-orders BTCUSDT", [order(1, 1_068_844.25), order(2, "2"), order(2, 5.5), order(2, 9, 2)])
    assert values(metrics) == [("large_bids", 7.5), ("large_asks", 1_068_844.25)]
    assert metrics[0].event_ns == 1_785_715_200 * S
    assert values(read("large-orders BTCUSDT", [])) == [("large_bids", 0.0), ("large_asks", 0.0)]


def test_balances_are_coins_one_an_exchange_known_since_they_came():
    rows = [
        {"exchange_name": "Coinbase", "total_balance": 716590.35, "balance_change_1d": 638.77},
        {"exchange_name": "Binance", "total_balance": None},
    ]
    metrics = read("balances BTC", rows)
    assert [(one.exchange, one.value, one.unit) for one in metrics] == [
        ("Coinbase", 716_590.35, "coins"),
        ("Binance", None, "coins"),
    ]
    assert {one.event_ns for one in metrics} == {NOW_NS}


@pytest.mark.parametrize("wrapped", [False, True])
def test_fear_and_greed_comes_as_parallel_lists(wrapped: bool):
    data: Any = {
        "data_list": [30, "15", None],
        "price_list": [1.0, 2.0, 3.0],
        "time_list": [1_785_715_200, 1_785_801_600, 1_785_888_000],
    }
    metrics = read("fear-greed", [data] if wrapped else data)
    assert [(one.symbol, one.value, one.event_ns) for one in metrics] == [
        ("*", 30.0, 1_785_715_200 * S),
        ("*", 15.0, 1_785_801_600 * S),
    ]


def test_the_code_in_the_envelope_decides_and_429_is_a_limit():
    vendor, job = job_of("funding BTC")
    with pytest.raises(AnswerError, match="code 401: Upgrade plan"):
        vendor.parse(job, b'{"code":"401","msg":"Upgrade plan"}', NOW_NS, Origin.LIVE)
    for body in (b'{"code":"429","msg":"Too Many Requests"}', b'{"code":429}'):
        with pytest.raises(LimitedError):
            vendor.parse(job, body, NOW_NS, Origin.LIVE)
    for body in (b"<html>", b"\xff", b"[]", b'{"msg":"no code"}', b'{"code":"0"}', b"[" * 100_000):
        with pytest.raises(AnswerError):
            vendor.parse(job, body, NOW_NS, Origin.LIVE)


def test_a_coin_of_several_markets_is_asked_for_once_and_said_for_each():
    symbols = ("BTC-USDT", "BTC-USDT-PERP", "BTC-USD-PERP", "ETH-USDT-PERP", "DOGE-USDT")
    jobs = {job.name: job for job in CoinGlass(key="k").jobs(symbols)}
    assert jobs["funding BTC"].symbols == symbols[:3]
    assert jobs["accounts BTCUSDT"].symbols == ("BTC-USDT-PERP",)
    assert {"accounts DOGEUSDT", "etf DOGE"}.isdisjoint(jobs)
    assert jobs["etf ETH"].request.url.endswith("/api/etf/ethereum/flow-history")
    assert jobs["liquidations BTC"].request.url == (
        "https://open-api-v4.coinglass.com/api/futures/liquidation/aggregated-history"
        "?symbol=BTC&interval=4h&limit=30&exchange_list=Binance,OKX,Bybit"
    )
    rows = [{"time": 1_785_715_200_000, "close": 1}]
    assert [one.symbol for one in read("open-interest BTC", rows, symbols=symbols)] == list(symbols[:3])


def test_no_answer_is_asked_for_faster_than_the_vendor_makes_it():
    for interval in INTERVALS:
        for job in CoinGlass(key="k", interval=interval).jobs(BTC):
            assert job.every_s >= 60, job.name
            assert job.every_s >= (INTERVALS[interval] / 4 if job.kind in SERIES else 0) or job.every_s == 3600


HISTORY = {"symbol", "interval", "limit"}
DOCUMENTED: dict[str, set[str]] = {
    "/api/futures/open-interest/aggregated-history": {*HISTORY, "unit"},
    "/api/futures/funding-rate/oi-weight-history": HISTORY,
    "/api/futures/liquidation/aggregated-history": {*HISTORY, "exchange_list"},
    "/api/futures/global-long-short-account-ratio/history": {*HISTORY, "exchange"},
    "/api/futures/top-long-short-account-ratio/history": {*HISTORY, "exchange"},
    "/api/futures/top-long-short-position-ratio/history": {*HISTORY, "exchange"},
    "/api/futures/aggregated-taker-buy-sell-volume/history": {*HISTORY, "exchange_list", "unit"},
    "/api/futures/orderbook/large-limit-order": {"symbol", "exchange"},
    "/api/exchange/balance/list": {"symbol"},
    "/api/hyperliquid/whale-alert": set(),
    "/api/etf/bitcoin/flow-history": set(),
    "/api/index/fear-greed-history": set(),
}
"""Paths and parameters as the vendor documents them."""


def test_requests_are_the_documented_ones_with_pairs_where_an_exchange_is_named_and_coins_elsewhere():
    urls = [urlsplit(job.request.url) for job in CoinGlass(key="k").jobs(BTC)]
    assert {url.path: set(parse_qs(url.query)) for url in urls} == DOCUMENTED
    for url in urls:
        asked = dict(parse_qsl(url.query))
        assert asked.get("symbol") == ("BTCUSDT" if "exchange" in asked else "BTC" if asked else None)
        assert asked.get("interval", "4h") == "4h"
        assert int(asked.get("limit", 1)) <= 1000


def test_the_key_is_in_a_header_and_in_no_url():
    vendor = CoinGlass(key="secret-key")
    assert vendor.headers() == {"CG-API-KEY": "secret-key"}
    assert all("secret-key" not in job.request.url for job in vendor.jobs(BTC))
    assert CoinGlass().headers() == {}
    assert not CoinGlass().usable


def test_an_absent_job_says_so_for_every_number_and_market():
    vendor, job = job_of("liquidations BTC", ("BTC-USDT", "BTC-USDT-PERP"))
    absent = vendor.absent(job, "no key", 7, Origin.SIMULATED)
    assert [(one.name, one.symbol) for one in absent] == [
        ("liquidations_long", "BTC-USDT"),
        ("liquidations_long", "BTC-USDT-PERP"),
        ("liquidations_short", "BTC-USDT"),
        ("liquidations_short", "BTC-USDT-PERP"),
    ]
    assert {(one.value, one.cause, one.event_ns, one.unit) for one in absent} == {(None, "no key", 7, "usd")}
