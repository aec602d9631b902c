"""Both brokers, and clients that are closed after each test."""

import time
import uuid
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.record import MemoryRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from deploy.local.broker.configs import DEFAULTS, TopicConfig, check, parse


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


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("apache", marks=pytest.mark.native),
        pytest.param("container", marks=pytest.mark.docker),
    ]
)
def broker(request: pytest.FixtureRequest) -> str:
    return str(
        request.getfixturevalue(
            {"embedded": "embedded_broker", "apache": "apache_kafka", "container": "kafka_container"}[request.param]
        )
    )


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


def batch(
    *rows: tuple[bytes | None, bytes | None],
    timestamp: int = 1_700_000_000_000,
    producer: tuple[int, int, int] = (-1, -1, -1),
    transactional: bool = False,
    compression: int = 0,
) -> bytes:
    """Return a record batch built by aiokafka, the oracle; `producer` is id, epoch and base sequence."""
    producer_id, epoch, sequence = producer
    builder = DefaultRecordBatchBuilder(
        2, compression, int(transactional), producer_id, epoch, sequence, batch_size=1 << 24
    )
    for i, (key, value) in enumerate(rows):
        assert builder.append(i, timestamp + i, key, value, []) is not None
    return bytes(builder.build())


def parsed(data: bytes) -> list[Any]:
    """Return the data records in `data` as aiokafka reads them, checksums verified."""
    found: list[Any] = []
    memory = MemoryRecords(data)
    while memory.has_next():
        one = memory.next_batch()
        assert one.validate_crc()
        if not one.is_control_batch:
            found += list(one)
    return found


@pytest.fixture(name="batch")
def _batch():
    return batch


@pytest.fixture(name="parsed")
def _parsed():
    return parsed


@pytest.fixture
def topic_config():
    def build(**settings: str) -> TopicConfig:
        given = {name.replace("_", "."): value for name, value in settings.items()}
        return parse({**DEFAULTS, **check(given)})

    return build
