"""A record's messages and its offset are one transaction: both are kept, or neither; and nobody takes them twice."""

import asyncio

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.alerts.policy.budget import Limits
from services.alerts.store.outbox import Outbox
from services.alerts.store.rows import Placed

UNBOUND = {"telegram": Limits(per_h=0)}

TOPIC = "signals.verdicts.v1"


async def place(pool, partition=0):
    return await pool.fetchval(
        "SELECT next_offset FROM alerts.offsets WHERE topic = $1 AND partition = $2", TOPIC, partition
    )


async def ids(pool):
    return [row["alert_id"] for row in await pool.fetch("SELECT alert_id FROM alerts.outbox ORDER BY alert_id")]


@pytest.fixture
def placed(make_entry):
    def make(offset, *alert_ids, partition=0, **changes):
        entries = [make_entry(alert_id, **changes) for alert_id in alert_ids]
        return Placed(partition=partition, offset=offset, entries=entries)

    return make


async def test_the_offset_moves_with_the_messages(pool, outbox, placed):
    assert await outbox.take(TOPIC, [placed(0, "a", "b"), placed(1), placed(7, "c", partition=3)], 1) == 3
    assert (await place(pool), await place(pool, 3), await place(pool, 1)) == (2, 8, None)
    assert await ids(pool) == ["a", "b", "c"]


async def test_a_record_that_was_taken_is_passed_over_even_when_its_messages_are_forgotten(pool, outbox, placed):
    await outbox.take(TOPIC, [placed(0, "a"), placed(1, "b")], 1)
    await pool.execute("DELETE FROM alerts.outbox")
    assert await outbox.take(TOPIC, [placed(0, "a"), placed(1, "b"), placed(2, "c")], 2) == 1
    assert await ids(pool) == ["c"]
    assert await place(pool) == 3


async def test_neither_is_kept_when_one_cannot_be(pool, outbox, placed):
    await outbox.take(TOPIC, [placed(0, "a")], 1)
    with pytest.raises(asyncpg.CheckViolationError):
        await outbox.take(TOPIC, [placed(1, "b"), placed(2, "c", html="")], 2)
    assert await ids(pool) == ["a"]
    assert await place(pool) == 1


async def test_a_reader_that_lost_its_partition_moves_nothing_back(pool, outbox, placed):
    await outbox.take(TOPIC, [placed(9, "new")], 1)
    assert await outbox.take(TOPIC, [placed(4, "stale")], 2) == 0
    assert await ids(pool) == ["new"]
    assert await place(pool) == 10


async def test_two_readers_at_once_take_each_record_once(pool, placed):
    batches = [[placed(offset, f"{offset}-{n}") for offset in range(20)] for n in range(6)]
    taken = await asyncio.gather(*(Outbox(pool, limits=UNBOUND).take(TOPIC, batch, 1) for batch in batches))
    assert sorted(taken) == [0, 0, 0, 0, 0, 20]
    assert len(await ids(pool)) == 20


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), min_size=1, max_size=12))
async def test_whatever_is_read_again_each_record_counts_once(pool, make_entry, runs):
    await pool.execute("TRUNCATE alerts.outbox, alerts.offsets")
    outbox, reached = Outbox(pool, limits=UNBOUND), 0
    for begin, length in runs:
        begin = min(begin, reached)  # noqa: PLW2901  (a reader goes back, it never skips)
        batch = [
            Placed(partition=0, offset=offset, entries=[make_entry(f"{offset:03}")])
            for offset in range(begin, begin + length)
        ]
        new = await outbox.take(TOPIC, batch, 1)
        assert new == max(0, begin + length - reached)
        reached = max(reached, begin + length)
    assert await ids(pool) == [f"{offset:03}" for offset in range(reached)]
    assert await place(pool) == reached


async def test_reading_goes_on_where_the_store_stands(pool, outbox, placed):
    assert await outbox.places(TOPIC, {0: (0, 0)}) == {}
    await outbox.take(TOPIC, [placed(41, "a"), placed(6, "b", partition=2)], 1)
    assert await outbox.places(TOPIC, {0: (0, 42), 1: (0, 5), 2: (0, 100)}) == {0: 42, 2: 7}


async def test_a_topic_that_ends_before_our_place_is_read_anew(pool, outbox, placed):
    await outbox.take(TOPIC, [placed(41, "a")], 1)
    assert await outbox.places(TOPIC, {0: (3, 12)}) == {0: 3}
    assert await outbox.take(TOPIC, [placed(3, "b")], 2) == 1
    assert await ids(pool) == ["a", "b"]
