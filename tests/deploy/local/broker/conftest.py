"""Both brokers, and clients that are closed after each test."""

import time
import uuid
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient


class Clients:
    """aiokafka clients of one broker."""

    def __init__(self, bootstrap: str, stack: AsyncExitStack) -> None:
        self.bootstrap = bootstrap
        self._stack = stack

    async def producer(self, **options: Any) -> AIOKafkaProducer:
        client = AIOKafkaProducer(bootstrap_servers=self.bootstrap, request_timeout_ms=10_000, **options)
        await client.start()
        self._stack.push_async_callback(client.stop)
        return client

    async def consumer(self, *topics: str, **options: Any) -> AIOKafkaConsumer:
        options = {"auto_offset_reset": "earliest", "fetch_max_wait_ms": 50} | options
        client = AIOKafkaConsumer(*topics, bootstrap_servers=self.bootstrap, request_timeout_ms=12_000, **options)
        await client.start()
        self._stack.push_async_callback(client.stop)
        return client

    async def admin(self) -> AIOKafkaAdminClient:
        client = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5000)
        await client.start()
        self._stack.push_async_callback(client.close)
        return client


async def drain(consumer: AIOKafkaConsumer, count: int, within_s: float = 10.0) -> list[Any]:
    """Return the next `count` records, fewer if they do not come in time."""
    found: list[Any] = []
    end = time.monotonic() + within_s
    while len(found) < count and time.monotonic() < end:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            found += records
    return found


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.native)])
def broker(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue({"embedded": "embedded_broker", "apache": "apache_kafka"}[request.param]))


@pytest.fixture
async def clients(broker):
    async with AsyncExitStack() as stack:
        yield Clients(broker, stack)


@pytest.fixture(name="drain")
def _drain():
    return drain


@pytest.fixture
def topic() -> str:
    return f"topic-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def group() -> str:
    return f"group-{uuid.uuid4().hex[:8]}"
