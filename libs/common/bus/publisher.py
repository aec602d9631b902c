"""Events to the broker: many futures sent, then awaited together; a returned call means that all are acknowledged."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import RecordMetadata
from opentelemetry import trace
from prometheus_client import Counter, Histogram

from libs.common.bus.codec import encode
from libs.common.bus.topics import LARGE_MESSAGE_BYTES, Topic, key_of, partition_key, partitions_of, topic_of
from libs.common.events import Event
from libs.common.runtime.clock import monotonic_s
from libs.common.runtime.errors import DependencyDown
from libs.common.runtime.telemetry import trace_headers

log = logging.getLogger(__name__)

PUBLISHED: Final = Counter("csx_bus_published_total", "Records acknowledged by the broker.", ["topic"])
REFUSED: Final = Counter("csx_bus_publish_failures_total", "Records the broker did not acknowledge.", ["topic"])
ACK_SECONDS: Final = Histogram(
    "csx_bus_publish_seconds",
    "From handing over a batch to its last acknowledgement.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)

_MAX_REQUEST_BYTES: Final = LARGE_MESSAGE_BYTES + 64 * 1024

_BATCH_BYTES: Final = 64 * 1024
_ANSWER_WITHIN_MS: Final = 30_000
"""A request is repeated whole when it is not answered by then: it must be small enough for a slow line to carry."""

_tracer: Final = trace.get_tracer(__name__)


_Record: TypeAlias = tuple[Topic, bytes, bytes | None, int | None]
"""Topic, key, value, and the partition where it is not left to the key."""


def _records(event: Event, topic: Topic | None) -> list[_Record]:
    """Return the records of one event: one, but for an event about all markets, which every partition gets."""
    where, key, value = topic or topic_of(event), key_of(event), encode(event)
    return [(where, key, value, partition) for partition in partitions_of(where, key)]


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition, of so many, on which the records of `key` stand."""
    every = list(range(partitions))
    return _partition(key, every, every)


def _partition(key: bytes | None, every: list[int], available: list[int]) -> int:
    return int(DefaultPartitioner()(partition_key(key or b""), every, available))


class Publisher:
    """One idempotent producer with acks=all. Safe to share between tasks of one loop."""

    def __init__(self, bootstrap: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect.

        Raises:
            DependencyDown: no broker answers.
        """
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            max_request_size=_MAX_REQUEST_BYTES,
            request_timeout_ms=_ANSWER_WITHIN_MS,
            partitioner=_partition,
        )
        try:
            await producer.start()
        except (KafkaError, OSError) as e:
            await producer.stop()
            raise DependencyDown(f"no Kafka broker answers at {self._bootstrap}: {e}") from e
        self._producer = producer

    async def stop(self) -> None:
        """Send what is pending and disconnect."""
        if self._producer:
            await self._producer.stop()
            self._producer = None

    async def publish(self, events: Sequence[Event], *, topic: Topic | None = None) -> None:
        """Publish `events` in order, each on the topic of its type (or all on `topic`); await every acknowledgement.

        An event about all markets (symbol `*`) goes to every partition of its topic.

        Raises:
            DependencyDown: the broker refused or did not answer for at least one; others may be on the topic, so a
                caller repeats the whole call and readers drop what they know.
        """
        if not events:
            return
        with _tracer.start_as_current_span("publish"):
            headers = trace_headers()
            await self._send_all([record for event in events for record in _records(event, topic)], headers)

    async def put(self, topic: Topic, key: bytes, value: bytes | None, *, partition: int | None = None) -> int:
        """Publish one private record (state, journal, positions) and return its offset.

        A value of None deletes the key of a compacted topic.

        Raises:
            DependencyDown: as `publish`.
        """
        (answer,) = await self._send_all([(topic, key, value, partition)], trace_headers())
        return int(answer.offset)

    async def _send_all(
        self,
        records: Sequence[_Record],
        headers: list[tuple[str, bytes]],
    ) -> list[RecordMetadata]:
        assert self._producer, "start() comes first"
        began_s = monotonic_s()
        futures: list[asyncio.Future[RecordMetadata]] = []
        try:
            for topic, key, value, partition in records:
                futures.append(
                    await self._producer.send(topic.name, value, key=key, partition=partition, headers=headers)
                )
        except (KafkaError, OSError) as e:
            for future in futures:
                future.add_done_callback(_heard)
            REFUSED.labels(records[len(futures)][0].name).inc(len(records) - len(futures))
            raise DependencyDown(f"the broker does not take records: {e!r}") from e
        answers = await asyncio.gather(*futures, return_exceptions=True)
        fault: BaseException | None = None
        for (topic, *_), answer in zip(records, answers, strict=True):
            if isinstance(answer, BaseException):
                fault = answer
                REFUSED.labels(topic.name).inc()
            else:
                PUBLISHED.labels(topic.name).inc()
        ACK_SECONDS.observe(monotonic_s() - began_s)
        if isinstance(fault, KafkaError | OSError):
            raise DependencyDown(f"the broker did not acknowledge: {fault!r}") from fault
        if fault:
            raise fault
        return [answer for answer in answers if not isinstance(answer, BaseException)]


def _heard(future: "asyncio.Future[RecordMetadata]") -> None:
    if not future.cancelled():
        future.exception()  # read, so that the loop does not report it a second time
