"""What was folded too long ago goes, in steps of any size; what was not stays; one replica does it at a time."""

import pytest

from libs.common.events import DAY_NS, Timeframe
from services.gateway.store.shortening import KEPT, shorten
from tests.services.gateway import flowing


async def world(gateway, make):
    await gateway.fold(
        make.reading("cvd"),
        make.reading("technicals", timeframe=Timeframe.M1),
        make.reading("smc", timeframe=Timeframe.H1, marks=(make.mark(),)),
        *flowing.flows(),
    )


async def counts(gateway):
    return {
        table: await gateway.store.pool.fetchval(f"SELECT count(*) FROM gateway.{table}")
        for table in (
            "readings",
            "structures",
            "liquidations",
            "funding",
            "marks",
            "open_interest",
            "quality",
            "metrics",
        )
    }


@pytest.mark.parametrize("step", [1, 2, 1000])
async def test_each_table_forgets_at_its_own_age(gateway, make, step):
    await world(gateway, make)
    gateway.clock.now += 40 * DAY_NS
    await world(gateway, make)  # told again: nothing of it is new, but for what is kept by time of folding
    at = gateway.clock.now - 40 * DAY_NS
    assert (await counts(gateway))["readings"] == 3
    for age_days, left in ((2, 3), (7, 1), (31, 0)):
        await shorten(gateway.store.pool, at + age_days * DAY_NS, step=step)
        assert (await counts(gateway))["readings"] == left, age_days
        gone = await shorten(gateway.store.pool, at + age_days * DAY_NS + 1, step=step)
        assert set(gone) == {kept.name for kept in KEPT}
    assert await counts(gateway) == {
        "readings": 0,
        "structures": 0,
        "liquidations": 0,
        "funding": 0,
        "marks": 0,
        "open_interest": 0,
        "quality": 0,
        "metrics": 1,
    }
    await shorten(gateway.store.pool, at + 401 * DAY_NS)
    assert (await counts(gateway))["metrics"] == 0


async def test_only_one_replica_does_it(gateway, make):
    await world(gateway, make)
    async with gateway.store.pool.acquire() as other:
        await other.execute("SELECT pg_advisory_lock($1)", 0x6373_785F_6B65_6570)
        assert await shorten(gateway.store.pool, gateway.clock.now + 500 * DAY_NS) == {}
        await other.execute("SELECT pg_advisory_unlock($1)", 0x6373_785F_6B65_6570)
    assert sum((await shorten(gateway.store.pool, gateway.clock.now + 500 * DAY_NS)).values()) == 10
