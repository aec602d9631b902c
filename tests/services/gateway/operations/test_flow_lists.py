"""Lists of flows: each item once, newest first, whatever the pages; numbers by hand, or the cause of their absence."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Origin
from libs.common.events.catalogue import METRICS
from services.gateway.operations.pages import bits, from_bits
from services.gateway.problems import Problem
from tests.services.gateway import flowing
from tests.services.gateway.operations.conftest import walk

BTC = "BTC-USDT-PERP"


async def test_liquidations_of_one_moment_are_told_apart_across_pages(gateway, make, answer):
    told = [
        flowing.liquidation(price, at=make.NOON + at, size=size)
        for at in (0, 5)
        for price in (59_000.1, 59_000.2)
        for size in (0.1, 0.2, 0.3)
    ]
    await gateway.fold(make.trade(), *told, *told[:4])
    found = await walk(answer, "markets.liquidations", symbol=BTC, limit=5)
    wanted = sorted(((e.event_ns, e.price, e.size) for e in told), reverse=True)
    assert [(item["event_ns"], item["price"], item["size"]) for item in found] == wanted
    assert found[0]["notional"] == 59_000.2 * 0.3
    half = await walk(answer, "markets.liquidations", symbol=BTC, from_ns=make.NOON, to_ns=make.NOON + 5)
    assert len(half) == 6


@given(st.floats(allow_nan=False).filter(lambda x: x != 0 or math.copysign(1, x) > 0))
def test_a_cursor_holds_any_number_exactly(value):
    assert from_bits(bits(value)) == value


async def test_funding_is_the_newest_of_each_minute_in_whatever_order_it_comes(gateway, make, answer):
    rates = {5: 0.0003, 59: 0.0001, 61: -0.0002, 60: 0.0009, 3600: 0.0004}  # second of the hour: rate
    events = [flowing.funding(rate, at=make.NOON + at * make.SECOND) for at, rate in rates.items()]
    await gateway.fold(make.trade(), *events)
    await gateway.fold(*reversed(events))
    found = await walk(answer, "markets.funding", symbol=BTC, limit=1)
    assert [item["rate"] for item in found] == [0.0004, -0.0002, 0.0001]
    assert (found[0]["interval_s"], found[0]["source"]) == (28_800, "funding")


async def test_a_basis_is_of_one_message_and_absent_without_an_index(gateway, make, answer):
    await gateway.fold(
        make.trade(),
        flowing.mark_price(60_030.0, 60_000.0),
        flowing.mark_price(59_970.0, None, at=make.NOON + make.MINUTE),
    )
    newest, older = (await answer("markets.basis", symbol=BTC))["data"]
    assert (newest["mark_price"], newest["basis"], newest["basis_cause"]) == (59_970.0, None, "no_index")
    assert (older["basis"], older["basis_bp"], older["basis_cause"]) == (30.0, 5.0, None)


async def test_open_interest_keeps_the_units_that_were_said(gateway, make, answer):
    await gateway.fold(make.trade(), flowing.open_interest(1500.0), flowing.open_interest(None, at=make.NOON + 1))
    (item,) = (await answer("markets.open_interest", symbol=BTC))["data"]
    assert (item["contracts"], item["base"], item["notional"]) == (150_000.0, None, None)


@pytest.mark.parametrize("name", ["liquidations", "funding", "basis", "open_interest", "long_short"])
async def test_what_nobody_said_is_an_empty_list_with_its_cause(gateway, make, answer, name):
    await gateway.fold(make.trade())
    said = await answer(f"markets.{name}", symbol=BTC)
    assert (said["data"], said["cause"]) == ([], "none_heard")


async def test_other_origins_and_venues_stay_out(gateway, make, answer):
    await gateway.fold(
        make.trade(),
        flowing.funding(0.5, origin=Origin.LIVE, at=make.NOON + make.MINUTE),
        flowing.funding(0.6, venue="bybit"),
        flowing.funding(0.0001),
    )
    found = await walk(answer, "markets.funding", symbol=BTC)
    assert [item["rate"] for item in found] == [0.0001]


async def test_a_list_stays_at_the_venue_it_began_with(gateway, make, answer):
    for venue in ("bybit", "okx"):
        await gateway.fold(make.trade(venue=venue))
        await gateway.fold(
            *(flowing.funding(rate, at=make.NOON + n * make.MINUTE, venue=venue) for n, rate in enumerate((0.1, 0.2)))
        )
    first = await answer("markets.funding", symbol=BTC, limit=1)
    assert first["venue"] == "bybit"
    gateway.clock.now += 60 * make.SECOND
    await gateway.fold(make.trade(venue="okx", n=2))
    second = await answer("markets.funding", symbol=BTC, limit=1, cursor=first["next_cursor"])
    assert (second["venue"], second["data"][0]["rate"]) == ("bybit", 0.1)


async def test_metrics_are_those_of_the_catalogue_with_their_newest_numbers(gateway, make, answer):
    await gateway.fold(
        flowing.metric("accounts_long", 0.55),
        flowing.metric("accounts_long", 0.56, at=make.NOON + 1),
        flowing.metric("accounts_long", 0.4, exchange="OKX"),
        flowing.metric("accounts_long", None, exchange="Bybit", cause="no key"),
        flowing.metric("fear_greed", 30.0, symbol="*", exchange=None, unit="points"),
    )
    listed = {entry["name"]: entry for entry in (await answer("metrics.list", symbol=BTC))["data"]}
    assert set(listed) == set(METRICS)
    assert [(m["exchange"], m["value"], m["cause"]) for m in listed["accounts_long"]["newest"]] == [
        ("Binance", 0.56, None),
        ("Bybit", None, "no key"),
        ("OKX", 0.4, None),
    ]
    assert (listed["fear_greed"]["unit"], listed["fear_greed"]["newest"]) == ("points", [])
    (mood,) = next(e for e in (await answer("metrics.list"))["data"] if e["name"] == "fear_greed")["newest"]
    assert (mood["value"], mood["symbol"], mood["vendor"], mood["exchange"]) == (30.0, "*", "coinglass", None)


async def test_a_series_is_told_by_exchange_and_vendor_across_pages(gateway, make, answer):
    told = [
        flowing.metric("accounts_long", n / 10, at=make.NOON + n // 3, exchange=("OKX", "Binance", None)[n % 3])
        for n in range(9)
    ]
    await gateway.fold(*told, *told[:5], flowing.quality(venue="coinglass"))
    found = await walk(answer, "metrics.series", name="accounts_long", symbol=BTC, limit=2)
    assert [item["value"] for item in found] == [0.6, 0.7, 0.8, 0.3, 0.4, 0.5, 0.0, 0.1, 0.2]
    one = await answer("metrics.series", name="accounts_long", symbol=BTC, exchange="OKX", limit=1)
    assert [item["value"] for item in one["data"]] == [0.6]
    assert (one["unit"], one["quality"]["coinglass"]["grade"]) == ("fraction", "b")


async def test_a_vendor_that_corrects_itself_is_believed_and_a_cause_never_replaces_a_value(gateway, make, answer):
    await gateway.fold(flowing.metric(value=0.5), flowing.metric(value=None, cause="stale"))
    (item,) = (await answer("metrics.series", name="accounts_long", symbol=BTC))["data"]
    assert (item["value"], item["cause"]) == (0.5, None)


async def test_shares_of_longs_are_those_of_the_last_week(gateway, make, answer):
    await gateway.fold(
        make.trade(),
        flowing.metric("top_positions_long", 0.6),
        flowing.metric("accounts_short", 0.4, at=make.NOON - 8 * 24 * 60 * make.MINUTE),
        flowing.metric("fear_greed", 30.0, unit="points"),
    )
    said = await answer("markets.long_short", symbol=BTC)
    assert [(m["name"], m["value"]) for m in said["data"]] == [("top_positions_long", 0.6)]


async def test_an_unknown_metric_or_a_turned_range_is_a_problem(gateway, make, answer):
    await gateway.fold(make.trade())
    for name, sent, code in (
        ("metrics.series", {"name": "golden_ratio"}, "not_found"),
        ("metrics.series", {"name": "fear_greed", "from_ns": 5, "to_ns": 4}, "invalid_parameter"),
        ("markets.funding", {"symbol": BTC, "from_ns": 5, "to_ns": 4}, "invalid_parameter"),
    ):
        with pytest.raises(Problem) as raised:
            await answer(name, **sent)
        assert raised.value.code == code
