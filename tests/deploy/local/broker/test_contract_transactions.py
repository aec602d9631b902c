"""The contract of a broker, transactions: readers of committed data see all of one or nothing; zombies are fenced."""

import time

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced


async def test_committed_records_are_visible(clients, topic, group, drain):
    producer = await clients.producer(transactional_id=group)
    async with producer.transaction():
        for i in range(5):
            await producer.send(topic, b"%d" % i, partition=0)
    reader = await clients.consumer(topic, isolation_level="read_committed")
    assert [record.value for record in await drain(reader, 5)] == [b"0", b"1", b"2", b"3", b"4"]


async def test_aborted_records_are_hidden(clients, topic, group, drain):
    producer = await clients.producer(transactional_id=group)
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"bad", partition=0)
    await producer.abort_transaction()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"good", partition=0)
    reader = await clients.consumer(topic, isolation_level="read_committed")
    (got,) = await drain(reader, 1)
    assert got.value == b"good"


async def test_an_open_transaction_is_invisible(clients, topic, group, drain):
    producer = await clients.producer(transactional_id=group)
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"pending", partition=0)
    partition = TopicPartition(topic, 0)
    reader = await clients.consumer(topic, isolation_level="read_committed")
    assert await reader.end_offsets([partition]) == {partition: 0}
    assert await drain(reader, 1, within_s=0.5) == []
    await producer.commit_transaction()
    assert [record.value for record in await drain(reader, 1)] == [b"pending"]


async def test_offsets_are_committed_with_the_transaction(clients, topic, group, drain):
    source = await clients.producer()
    await source.send_and_wait(topic, b"in", partition=0)
    reader = await clients.consumer(topic, group_id=group, enable_auto_commit=False)
    await drain(reader, 1)
    partition = TopicPartition(topic, 0)
    producer = await clients.producer(transactional_id=f"{group}-tx")
    async with producer.transaction():
        await producer.send(f"{topic}-out", b"out")
        await producer.send_offsets_to_transaction({partition: 1}, group)
    end = time.monotonic() + 10  # the marker reaches the real broker's offsets a moment after the answer
    while await reader.committed(partition) is None:
        assert time.monotonic() < end
    assert await reader.committed(partition) == 1


@pytest.mark.filterwarnings("default::ResourceWarning")  # aiokafka does not close a fenced producer
async def test_a_second_producer_of_the_same_id_fences_the_first(clients, topic, group):
    zombie = await clients.producer(transactional_id=group)
    await zombie.begin_transaction()
    await zombie.send_and_wait(topic, b"1", partition=0)
    await clients.producer(transactional_id=group)
    with pytest.raises(ProducerFenced):
        await zombie.commit_transaction()
