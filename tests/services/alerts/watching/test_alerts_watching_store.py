"""One transaction for alerts, states and offsets, or none of them; and rows for the bot."""

import asyncpg
import msgspec
import pytest
from aiokafka import TopicPartition

from libs.common.bus.codec import decode
from libs.common.conditions.subjects import Kind, Subject
from libs.common.events import DAY_NS, AlertRule, Barrier, LayerReading, Outcome, Timeframe
from services.alerts.policy.triggers import Phase, State
from services.alerts.watching.asking import Found, Rulebook
from services.alerts.watching.store import Overtaken, Rows, WatchStore

A, B = TopicPartition("market.trades.v1", 0), TopicPartition("market.gaps.v1", 3)


@pytest.fixture
async def store(pool, outbox):
    made = WatchStore(pool, outbox)
    await made.settle_places({A: 10, B: 20})
    return made


async def places(pool):
    rows = await pool.fetch("SELECT topic, partition, next_offset FROM alerts.offsets")
    return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


def found(make_entry, *ids: str) -> Found:
    return Found([make_entry(one) for one in ids], {("r", "k"): State(Phase.FIRING, 7, 5)})


async def test_all_is_written_together_and_read_again(pool, store, make_entry):
    assert await store.keep({A: 15}, {A: 10, B: 20}, found(make_entry, "a1", "a2"), Rows(), 1) == 2
    assert await places(pool) == {A: 15, B: 20}
    assert await store.states() == {("r", "k"): State(Phase.FIRING, 7, 5)}
    assert await pool.fetchval("SELECT count(*) FROM alerts.outbox") == 2


async def test_where_another_was_before_us_nothing_is_written(pool, store, make_entry):
    await store.keep({B: 25}, {B: 20}, Found(), Rows(), 1)
    with pytest.raises(Overtaken, match=r"market.gaps.v1/3 is stored at 25, not at 20"):
        await store.keep({A: 15, B: 22}, {A: 10, B: 20}, found(make_entry, "a1"), Rows(), 1)
    assert await places(pool) == {A: 10, B: 25}
    assert await store.states() == {}
    assert await pool.fetchval("SELECT count(*) FROM alerts.outbox") == 0


async def test_a_call_that_was_done_and_not_answered_is_done_again(pool, store, make_entry):
    for new in (1, 0):
        assert await store.keep({A: 15}, {A: 10}, found(make_entry, "a1"), Rows(), 1) == new
    assert await places(pool) == {A: 15, B: 20}


async def test_a_place_never_goes_back(pool, store):
    await store.keep({A: 4}, {A: 10}, Found(), Rows(), 1)  # windows were filled again from before
    await store.settle_places({A: 3})
    assert await places(pool) == {A: 10, B: 20}


async def test_what_cannot_be_written_takes_all_with_it(pool, store, make_entry):
    bad = Found([make_entry("a1")], {("r", "k"): State(Phase.FIRING, 2**70, 5)})
    with pytest.raises(asyncpg.DataError):
        await store.keep({A: 15}, {A: 10}, bad, Rows(), 1)
    assert await places(pool) == {A: 10, B: 20}


def subject(kind: Kind = Kind.METRIC, **facts) -> Subject:
    return Subject(kind=kind, venue="v", symbol="BTC-USDT", at_ns=9, facts=facts, key=f"{kind}|k")


async def test_the_newest_of_each_key_is_kept_for_the_bot(pool, store):
    rows = Rows()
    rows.take([subject(fear_greed=20.0), subject(fear_greed=21.0), subject(Kind.FUNDING, funding_rate=0.1)])
    rows.take([subject(open_interest=1.0, exchange="okx"), subject(whale_long_opened=1.0)])  # of a part, of a moment
    for score in (0.1, 0.2):
        reading = LayerReading(
            venue="v", symbol="BTC-USDT", layer="smc", timeframe=Timeframe.H1, as_of_ns=3, score=score, confidence=1.0
        )
        rows.readings[("v", "BTC-USDT", "1h", "smc")] = reading
    outcome = Outcome(
        venue="v",
        symbol="BTC-USDT",
        signal_id="s1",
        timeframe=Timeframe.H1,
        resolved_ns=4,
        barrier=Barrier.STOP,
        r_multiple=-1.0,
        mfe=0.1,
        mae=-1.0,
    )
    rows.outcomes += [outcome, outcome]
    for at in (15, 16):
        await store.keep({A: at}, {A: at - 1 if at > 15 else 10}, Found(), rows, 1)
    kept = {row["kind"]: msgspec.json.decode(row["facts"]) for row in await pool.fetch("SELECT * FROM alerts.facts")}
    assert kept == {"metric": {"fear_greed": 21.0}, "funding": {"funding_rate": 0.1}}
    (row,) = await pool.fetch("SELECT * FROM alerts.readings")
    newest = decode(row["event"])
    assert isinstance(newest, LayerReading)
    assert (row["layer"], row["timeframe"], newest.score) == ("smc", "1h", 0.2)
    (row,) = await pool.fetch("SELECT * FROM alerts.outcomes")
    assert decode(row["event"]) == outcome


async def test_subjects_on_no_topic_have_their_states_read_and_written(pool, store):
    rule = AlertRule(rule_id="down", recipient="1", kind="system", condition="not up", for_s=60)
    book, second = Rulebook([rule]), 1_000_000_000

    def down(at_s: int) -> Subject:
        return Subject(
            kind=Kind.SYSTEM, venue="system", symbol="signals", at_ns=at_s * second, facts={"up": False}, key="system|s"
        )

    told = [await store.ask([down(at_s)], book, at_s * second) for at_s in (100, 130, 160, 190)]
    assert told == [0, 0, 1, 0]
    assert await store.ask([], book, 1) == 0
    assert (await store.states())[("down", "system|s")].phase is Phase.FIRING
    assert await pool.fetchval("SELECT facts FROM alerts.facts WHERE kind = 'system'") is not None


async def test_what_is_long_over_is_forgotten_by_the_clock_of_events(pool, store):
    states = {("r", str(day)): State(Phase.FIRING, day * DAY_NS, 1) for day in (1, 30, 31)}
    await store.keep({A: 15}, {A: 10}, Found([], states), Rows(), 1)
    await store.forget(10_000 * DAY_NS, 30 * DAY_NS)  # a recording: its newest event is of day 31
    assert {key for _, key in await store.states()} == {"1", "30", "31"}
    await store.forget(31 * DAY_NS, 5 * DAY_NS)
    assert {key for _, key in await store.states()} == {"30", "31"}
