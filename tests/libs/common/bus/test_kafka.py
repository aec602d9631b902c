"""The bus on a real socket: folding commits after the handler, reacting retries and parks, topics are verified."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics, verify
from libs.common.bus.codec import decode
from libs.common.bus.kafka import Bus, Record, connect, fold, partitions_of, react
from libs.common.bus.reading import Reader
from libs.common.events import Event, Reject, Side, Trade
from libs.common.runtime.errors import ConfigurationError, DependencyDown
from libs.common.runtime.settings import ServiceSettings

DEADLINE_S = 20.0


def _trade(number: int, symbol: str = "BTC-USDT") -> Trade:
    return Trade(
        venue="okx",
        symbol=symbol,
        event_ns=number,
        received_ns=number,
        price=1.0,
        size=1.0,
        side=Side.BUY,
        trade_id=str(number),
    )


@pytest.fixture
async def bus(bus_broker: str) -> AsyncIterator[Bus]:
    await ensure_topics(bus_broker, topics.TOPICS)
    made = connect(ServiceSettings(kafka_bootstrap=bus_broker), "csx-test")
    yield made
    await made.stop()


async def _parked(bootstrap: str, topic: topics.Topic) -> list[Reject]:
    async with Reader(bootstrap, "csx-test") as reader:
        found = [decode(raw.value or b"") async for raw in reader.read_all(topic, 0)]
    return [event for event in found if isinstance(event, Reject)]


async def test_a_fold_sees_every_event_of_a_symbol_in_order_and_in_one_partition(bus):
    sent = [_trade(n, f"S{n % 5}-USDT") for n in range(2_000)]
    got: list[Record] = []
    done = asyncio.Event()

    async def handler(records: Sequence[Record]) -> None:
        got.extend(records)
        if len(got) == len(sent):
            done.set()

    fold(bus, topics.TRADES, group="order", handler=handler, rejects=topics.MARKET_REJECTS)
    await bus.start()
    await bus.publisher.publish(sent)
    await asyncio.wait_for(done.wait(), DEADLINE_S)
    for symbol in {event.symbol for event in sent}:
        mine = [record for record in got if record.key == symbol.encode()]
        assert [record.event for record in mine] == [event for event in sent if event.symbol == symbol]
        assert len({record.partition for record in mine}) == 1
    assert sum(map(len, partitions_of(got).values())) == len(sent)
    assert await bus.fault() is None


async def test_a_failing_handler_stops_uncommitted_and_the_next_consumer_sees_the_batch_again(bus_broker, bus, caplog):
    caplog.set_level(logging.CRITICAL + 1)
    failures: list[str] = []

    async def broken(records: Sequence[Record]) -> None:
        failures.append(records[0].topic)
        raise RuntimeError("boom")

    folding = fold(bus, topics.GAPS, topics.LIQUIDATIONS, group="crash", handler=broken, rejects=topics.MARKET_REJECTS)
    await bus.start()
    await bus.publisher.publish([_trade(1)], topic=topics.LIQUIDATIONS)
    with pytest.raises(RuntimeError, match="boom"):
        await asyncio.wait_for(asyncio.shield(bus.failed), DEADLINE_S)
    await bus.publisher.publish([_trade(2)], topic=topics.LIQUIDATIONS)
    assert await folding.stuck() == "crash failed"
    await bus.stop()
    assert len(failures) == 1  # nothing more was handled after the failure

    again = connect(ServiceSettings(kafka_bootstrap=bus_broker), "csx-again")
    got: list[Event] = []
    done = asyncio.Event()

    async def handler(records: Sequence[Record]) -> None:
        got.extend(record.event for record in records)
        if len(got) == 2:
            done.set()

    fold(again, topics.GAPS, topics.LIQUIDATIONS, group="crash", handler=handler, rejects=topics.MARKET_REJECTS)
    await again.start()
    await asyncio.wait_for(done.wait(), DEADLINE_S)
    await again.stop()
    assert got == [_trade(1), _trade(2)]


async def test_undecodable_records_are_parked_with_their_place_and_the_others_pass(bus_broker, bus):
    got: list[Event] = []
    done = asyncio.Event()

    async def handler(records: Sequence[Record]) -> None:
        got.extend(record.event for record in records)
        if got:
            done.set()

    fold(bus, topics.FUNDING, group="parking", handler=handler, rejects=topics.SIGNALS_REJECTS)
    await bus.start()
    offset = await bus.publisher.put(topics.FUNDING, b"BTC-USDT", b"\xffno json", partition=4)
    await bus.publisher.publish([_trade(1)], topic=topics.FUNDING)
    await asyncio.wait_for(done.wait(), DEADLINE_S)
    (reject,) = [r for r in await _parked(bus_broker, topics.SIGNALS_REJECTS) if r.context["group"] == "parking"]
    assert (reject.reason, reject.origin_of) == ("decode", f"market.funding.v1/4/{offset}")
    assert reject.payload == "\\xffno json"


async def test_reacting_retries_and_then_parks_the_event_alone(bus_broker, bus, caplog):
    caplog.set_level(logging.CRITICAL + 1)
    tries: dict[str, int] = {}
    done = asyncio.Event()

    async def handler(record: Record) -> None:
        assert isinstance(record.event, Trade)
        name = record.event.trade_id
        tries[name] = tries.get(name, 0) + 1
        if name == "1":
            raise ValueError("never works")
        if name == "2" and tries[name] == 1:
            raise ValueError("works later")
        if name == "3":
            done.set()

    react(bus, topics.OPEN_INTEREST, group="reacting", handler=handler, rejects=topics.ALERTS_REJECTS, tries=3)
    await bus.start()
    await bus.publisher.publish([_trade(1), _trade(2), _trade(3)], topic=topics.OPEN_INTEREST)
    await asyncio.wait_for(done.wait(), DEADLINE_S)
    assert tries == {"1": 3, "2": 2, "3": 1}
    (reject,) = await _parked(bus_broker, topics.ALERTS_REJECTS)
    assert (reject.reason, reject.detail) == ("handler", "ValueError('never works')")
    assert decode(reject.payload) == _trade(1)


async def test_restore_says_where_a_partition_goes_on(bus):
    got: list[int] = []
    done = asyncio.Event()

    async def handler(records: Sequence[Record]) -> None:
        got.extend(record.offset for record in records)
        done.set()

    async def restore(partitions: frozenset[int]) -> dict[TopicPartition, int]:
        assert partitions == frozenset(range(12))
        return {TopicPartition(topics.BOOKS.name, 3): 7}

    folding = fold(bus, topics.BOOKS, group="restore", handler=handler, rejects=topics.MARKET_REJECTS, restore=restore)
    await bus.publisher.start()
    for _ in range(10):
        await bus.publisher.put(
            topics.BOOKS,
            b"k",
            b'{"type":"reject","reason":"","detail":"","origin_of":"","at_ns":0,"payload":""}',
            partition=3,
        )
    await bus.publisher.stop()
    await bus.start()
    await asyncio.wait_for(done.wait(), DEADLINE_S)
    assert got[0] == 7
    assert await folding.lag() >= 0
    assert TopicPartition(topics.BOOKS.name, 3) in await folding.caught_up()


async def test_a_range_is_read_between_its_offsets_and_no_further(bus_broker, bus):
    await bus.start()
    offsets = [await bus.publisher.put(topics.JOURNAL, b"k", str(n).encode(), partition=2) for n in range(6)]
    async with Reader(bus_broker, "csx-test") as reader:
        raws = [raw async for raw in reader.read(topics.JOURNAL, 2, offsets[1], offsets[4])]
        assert [raw.value for raw in raws] == [b"1", b"2", b"3"]
        assert await reader.bounds(topics.JOURNAL, 2) == (0, offsets[-1] + 1)


async def test_a_consumer_outside_of_our_code_reads_json_with_the_symbol_as_key(bus_broker, bus):
    await bus.start()
    await bus.publisher.publish([_trade(99, "XRP-USDT")])
    consumer = AIOKafkaConsumer(topics.TRADES.name, bootstrap_servers=bus_broker, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            async for record in consumer:
                if record.key == b"XRP-USDT":
                    assert decode(record.value) == _trade(99, "XRP-USDT")
                    break
    finally:
        await consumer.stop()


async def test_topics_are_made_once_and_a_wrong_partition_count_is_refused(bus_broker):
    first = await ensure_topics(bus_broker, topics.TOPICS)
    second = await ensure_topics(bus_broker, topics.TOPICS)
    assert not second.created
    assert set(second.found) == set(first.created) | set(first.found)
    admin = AIOKafkaAdminClient(bootstrap_servers=bus_broker)
    await admin.start()
    odd = topics.Topic(name="market.odd.v1", carries=(), partitions=12, retention_ms=None)
    await admin.create_topics([NewTopic(odd.name, 3, 1)])
    await admin.close()
    with pytest.raises(ConfigurationError, match=r"market.odd.v1 has 3 partitions, not 12"):
        await ensure_topics(bus_broker, [odd])


def test_unequal_market_topics_are_refused():
    with pytest.raises(ConfigurationError, match=r"unequal partition counts \[6, 12\]"):
        verify((), {topics.TRADES.name: 12, topics.BOOKS.name: 6})


async def test_a_broker_that_does_not_answer_is_a_dependency_that_is_down():
    with pytest.raises(DependencyDown, match=r"no Kafka broker answers at 127.0.0.1:1"):
        await ensure_topics("127.0.0.1:1", topics.TOPICS, within_s=0.1)
