"""What is kept short, what is said every hour, and that what fails is tried again."""

import asyncio
import logging

import asyncpg

from services.gateway.access import audit, people, refresh
from services.gateway.access.principal import Principal, Way
from services.gateway.access.usage import KEPT_NS
from services.gateway.upkeep import Chore, chores, keep_up
from tests.services.gateway.holding import holder, person

DAY_NS = 86_400 * 1_000_000_000


async def rows(gateway, table):
    return await gateway.store.pool.fetchval(f"SELECT count(*) FROM gateway.{table}")


async def test_every_table_loses_what_is_too_old_and_nothing_younger(gateway, caplog):
    caplog.set_level(logging.INFO)
    user = await person(gateway)
    who = Principal(way=Way.KEY, subject="local", credential=gateway.key[9:19], name="x", scopes=frozenset())
    async with await holder(gateway) as client:
        wish = {"name": "desk", "scopes": ["read:market"]}
        assert (await client.post("/v1/keys", json=wish, headers={"Idempotency-Key": "one"})).status_code == 201
    gateway.desk.usage.count(who, "markets.list", 200, 1)
    await gateway.desk.usage.flush()
    await refresh.begin(gateway.store.pool, user.user_id, at_ns=gateway.clock())
    every = chores(lambda: gateway.store.pool, gateway.desk.ledger, gateway.clock)

    async def left():
        for chore in every:
            await chore.work()
        return [await rows(gateway, name) for name in ("idempotency", "key_usage", "families", "refresh", "audit")]

    begin = gateway.clock()
    assert await left() == [1, 2, 1, 1, 1]
    gateway.clock.now = begin + DAY_NS + 1
    assert await left() == [0, 2, 1, 1, 1]
    gateway.clock.now = begin + refresh.LIFE_S * refresh.SECOND_NS + refresh.KEPT_NS + 1
    assert await left() == [0, 2, 0, 0, 1]
    gateway.clock.now = begin + KEPT_NS + 1
    assert await left() == [0, 0, 0, 0, 1]
    gateway.clock.now = begin + audit.KEPT_NS + 1
    assert await left() == [0, 0, 0, 0, 0]
    assert (await audit.verify(gateway.store.pool)).fault is None
    heads = [record.head for record in caplog.records if record.message == "audit"]
    assert len(heads) == 5
    assert len(set(heads)) == 1  # the head stays when what it covers has gone
    assert await people.find(gateway.store.pool, user.user_id)


async def test_a_chore_that_fails_keeps_no_other_from_its_time(caplog):
    done = asyncio.Event()

    async def fails():
        raise asyncpg.InterfaceError("away")

    async def works():
        done.set()

    task = asyncio.create_task(keep_up([Chore("one", fails), Chore("two", works)], every_s=0.01))
    async with asyncio.timeout(5):
        await done.wait()
        done.clear()
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "a chore waits" in caplog.text
