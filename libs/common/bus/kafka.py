"""One process's connection to the broker: a publisher, and consumers that fold or react. FastStream on aiokafka."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.opentelemetry import KafkaTelemetryMiddleware
from faststream.kafka.prometheus import KafkaPrometheusMiddleware
from prometheus_client import REGISTRY

from libs.common.bus.consuming import Folding, Handler, Reaction, Record, Restore, raw_batch
from libs.common.bus.publisher import Publisher
from libs.common.bus.topics import Topic
from libs.common.runtime.process import Process
from libs.common.runtime.settings import ServiceSettings

__all__ = ["Bus", "Folding", "Publisher", "Record", "connect", "fold", "react"]

log = logging.getLogger(__name__)

POLL_MS: Final = 20
_GRACE_S: Final = 8.0
_PING_S: Final = 1.5
_PARTITION_FETCH_BYTES: Final = 1024 * 1024


class _Subscriber(Protocol):
    consumer: AIOKafkaConsumer | None


class Bus:
    """The publisher, the FastStream broker, and every consumer of this process."""

    def __init__(self, settings: ServiceSettings, client_id: str, process: Process | None = None) -> None:
        middlewares = [KafkaPrometheusMiddleware(registry=REGISTRY)] if process else []
        tracing = [KafkaTelemetryMiddleware()] if settings.otel_endpoint else []
        self.publisher = Publisher(settings.kafka_bootstrap, client_id)
        self.broker = KafkaBroker(
            settings.kafka_bootstrap,
            client_id=client_id,
            allow_auto_create_topics=False,
            apply_types=False,
            graceful_timeout=_GRACE_S,
            logger=None,
            middlewares=[*middlewares, *tracing],
        )
        self.consumers: list[Folding] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.instance = settings.instance
        self._process = process
        self._watch: asyncio.Task[None] | None = None
        if process:
            process.check("bus", self.fault)
            process.on_stop(self.stop)

    async def start(self) -> None:
        """Connect the publisher and start every consumer.

        Raises:
            DependencyDown: no broker answers.
        """
        await self.publisher.start()
        await self.broker.start()
        self._watch = asyncio.create_task(self._measure(), name="bus lag")

    async def stop(self) -> None:
        """Finish the batches in hand, commit them, send what is pending, disconnect."""
        if self._watch:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self.broker.stop()
        await self.publisher.stop()
        if self.failed.done() and not self.failed.cancelled():
            self.failed.exception()  # read: it was logged when it happened

    async def fault(self) -> str | None:
        """Return why the bus is not ready, or None: broker reachable AND every consumer moves."""
        try:
            reachable = await self.broker.ping(_PING_S)
        except (KafkaError, OSError) as e:
            return f"broker: {e!r}"
        if not reachable:
            return "broker does not answer"
        faults = [fault for consumer in self.consumers if (fault := await consumer.stuck())]
        return "; ".join(faults) or None

    def fail(self, message: str, error: BaseException) -> None:
        """Stop the process because a consumer cannot go on."""
        if self._process:
            self._process.fail(message, error)
        else:
            log.error(message, exc_info=error)
        if not self.failed.done():
            self.failed.set_exception(error)

    async def _measure(self, interval_s: float = 2.0) -> None:
        while True:
            await asyncio.sleep(interval_s)
            for consumer in self.consumers:
                await consumer.lag_s()


def connect(settings: ServiceSettings, client_id: str, process: Process | None = None) -> Bus:
    """Return the bus of this process, not yet started; with `process` its health and its end are wired too."""
    return Bus(settings, client_id, process)


def fold(
    bus: Bus,
    *topics: Topic,
    group: str,
    handler: Handler,
    rejects: Topic,
    restore: Restore | None = None,
    max_records: int = 2000,
    poll_ms: int = POLL_MS,
) -> Folding:
    """Feed `handler` with batches of all `topics`, in order of each partition, on one consumer.

    A record waits up to `poll_ms` where none came just before it: batches of a busy topic are larger for it.

    Offsets are committed after the handler returned. Its exception stops the process, uncommitted: recovery is
    start-up. With `restore`, newly owned partitions first get their state and the offsets it stands for.
    Undecodable records are parked on `rejects` and counted. A process with an instance name is a static member:
    restarted, even after a kill, it gets its partitions back at once instead of after the session's timeout.
    """
    folding = Folding(group, handler, bus.publisher, rejects, bus.fail, restore)
    subscriber = bus.broker.subscriber(
        *(topic.name for topic in topics),
        group_id=group,
        group_instance_id=f"{group}.{bus.instance}" if bus.instance else None,
        batch=True,
        batch_timeout_ms=poll_ms,
        max_records=max_records,
        max_partition_fetch_bytes=_PARTITION_FETCH_BYTES,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        partition_assignment_strategy=(RangePartitionAssignor,),
        listener=folding,
        decoder=raw_batch,
        no_reply=True,
        fetch_max_wait_ms=100,
    )
    subscriber(folding.take)
    folding.consumer = lambda: _consumer(subscriber)
    bus.consumers.append(folding)
    return folding


def react(
    bus: Bus,
    *topics: Topic,
    group: str,
    handler: Callable[[Record], Awaitable[None]],
    rejects: Topic,
    tries: int = 5,
    max_records: int = 100,
) -> Folding:
    """Feed `handler` with one event at a time; it must be idempotent.

    A failure is retried with backoff, and after `tries` the record is parked on `rejects`; offsets are committed
    after success or parking.
    """
    reaction = Reaction(handler, tries)
    reaction.folding = fold(bus, *topics, group=group, handler=reaction, rejects=rejects, max_records=max_records)
    return reaction.folding


def _consumer(subscriber: _Subscriber) -> AIOKafkaConsumer | None:
    return subscriber.consumer


def partitions_of(records: Sequence[Record]) -> dict[int, list[Record]]:
    """Group a batch by partition number, keeping the order within each."""
    grouped: dict[int, list[Record]] = {}
    for record in records:
        grouped.setdefault(record.partition, []).append(record)
    return grouped
