"""Bounded reads from the broker: what stands between two offsets of one partition, without a group, then the end."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from msgspec import Struct

from libs.common.bus.topics import Topic
from libs.common.runtime.errors import DependencyDown

_FETCH_BYTES: Final = 4 * 1024 * 1024
_POLL_MS: Final = 500


class Raw(Struct, frozen=True):
    """One record as stored."""

    offset: int
    key: bytes
    value: bytes | None
    """None is a tombstone."""


class Reader:
    """Reads ranges; a context manager around one consumer without a group."""

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            client_id=client_id,
            enable_auto_commit=False,
            max_partition_fetch_bytes=_FETCH_BYTES,
            auto_offset_reset="earliest",
        )
        self._bootstrap = bootstrap

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            DependencyDown: no broker answers.
        """
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as e:
            await self._consumer.stop()
            raise DependencyDown(f"no Kafka broker answers at {self._bootstrap}: {e}") from e
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def knows(self, topic: Topic) -> bool:
        """Return whether the broker has the topic; `bounds` would wait for one that it has not."""
        return topic.name in await self._consumer.topics()

    async def bounds(self, topic: Topic, partition: int) -> tuple[int, int]:
        """Return the first offset kept and the one after the last."""
        part = TopicPartition(topic.name, partition)
        first = await self._consumer.beginning_offsets([part])
        last = await self._consumer.end_offsets([part])
        return int(first[part]), int(last[part])

    async def read(self, topic: Topic, partition: int, start: int, end: int) -> AsyncIterator[Raw]:
        """Yield what is kept of [start, end); compacted records are missing without a trace.

        Raises:
            DependencyDown: the broker went away in the middle.
        """
        part = TopicPartition(topic.name, partition)
        if start >= end:
            return
        self._consumer.assign([part])
        self._consumer.seek(part, start)
        try:
            while await self._consumer.position(part) < end:
                for records in (await self._consumer.getmany(part, timeout_ms=_POLL_MS)).values():
                    for record in records:
                        if record.offset >= end:
                            return
                        yield Raw(record.offset, record.key or b"", record.value)
        except (KafkaError, OSError) as e:
            raise DependencyDown(f"the broker went away while {topic.name}/{partition} was read: {e}") from e
        finally:
            self._consumer.unsubscribe()

    async def read_all(self, topic: Topic, partition: int) -> AsyncIterator[Raw]:
        """Yield everything kept of one partition up to its end at the time of the call."""
        first, last = await self.bounds(topic, partition)
        async for raw in self.read(topic, partition, first, last):
            yield raw
