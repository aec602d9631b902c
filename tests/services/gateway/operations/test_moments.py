"""Tickers, trades and markets in short: values from the events that were folded, or their cause."""

import random

import pytest

from libs.common.events import Grade, Origin
from services.gateway.problems import Problem
from tests.services.gateway import flowing
from tests.services.gateway.operations.conftest import walk

BTC = "BTC-USDT-PERP"


async def test_a_ticker_shows_the_last_trade_and_the_best_prices(gateway, make, answer):
    await gateway.fold(make.trade(60_001.5), make.snapshot())
    gateway.clock.now += 2 * make.SECOND
    said = await answer("markets.ticker", symbol=BTC)
    assert (said["last"]["price"], said["last"]["side"], said["last"]["age_s"]) == (60_001.5, "buy", 2.0)
    assert [said[name] for name in ("bid", "bid_size", "ask", "ask_size")] == [99.0, 1.0, 101.0, 3.0]
    assert (said["book_cause"], said["book_age_s"], said["book_stale"]) == (None, 2.0, False)
    assert (said["venue"], said["origin"], said["age_s"], said["stale"]) == ("okx", "simulated", 2.0, False)
    assert (said["quality"], said["quality_cause"]) == (None, "not_reported")


async def test_a_ticker_without_a_book_says_why(gateway, make, answer):
    await gateway.fold(make.trade())
    assert (await answer("markets.ticker", symbol=BTC))["book_cause"] == "no_book"
    await gateway.fold(make.snapshot(10))
    gateway.clock.now += make.SECOND
    await gateway.fold(make.delta(12, 12))
    said = await answer("markets.ticker", symbol=BTC)
    assert said["book_cause"].startswith("sequence 11 expected")
    assert (said["bid"], said["ask"]) == (None, None)


async def test_every_answer_holds_the_grade_of_its_own_origin_and_three_causes(gateway, make, answer):
    await gateway.fold(make.trade(), flowing.quality(Grade.B, at=5), flowing.quality(Grade.D, at=4))
    gateway.clock.now += make.SECOND
    said = (await answer("markets.ticker", symbol=BTC))["quality"]
    assert said == {
        "grade": "b",
        "causes": ["late", "one gap", "clock"],
        "as_of_ns": 5,
        "as_of": "1970-01-01T00:00:00.000000005Z",
        "age_s": 1.0,
    }
    (market,) = (await answer("markets.list"))["data"]
    assert market["quality"] == said
    for name in ("markets.candles", "markets.readings", "markets.trades"):
        given = {"timeframe": "1m"} if name == "markets.candles" else {}
        assert (await answer(name, symbol=BTC, **given))["quality"] == said
    await gateway.fold(flowing.quality(at=6, origin=Origin.LIVE))
    said = await answer("markets.ticker", symbol=BTC)
    assert (said["quality"], said["quality_cause"]) == (None, "other_origin")


async def test_a_market_in_short_holds_the_newest_of_each(gateway, make, answer):
    await gateway.fold(make.trade(), make.snapshot(), make.reading(), *flowing.flows())
    said = await answer("markets.get", symbol=BTC)
    assert (said["mark"]["basis"], said["mark"]["basis_bp"]) == (30.0, 5.0)
    assert said["funding"]["rate"] == 0.0001
    assert (said["open_interest"]["base"], said["open_interest"]["notional"]) == (1500.0, None)
    assert [(layer["layer"], layer["score"]) for layer in said["layers"]] == [("cvd", 0.4)]
    assert said["funding"]["event_time"] == "2024-08-08T12:00:00.000000000Z"


async def test_what_a_venue_has_not_said_is_absent(gateway, make, answer):
    await gateway.fold(make.trade())
    said = await answer("markets.get", symbol=BTC)
    assert (said["mark"], said["funding"], said["open_interest"], said["layers"]) == (None, None, None, [])


async def test_trades_are_each_there_once_in_order_and_in_pages(gateway, make, answer):
    trades = [make.trade(60_000.0 + n, at=make.NOON + n // 3 * 1000, n=n) for n in range(25)]
    shuffled = random.Random(5).sample(trades, len(trades))
    await gateway.fold(*shuffled[:12])
    await gateway.fold(*shuffled[8:])
    await gateway.fold(*trades)
    wanted = sorted(((t.event_ns, t.trade_id) for t in trades), reverse=True)
    found = await walk(answer, "markets.trades", symbol=BTC, limit=7)
    assert [(t["event_ns"], t["trade_id"]) for t in found] == wanted
    assert found[0]["notional"] == found[0]["price"] * 0.5


async def test_a_thousand_trades_are_kept_and_those_of_another_origin_are_not_mixed_in(gateway, make, answer):
    await gateway.fold(*(make.trade(at=make.NOON + n * make.SECOND, n=n) for n in range(1005)))
    late = make.trade(at=make.NOON, n=9999)
    await gateway.fold(late)
    found = await walk(answer, "markets.trades", symbol=BTC, limit=500)
    assert [int(t["trade_id"]) for t in found] == list(range(1004, 4, -1))


async def test_an_unknown_symbol_venue_or_cursor_is_a_problem(gateway, make, answer):
    await gateway.fold(make.trade())
    for given, code in (
        ({"symbol": "ETH-USDT"}, "unknown_symbol"),
        ({"symbol": BTC, "venue": "kraken"}, "unknown_venue"),
        ({"symbol": BTC, "cursor": "x"}, "invalid_parameter"),
        ({"symbol": BTC, "limit": 501}, "invalid_parameter"),
    ):
        with pytest.raises(Problem) as raised:
            await answer("markets.trades", **given)
        assert raised.value.code == code
