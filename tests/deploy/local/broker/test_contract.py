"""The contract of a broker, records: what aiokafka sends comes back, once, in order, in time. Ours and the real one."""

import asyncio
import json
import statistics
import time

import pytest
from aiokafka import TopicPartition, codec

_HAS = {"gzip": codec.has_gzip, "snappy": codec.has_snappy, "lz4": codec.has_lz4, "zstd": codec.has_zstd}


async def test_key_value_headers_and_timestamp_come_back(clients, topic, drain):
    producer = await clients.producer(acks="all")
    headers = [("a", b"1"), ("b", b"")]
    sent = await producer.send_and_wait(topic, b"v", key=b"k", headers=headers, timestamp_ms=1_700_000_000_123)
    (got,) = await drain(await clients.consumer(topic), 1)
    assert (got.key, got.value, list(got.headers), got.timestamp) == (b"k", b"v", headers, 1_700_000_000_123)
    assert (sent.offset, sent.partition) == (got.offset, got.partition)


@pytest.mark.parametrize("acks", [0, 1, "all"])
async def test_every_acknowledgement_mode_delivers(clients, topic, drain, acks):
    first = await clients.producer(acks="all")
    await first.send_and_wait(topic, b"0", partition=0)  # acks=0 may lose what a topic's very first moment cannot take
    producer = await clients.producer(acks=acks)
    for i in range(1, 50):
        await producer.send(topic, b"%d" % i, partition=0)
    await producer.flush()
    got = await drain(await clients.consumer(topic), 50)
    assert [int(record.value) for record in got] == list(range(50))


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_compressed_batches_come_back_byte_for_byte(clients, topic, drain, compression):
    if compression and not _HAS[compression]():
        pytest.skip(f"aiokafka has no {compression} library here (pip install cramjam)")
    values = [json.dumps({"i": i, "s": "BTCUSDT", "pad": "x" * 150}).encode() for i in range(500)]
    producer = await clients.producer(compression_type=compression, linger_ms=20)
    await asyncio.gather(*[await producer.send(topic, value, partition=0) for value in values])
    got = await drain(await clients.consumer(topic), 500)
    assert [record.value for record in got] == values


async def test_an_idempotent_producer_keeps_order(clients, topic, drain):
    producer = await clients.producer(enable_idempotence=True, acks="all")
    await asyncio.gather(*[await producer.send(topic, b"%d" % i, partition=0) for i in range(2000)])
    got = await drain(await clients.consumer(topic), 2000)
    assert [int(record.value) for record in got] == list(range(2000))


async def test_the_same_batch_sent_twice_is_in_the_log_once(clients, topic, drain, monkeypatch):
    producer = await clients.producer(enable_idempotence=True, acks="all")
    send = producer.client.send
    repeated: list[object] = []

    async def send_twice(node, request, **options):
        answer = await send(node, request, **options)
        if type(request).__name__.startswith("Produce") and not repeated:
            repeated.append(await send(node, request, **options))
        return answer

    monkeypatch.setattr(producer.client, "send", send_twice)
    first = await producer.send_and_wait(topic, b"once", partition=0)
    second = await producer.send_and_wait(topic, b"next", partition=0)
    assert len(repeated) == 1
    assert (first.offset, second.offset) == (0, 1)
    assert [r.value for r in await drain(await clients.consumer(topic), 2)] == [b"once", b"next"]


async def test_a_message_of_900_kb(clients, topic, drain):
    producer = await clients.producer(max_request_size=1_048_576)
    await producer.send_and_wait(topic, b"x" * 900_000)
    (got,) = await drain(await clients.consumer(topic), 1)
    assert got.value == b"x" * 900_000


async def test_offsets_are_found_by_time(clients, topic):
    producer = await clients.producer()
    base = 1_700_000_000_000
    for i in range(10):
        await producer.send_and_wait(topic, b"%d" % i, partition=0, timestamp_ms=base + i * 1000)
    partition = TopicPartition(topic, 0)
    consumer = await clients.consumer(topic)
    found = await consumer.offsets_for_times({partition: base + 4500})
    assert (found[partition].offset, found[partition].timestamp) == (5, base + 5000)


@pytest.mark.parametrize("max_wait_ms", [500, 10])
async def test_a_waiting_fetch_is_woken_by_an_append(clients, topic, drain, max_wait_ms):
    producer = await clients.producer()
    await producer.send_and_wait(topic, b"w", partition=0)
    consumer = await clients.consumer(topic, fetch_max_wait_ms=max_wait_ms)
    await drain(consumer, 1)
    latencies_s = []
    for _ in range(15):
        reading = asyncio.create_task(consumer.getone())
        await asyncio.sleep(0)  # the reader asks first
        sent = time.perf_counter()
        await producer.send_and_wait(topic, b"tick", partition=0)
        await asyncio.wait_for(reading, 5)
        latencies_s.append(time.perf_counter() - sent)
    assert statistics.median(latencies_s) < 0.1
