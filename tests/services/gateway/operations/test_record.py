"""Newest signals, proofs, verdicts, outcomes and the record: numbers by hand, and nothing where nothing is known."""

import hashlib

import msgspec
import pytest

from libs.common.events import Barrier, Decision, Direction, Origin, Timeframe
from services.gateway.problems import Problem
from services.gateway.schemas.record import wilson
from tests.services.gateway import flowing
from tests.services.gateway.operations.conftest import walk

BTC = "BTC-USDT-PERP"


def said(make, n, *, at=0, timeframe=Timeframe.M1, direction=Direction.LONG, symbol=BTC, origin=Origin.SIMULATED):
    signal = make.signal(n, at=make.NOON + at * make.MINUTE, direction=direction, symbol=symbol)
    return msgspec.structs.replace(signal, timeframe=timeframe, origin=origin)


async def test_the_newest_signal_of_each_market_and_timeframe(gateway, make, answer):
    eth = "ETH-USDT-PERP"
    signals = [
        said(make, 1),
        said(make, 2, at=1),
        said(make, 3, at=0, timeframe=Timeframe.H1),
        said(make, 4, at=5, timeframe=Timeframe.H1, symbol=eth),
        said(make, 5, at=9, origin=Origin.LIVE),
    ]
    await gateway.fold(*signals, make.trade(), make.trade(symbol=eth))
    gateway.clock.now += 10 * make.SECOND  # the market's newest origin is that of its trades
    await gateway.fold(make.trade(n=2), make.trade(symbol=eth, n=2))
    found = await walk(answer, "signals.latest", limit=1)
    assert [one["signal_id"] for one in found] == ["sig-0003", "sig-0002", "sig-0004"]
    found = await walk(answer, "signals.latest", symbol=BTC, timeframe="1m")
    assert [one["signal_id"] for one in found] == ["sig-0002"]
    with pytest.raises(Problem) as raised:
        await answer("signals.latest", symbol="DOGE-USDT")
    assert raised.value.code == "unknown_symbol"


async def test_a_proof_names_the_place_the_hash_and_the_command(gateway, make, answer):
    signal = make.signal()
    await gateway.fold(make.trade(), signal)
    found = await answer("signals.proof", signal_id="sig-0001")
    assert (found["topic"], found["partition"], found["place_cause"]) == ("signals.signals.v1", 0, None)
    assert found["content_hash"] == hashlib.sha256(msgspec.json.encode(signal)).hexdigest()
    assert (found["engine"], found["inputs"]["last_trade"]) == ("1.0.0", "77")
    assert found["verify"] == "csx signals verify sig-0001"
    with pytest.raises(Problem) as raised:
        await answer("signals.proof", signal_id="sig-0002")
    assert raised.value.code == "unknown_signal"


async def test_a_verdict_that_came_first_has_no_place_yet(gateway, make, answer):
    signal = make.signal()
    await gateway.fold(make.verdict(signal))
    found = await answer("signals.proof", signal_id="sig-0001")
    assert (found["offset"], found["place_cause"]) == (None, "verdict_first")


