"""A producer's byte rate: nobody writes faster for long, and nobody pays for another."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.broker.broker import Broker
from deploy.local.broker.quota import Quota
from deploy.local.broker.server import Server


def test_a_second_of_the_rate_is_free_and_what_is_beyond_waits():
    quota = Quota(1000)
    assert quota.charge("a", 1000, 0.0) == 0
    assert quota.charge("a", 500, 0.0) == pytest.approx(0.5)
    assert quota.charge("b", 1000, 0.0) == 0  # another client's
    assert quota.charge("a", 500, 1.0) == 0  # one second paid the debt and 500 more
    assert quota.charge("a", 3000, 1.0) == pytest.approx(3.0)


@given(sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=50))
def test_who_waits_as_told_never_exceeds_the_rate(sizes):
    quota, now_s = Quota(1000), 0.0
    for size in sizes:
        now_s += quota.charge("a", size, now_s)
    assert sum(sizes) <= 1000 * (now_s + 1) + 1e-6


async def test_a_producer_is_slowed_to_its_rate(tmp_path):
    broker = Broker(tmp_path, auto_create=True, quota=Quota(20_000))
    server = Server(broker, host="127.0.0.1", port=0)
    await server.start()
    producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{broker.port}", client_id="fast")
    await producer.start()
    try:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for _ in range(6):
            await producer.send_and_wait("t", b"x" * 5_000)
        assert loop.time() - began_s >= (6 * 5_000 - 20_000 - 5_000) / 20_000
    finally:
        await producer.stop()
        await server.stop()
