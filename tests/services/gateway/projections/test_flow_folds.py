"""Folds of flows, readings and reports: twice is once, in any split and order; late or of another origin or not."""

import random

import msgspec
import pytest

from libs.common.events import (
    FundingRate,
    Grade,
    Liquidation,
    Listing,
    ListingStatus,
    MarkPrice,
    Metric,
    OpenInterest,
    Origin,
    ProfileKind,
    Timeframe,
)
from tests.services.gateway import flowing

TABLES = (
    "liquidations",
    "funding",
    "marks",
    "open_interest",
    "metrics",
    "instruments",
    "quality",
    "readings",
    "structures",
    "profiles",
)
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


async def dump(gateway):
    """Every row of every table."""
    return {
        table: sorted(
            tuple(row) for row in await gateway.store.pool.fetch(f"SELECT * FROM gateway.{table} AS t ORDER BY t::text")
        )
        for table in TABLES
    }


def world(make, chance):
    """Events of few keys and times, so that they meet: some equal, some of one time and other values."""
    origins = (Origin.SIMULATED, Origin.LIVE)

    def at(*steps):
        return make.NOON + chance.choice(steps) * SECOND

    def born(event):
        return msgspec.structs.replace(event, origin=chance.choice(origins))

    makers = (
        lambda: flowing.liquidation(chance.choice([1.0, 2.0]), at=at(0, 1), size=chance.choice([1.0, 2.0])),
        lambda: flowing.funding(chance.choice([0.1, 0.2]), at=at(0, 1, 59, 60)),
        lambda: flowing.mark_price(chance.choice([1.0, 2.0]), chance.choice([None, 1.0]), at=at(0, 30, 61)),
        lambda: flowing.open_interest(chance.choice([None, 1.0, 2.0]), at=at(0, 30, 61)),
        lambda: flowing.metric(value=chance.choice([0.5, 0.6]), at=at(0, 1), exchange=chance.choice([None, "OKX"])),
        lambda: flowing.metric(value=None, cause=chance.choice(["no key", "stale"]), at=at(0, 1)),
        lambda: flowing.listing(at=at(0, 1), status=chance.choice(list(ListingStatus))),
        lambda: flowing.quality(chance.choice(list(Grade)), at=at(0, 10, 70)),
        lambda: flowing.profile(chance.choice(list(ProfileKind)), at=at(0, 10), cause=chance.choice([None, "stale"])),
        lambda: make.reading(chance.choice(["cvd", "factors"]), chance.choice([0.1, 0.2]), at=at(0, 1, 59, 60)),
        lambda: make.reading("technicals", chance.choice([0.1, 0.2]), at=at(0, 60), timeframe=Timeframe.M1),
        lambda: make.reading(
            "smc",
            at=at(0, 60, 120),
            timeframe=Timeframe.M1,
            marks=(make.mark(state=chance.choice(["fresh", "touched", "mitigated"])),),
        ),
    )
    return [born(chance.choice(makers)()) for _ in range(120)]


@pytest.mark.parametrize("seed", range(5))
async def test_no_split_order_or_repetition_changes_what_is_kept(gateway, make, seed):
    chance = random.Random(seed)
    events = world(make, chance)
    await gateway.fold(*events)
    once = await dump(gateway)
    assert all(once.values())
    await gateway.fold(*events)
    assert await dump(gateway) == once
    for table in TABLES:
        await gateway.store.pool.execute(f"TRUNCATE gateway.{table}")
    gateway.__post_init__()  # folds that remember nothing, as after a restart
    shuffled = events + chance.choices(events, k=40)
    chance.shuffle(shuffled)
    while shuffled:
        size = chance.randint(1, 40)
        await gateway.fold(*shuffled[:size])
        del shuffled[:size]
    assert await dump(gateway) == once


async def test_the_oracle_of_a_minute_is_its_greatest_event(gateway, make):
    """Each table's rows, counted by hand from the events."""
    events = world(make, random.Random(9))
    await gateway.fold(*events)
    rows = await dump(gateway)

    def keys(kind, key):
        return {(event.origin, *key(event)) for event in events if isinstance(event, kind)}

    def slot(event):
        return (event.event_ns // MINUTE,)

    assert len(rows["funding"]) == len(keys(FundingRate, slot))
    assert len(rows["marks"]) == len(keys(MarkPrice, slot))
    assert len(rows["open_interest"]) == len(keys(OpenInterest, slot))
    assert len(rows["metrics"]) == len(keys(Metric, lambda m: (m.exchange, m.event_ns)))
    assert len(rows["liquidations"]) == len(keys(Liquidation, lambda x: (x.event_ns, x.price, x.size)))
    assert len(rows["instruments"]) == 1
    newest = max((event.event_ns, msgspec.json.encode(event)) for event in events if isinstance(event, Listing))
    assert rows["instruments"][0][-1] == newest[1]
    for origin in Origin:
        rates = [event for event in events if isinstance(event, FundingRate) and event.origin is origin]
        for row in await gateway.store.pool.fetch("SELECT * FROM gateway.funding WHERE origin = $1", origin):
            mine = [(e.event_ns, e.rate) for e in rates if e.event_ns // MINUTE * MINUTE == row["slot_ns"]]
            assert (row["event_ns"], row["rate"]) == max(mine)


async def test_what_the_market_says_of_everything_comes_on_every_partition_and_counts_once(gateway):
    mood = flowing.metric("fear_greed", 30.0, symbol="*", exchange=None, unit="points")
    for _ in range(12):
        await gateway.fold(mood)
    assert await gateway.store.pool.fetchval("SELECT count(*) FROM gateway.metrics") == 1