async def test_verdicts_are_the_newest_first_and_by_each_filter(gateway, make, answer):
    decided = [Decision.PUBLISH, Decision.WITHHOLD, Decision.PUBLISH, Decision.WITHHOLD]
    signals = [said(make, n, timeframe=(Timeframe.M1, Timeframe.H1)[n // 2]) for n in range(4)]
    verdicts = [
        make.verdict(signal, decided=make.NOON + n // 2, decision=decision)
        for n, (signal, decision) in enumerate(zip(signals, decided, strict=True))
    ]
    await gateway.fold(make.signal(9), *verdicts, *verdicts)
    found = await walk(answer, "verdicts.list", limit=1)
    assert [one["signal_id"] for one in found] == ["sig-0003", "sig-0002", "sig-0001", "sig-0000"]
    for sent, wanted in (
        ({"decision": "publish"}, ["sig-0002", "sig-0000"]),
        ({"timeframe": "1h"}, ["sig-0003", "sig-0002"]),
        ({"from_ns": make.NOON, "to_ns": make.NOON + 1}, ["sig-0001", "sig-0000"]),
        ({"symbol": "ETH-USDT"}, []),
    ):
        assert [one["signal_id"] for one in await walk(answer, "verdicts.list", **sent)] == wanted, sent


async def test_without_any_outcome_the_list_is_empty_and_says_that_nobody_published_one(gateway, make, answer):
    await gateway.fold(make.signal())
    found = await answer("outcomes.list")
    assert (found["data"], found["cause"], found["has_more"]) == ([], "none_published", False)
    record = await answer("record.get")
    assert record["cause"] == "none_published"
    assert (record["total"]["signals"], record["total"]["outcomes"], record["total"]["n"]) == (1, 0, 0)
    for name in ("hit_rate", "hit_rate_low", "hit_rate_high", "mean_r", "mean_mfe", "mean_mae"):
        assert record["total"][name] is None


async def test_outcomes_are_listed_and_counted(gateway, make, answer):
    results = [
        (Barrier.TARGET, 2.0, Timeframe.M1),
        (Barrier.STOP, -1.0, Timeframe.M1),
        (Barrier.EXPIRY, 0.5, Timeframe.H1),
        (Barrier.UNRESOLVED, None, Timeframe.H1),
    ]
    told = [
        flowing.outcome(f"sig-{n:04d}", barrier, r, at=make.NOON + n, timeframe=timeframe)
        for n, (barrier, r, timeframe) in enumerate(results)
    ]
    signals = [said(make, n, timeframe=timeframe) for n, (_, _, timeframe) in enumerate(results)]
    neutral = said(make, 9, direction=Direction.NEUTRAL)
    await gateway.fold(*signals, neutral, make.verdict(signals[0]), *told[2:], *told[:2], *told)
    found = await walk(answer, "outcomes.list", limit=1)
    assert [one["signal_id"] for one in found] == ["sig-0003", "sig-0002", "sig-0001", "sig-0000"]
    assert [one["r_multiple"] for one in await walk(answer, "outcomes.list", barrier="stop")] == [-1.0]
    assert (await answer("outcomes.list", symbol="ETH-USDT"))["cause"] == "none_fits"
    record = await answer("record.get", origin="simulated")
    total = record["total"]
    assert [total[name] for name in ("signals", "neutral", "published", "withheld")] == [5, 1, 1, 0]
    assert [total[name] for name in ("outcomes", "targets", "stops", "expiries", "unresolved")] == [4, 1, 1, 1, 1]
    assert (total["n"], total["wins"], total["mean_r"], total["mean_mfe"], total["mean_mae"]) == (3, 2, 0.5, 2.0, -0.5)
    assert total["hit_rate"] == 2 / 3
    assert list(record["by_timeframe"]) == ["1m", "1h"]
    assert record["by_timeframe"]["1m"]["mean_r"] == 0.5
    assert (await answer("record.get", origin="live"))["cause"] == "none_fits"


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [(7, 10, 0.3968, 0.8922), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 2, 0.0945, 0.9055)],
)
def test_the_band_is_wilsons(wins, n, low, high):
    """Values of R's `prop.test(wins, n, correct = FALSE)`."""
    found = wilson(wins, n)
    assert found == pytest.approx((low, high), abs=5e-5)


async def test_signals_of_a_range_are_those_of_bars_that_closed_in_it(gateway, make, answer):
    await gateway.fold(*(said(make, n, at=n) for n in range(5)))
    found = await walk(
        answer, "signals.list", from_ns=make.NOON + make.MINUTE, to_ns=make.NOON + 4 * make.MINUTE, limit=2
    )
    assert [one["signal_id"] for one in found] == ["sig-0003", "sig-0002", "sig-0001"]
    with pytest.raises(Problem) as raised:
        await answer("signals.list", from_ns=5, to_ns=4)
    assert raised.value.code == "invalid_parameter"
