"""The contract of a broker, consumer groups: partitions are shared, moved, committed and found again."""

import asyncio
import sys
import time
from collections.abc import Callable
from itertools import groupby
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.structs import OffsetAndMetadata

_MEMBER = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 300, "max_poll_interval_ms": 20_000}
_LONER = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer
async def main():
    consumer = AIOKafkaConsumer(sys.argv[1], bootstrap_servers=sys.argv[2], group_id=sys.argv[3],
                                session_timeout_ms=6000, heartbeat_interval_ms=300)
    await consumer.start()
    while True:
        await consumer.getmany(timeout_ms=50)
asyncio.run(main())
"""


async def _until(fact: Callable[[], bool], *consumers: Any, within_s: float = 25.0) -> None:
    """Poll `consumers` until `fact()` holds."""
    end = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < end, [sorted(consumer.assignment()) for consumer in consumers]
        await asyncio.gather(*[consumer.getmany(timeout_ms=30) for consumer in consumers])


class _Told(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self) -> None:
        self.assigned: list[int] = []

    async def on_partitions_revoked(self, revoked):
        pass

    async def on_partitions_assigned(self, assigned):
        self.assigned.append(len(assigned))


async def test_two_members_share_a_topic_and_one_inherits_it(clients, topic, group, drain):
    producer = await clients.producer()
    count = len(await producer.partitions_for(topic))
    first, told = await clients.consumer(group_id=group, **_MEMBER), _Told()
    first.subscribe([topic], listener=told)
    await _until(lambda: len(first.assignment()) == count, first)
    second = await clients.consumer(group_id=group, **_MEMBER)
    second.subscribe([topic])
    await _until(lambda: len(first.assignment()) == len(second.assignment()) == count // 2, first, second)
    for i in range(100):
        await producer.send(topic, b"%d" % i, partition=i % count)
    await producer.flush()
    halves = await asyncio.gather(drain(first, 50), drain(second, 50))
    assert sorted(int(record.value) for half in halves for record in half) == list(range(100))
    await second.stop()
    expected = [count, count // 2, count]
    await _until(lambda: [size for size, _ in groupby(told.assigned)] == expected, first)  # told once or twice the same
    assert len(first.assignment()) == count


async def test_a_killed_members_partitions_are_inherited_after_its_session(clients, topic, group):
    producer = await clients.producer()
    count = len(await producer.partitions_for(topic))
    survivor = await clients.consumer(topic, group_id=group, **_MEMBER)
    loner = await asyncio.create_subprocess_exec(sys.executable, "-c", _LONER, topic, clients.bootstrap, group)
    try:
        await _until(lambda: 0 < len(survivor.assignment()) < count, survivor)
    finally:
        loner.kill()
        await loner.wait()
    await _until(lambda: len(survivor.assignment()) == count, survivor)


async def test_a_restarted_reader_goes_on_where_it_committed_and_seeks(clients, topic, group, drain):
    producer = await clients.producer()
    for i in range(100):
        await producer.send(topic, b"%d" % i, partition=0)
    await producer.flush()
    partition = TopicPartition(topic, 0)
    reader = await clients.consumer(topic, group_id=group, enable_auto_commit=False)
    await drain(reader, 40)
    await reader.commit({partition: OffsetAndMetadata(40, "meta!")})
    await reader.stop()
    reader = await clients.consumer(topic, group_id=group, enable_auto_commit=False)
    assert [int(record.value) for record in await drain(reader, 60)] == list(range(40, 100))
    assert await reader.committed(partition) == 40
    reader.seek(partition, 10)
    assert int((await drain(reader, 90))[0].value) == 10
    await reader.seek_to_beginning(partition)
    assert int((await drain(reader, 100))[0].value) == 0
    await reader.seek_to_end(partition)
    assert await reader.position(partition) == 100
    assert await reader.beginning_offsets([partition]) == {partition: 0}
    assert await reader.end_offsets([partition]) == {partition: 100}


async def test_a_static_member_is_assigned(clients, topic, group):
    producer = await clients.producer()
    count = len(await producer.partitions_for(topic))
    member = await clients.consumer(topic, group_id=group, group_instance_id="service-1")
    await _until(lambda: len(member.assignment()) == count, member)


async def test_a_restarted_static_member_has_its_partitions_again_and_nobody_else_moves(clients, topic, group, drain):
    producer = await clients.producer()
    count = len(await producer.partitions_for(topic))
    stays, told = await clients.consumer(group_id=group, group_instance_id="stays", **_MEMBER), _Told()
    stays.subscribe([topic], listener=told)
    goes = await clients.consumer(topic, group_id=group, group_instance_id="goes", **_MEMBER)
    await _until(lambda: len(stays.assignment()) == len(goes.assignment()) == count // 2, stays, goes)
    await asyncio.gather(
        drain(stays, 1, 1.0), drain(goes, 1, 1.0)
    )  # a client that learns of the topic late joins again
    had, moves = goes.assignment(), len(told.assigned)
    await goes.stop()
    again = await clients.consumer(topic, group_id=group, group_instance_id="goes", **_MEMBER)
    await _until(lambda: bool(again.assignment()), stays, again, within_s=4.0)  # sooner than the session ends
    assert again.assignment() == had
    assert len(told.assigned) == moves
