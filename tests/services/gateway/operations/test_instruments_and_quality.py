"""What is listed and how well it is heard: each once, in order, by its filters; reports and holes in pages."""

import pytest

from libs.common.events import Gap, Grade, ListingStatus, Origin
from services.gateway.problems import Problem
from tests.services.gateway import flowing
from tests.services.gateway.operations.conftest import walk

BTC = "BTC-USDT-PERP"
DAY = 86_400_000_000_000


def gap(make, n, *, recovered=False, to=0, venue="okx", stream="trades"):
    return Gap(
        venue=venue,
        symbol=BTC,
        event_ns=make.NOON + n + to,
        received_ns=0,
        origin=Origin.SIMULATED,
        stream=stream,
        from_ns=make.NOON + n,
        to_ns=make.NOON + n + to,
        cause="disconnect",
        recovered=recovered,
    )


async def world(gateway):
    await gateway.fold(
        flowing.listing(BTC),
        flowing.listing(BTC, venue="bybit", followed=False, listed_ns=None),
        flowing.listing("ETH-USDT", status=ListingStatus.HALTED, followed=False, listed_ns=flowing.NOON),
        flowing.listing("SOL-USDT-PERP", followed=False),
    )


async def test_instruments_are_by_symbol_and_venue_in_pages_and_by_each_filter(gateway, answer):
    await world(gateway)
    everything = [(BTC, "bybit"), (BTC, "okx"), ("ETH-USDT", "okx"), ("SOL-USDT-PERP", "okx")]
    for sent, wanted in (
        ({"limit": 1}, everything),
        ({"limit": 500}, everything),
        ({"venue": "bybit"}, everything[:1]),
        ({"symbol": BTC, "limit": 1}, everything[:2]),
        ({"kind": "spot"}, everything[2:3]),
        ({"status": "live"}, [everything[0], everything[1], everything[3]]),
        ({"followed": "true"}, everything[1:2]),
        ({"listed_after_ns": flowing.NOON - 5}, everything[2:3]),
    ):
        found = await walk(answer, "instruments.list", **sent)
        assert [(one["symbol"], one["venue"]) for one in found] == wanted, sent


async def test_the_newest_description_stands_and_says_what_the_venue_does_not(gateway, make, answer):
    await gateway.fold(flowing.listing(at=flowing.NOON + 5, status=ListingStatus.CLOSING), flowing.listing())
    (found,) = (await answer("instruments.get", symbol=BTC))["data"]
    assert (found["status"], found["native"], found["turnover"]) == ("closing", "BTC-USDT-SWAP", None)
    assert (found["tick"], found["lot"], found["listed"]) == (0.1, 0.01, "2024-08-07T12:00:00.000000000Z")
    with pytest.raises(Problem) as raised:
        await answer("instruments.get", symbol="DOGE-USDT")
    assert raised.value.code == "unknown_symbol"


async def test_symbols_name_who_lists_them(gateway, answer):
    await world(gateway)
    found = await walk(answer, "symbols.list", limit=1)
    assert [(one["symbol"], one["venues"], one["kind"], one["followed"]) for one in found] == [
        (BTC, ["bybit", "okx"], "perpetual", True),
        ("ETH-USDT", ["okx"], "spot", False),
        ("SOL-USDT-PERP", ["okx"], "perpetual", False),
    ]
    assert [one["symbol"] for one in await walk(answer, "symbols.list", venue="bybit")] == [BTC]


async def test_venues_are_those_that_list_send_or_are_reported_on(gateway, make, answer):
    await world(gateway)
    await gateway.fold(make.trade(venue="kraken"), flowing.quality(Grade.C, venue="coinglass"))
    found = {one["venue"]: one for one in (await answer("venues.list"))["data"]}
    assert list(found) == ["bybit", "coinglass", "kraken", "okx"]
    assert [found["okx"][name] for name in ("instruments", "live", "followed", "markets")] == [3, 2, 1, 0]
    assert (found["kraken"]["markets"], found["kraken"]["quality_cause"]) == (1, "not_reported")
    assert found["coinglass"]["quality"]["grade"] == "c"


async def test_reports_are_the_newest_of_each_venue_and_minute(gateway, make, answer):
    assert (await answer("quality.list"))["cause"] == "not_reported"
    seconds = [0, 10, 59, 61, 130]
    reports = [
        flowing.quality(grade, at=make.NOON + at * make.SECOND) for at, grade in zip(seconds, Grade, strict=True)
    ]
    await gateway.fold(*reports[3:])
    await gateway.fold(*reports[:3], *reports)
    (newest,) = (await answer("quality.list"))["data"]
    assert (newest["grade"], newest["causes"], newest["clock_cause"]) == (
        "f",
        ["late", "one gap", "clock", "more"],
        "not asked",
    )
    found = await walk(answer, "quality.history", venue="okx", limit=1)
    assert [one["grade"] for one in found] == ["f", "d", "c"]
    assert (await answer("quality.history", venue="kraken"))["cause"] == "not_reported"


async def test_a_venue_that_is_followed_anew_with_another_origin_is_reported_anew(gateway, make, answer):
    await gateway.fold(flowing.quality(Grade.A, at=make.NOON + 9, origin=Origin.LIVE))
    await gateway.fold(flowing.quality(Grade.D, at=make.NOON))
    (newest,) = (await answer("quality.list"))["data"]
    assert (newest["grade"], newest["origin"]) == ("d", "simulated")


async def test_holes_are_listed_once_and_by_each_filter(gateway, make, answer):
    told = [gap(make, n) for n in range(4)]
    await gateway.fold(*told, gap(make, 1, recovered=True, to=1), gap(make, 2, venue="bybit", stream="books"), *told)
    found = await walk(answer, "gaps.list", limit=2)
    assert [(g["from_ns"] - make.NOON, g["venue"], g["recovered"]) for g in found] == [
        (3, "okx", False),
        (2, "okx", False),
        (1, "okx", True),
        (2, "bybit", False),
        (0, "okx", False),
    ]
    for sent, wanted in (
        ({"recovered": "true"}, [1]),
        ({"venue": "bybit"}, [2]),
        ({"stream": "books"}, [2]),
        ({"symbol": "ETH-USDT"}, []),
        ({"from_ns": make.NOON + 3}, [3]),
        ({"to_ns": make.NOON + 1}, [0]),
    ):
        assert [g["from_ns"] - make.NOON for g in await walk(answer, "gaps.list", **sent)] == wanted, sent
