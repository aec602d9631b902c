"""The two ways to consume: folding (stateful, ordered, stops on failure) and reacting (one event, retried, parked)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from msgspec import Struct
from prometheus_client import Counter, Gauge, Histogram

from libs.common.bus.codec import CodecError, decode, encode
from libs.common.bus.publisher import Publisher
from libs.common.bus.topics import Topic
from libs.common.events import Event, Reject
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s, now_ns

log = logging.getLogger(__name__)

CONSUMED: Final = Counter("csx_bus_consumed_total", "Records folded or reacted to.", ["group", "topic"])
PARKED: Final = Counter("csx_bus_parked_total", "Records that could not be processed.", ["group", "topic", "reason"])
RETRIED: Final = Counter("csx_bus_retried_total", "Handlings tried again.", ["group", "topic"])
REBALANCED: Final = Counter("csx_bus_rebalances_total", "Assignments taken.", ["group"])
LAG: Final = Gauge("csx_bus_lag_records", "Records on the broker not yet handled.", ["group", "topic", "partition"])
LATE: Final = Gauge("csx_bus_lag_seconds", "Age of the newest record handled, while others wait; 0 else.", ["group"])
HANDLING: Final = Histogram("csx_bus_batch_seconds", "Time to handle one batch.", ["group"])

_STUCK_AFTER_S: Final = 30.0
_PAYLOAD_CHARACTERS: Final = 4096


class Record(Struct, frozen=True):
    """One decoded record and where it stood."""

    topic: str
    partition: int
    offset: int
    key: bytes
    event: Event
    timestamp_ms: int = 0
    """When the broker, or who published it, says it was; 0 where nobody does."""


Handler: TypeAlias = Callable[[Sequence[Record]], Awaitable[None]]
Restore: TypeAlias = Callable[[frozenset[int]], Awaitable[Mapping[TopicPartition, int]]]
"""Called with the partition numbers this process now owns, before any record of them; returns where to go on."""


class Folding(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
    """One consumer's state: what it owns, where it stands, and whether it moves."""

    def __init__(
        self,
        group: str,
        handler: Handler,
        publisher: Publisher,
        rejects: Topic,
        fail: Callable[[str, BaseException], None],
        restore: Restore | None,
    ) -> None:
        self.group = group
        self._handler = handler
        self._publisher = publisher
        self._rejects = rejects
        self._fail = fail
        self._restore = restore
        self._lock = asyncio.Lock()
        self._failed = False
        self._moved_s = monotonic_s()
        self._late_s = 0.0
        self.owned: frozenset[TopicPartition] = frozenset()
        self._reached: dict[TopicPartition, int] = {}
        self.consumer: Callable[[], AIOKafkaConsumer | None] = lambda: None

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Wait for the batch in hand: its offsets are still ours."""
        async with self._lock:
            for part in revoked:
                LAG.remove(self.group, part.topic, str(part.partition))
            self.owned = frozenset()
            self._reached.clear()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Restore the state of what is ours now and go to the offsets it stands for."""
        async with self._lock:
            REBALANCED.labels(self.group).inc()
            for part in assigned:
                LAG.labels(self.group, part.topic, str(part.partition)).set(0)
            if self._restore and not self._failed:
                try:
                    offsets = await self._restore(frozenset(part.partition for part in assigned))
                except Exception as e:  # noqa: BLE001  (`fail` logs it and ends the process)
                    self._stop("state could not be restored", e)
                    return
                for part, offset in offsets.items():
                    if part in assigned and (consumer := self.consumer()):
                        consumer.seek(part, offset)
                self._reached = {part: offset for part, offset in offsets.items() if part in assigned}
            self.owned = frozenset(assigned)
            self._moved_s = monotonic_s()

    async def take(self, batch: Sequence[ConsumerRecord]) -> None:
        """Handle one fetched batch and commit it; a failure stops the process, uncommitted."""
        async with self._lock:
            consumer = self.consumer()
            if self._failed or consumer is None:
                return
            current = await self._current(consumer, batch)
            if not current:
                return
            began_s = monotonic_s()
            for record in current:
                self._reached[TopicPartition(record.topic, record.partition)] = record.offset + 1
            try:
                await self._handler(await self._decode(current))
            except Exception as e:  # noqa: BLE001  (`fail` logs it and ends the process)
                self._stop("batch could not be handled", e)
                return
            HANDLING.labels(self.group).observe(monotonic_s() - began_s)
            for record in current:
                CONSUMED.labels(self.group, record.topic).inc()
            await self._commit(consumer, current)
            self._moved_s = monotonic_s()
            newest_ms = max(record.timestamp or 0 for record in current)
            self._late_s = max(0.0, now_ns() / 1e9 - newest_ms / 1e3) if newest_ms > 0 else 0.0

    def _stop(self, message: str, error: Exception) -> None:
        self._failed = True
        self._fail(f"{self.group}: {message}", error)

    async def _current(self, consumer: AIOKafkaConsumer, batch: Sequence[ConsumerRecord]) -> list[ConsumerRecord]:
        """Drop records fetched before a rebalance: not ours any more, or ours again but not yet reached."""
        reached: dict[TopicPartition, int] = {}
        for part in {TopicPartition(record.topic, record.partition) for record in batch}:
            if part in self.owned:
                try:
                    reached[part] = await consumer.position(part)
                except IllegalStateError:
                    continue  # lost between the fetch and now
        return [
            record for record in batch if record.offset < reached.get(TopicPartition(record.topic, record.partition), 0)
        ]

    async def _decode(self, batch: Sequence[ConsumerRecord]) -> list[Record]:
        records: list[Record] = []
        for raw in batch:
            try:
                event = decode(raw.value or b"")
            except CodecError as e:
                await self.park(raw.topic, raw.partition, raw.offset, raw.value or b"", "decode", str(e))
            else:
                key, timestamp_ms = raw.key or b"", max(0, raw.timestamp or 0)
                records.append(Record(raw.topic, raw.partition, raw.offset, key, event, timestamp_ms))
        return records

    async def park(self, topic: str, partition: int, offset: int, payload: bytes, reason: str, detail: str) -> None:
        """Put a record that cannot be processed on the rejects topic, with its reason."""
        PARKED.labels(self.group, topic, reason).inc()
        where = f"{topic}/{partition}/{offset}"
        log.warning("parked a record", extra={"record": where, "reason": reason, "detail": detail})
        reject = Reject(
            reason=reason,
            detail=detail,
            origin_of=where,
            at_ns=now_ns(),
            payload=payload[:_PAYLOAD_CHARACTERS].decode("utf-8", "backslashreplace"),
            context={"group": self.group},
        )
        await self._publisher.publish([reject], topic=self._rejects)

    async def _commit(self, consumer: AIOKafkaConsumer, batch: Sequence[ConsumerRecord]) -> None:
        offsets: dict[TopicPartition, int] = {}
        for record in batch:
            part = TopicPartition(record.topic, record.partition)
            offsets[part] = max(offsets.get(part, 0), record.offset + 1)
        try:
            await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as e:
            log.warning("partitions moved before the commit; their new owner sees the batch again", exc_info=e)
        except KafkaError as e:
            log.warning("commit failed; it is made up for by the next one", exc_info=e)

    async def caught_up(self) -> frozenset[TopicPartition]:
        """Return the owned partitions of which the handler has seen everything on the broker, as far as we know.

        The consumer's own position says less: it is already past a batch that still waits for its turn.
        """
        consumer = self.consumer()
        if consumer is None:
            return frozenset()
        found: set[TopicPartition] = set()
        for part in self.owned:
            highwater = consumer.highwater(part)
            if highwater is None:
                continue
            reached = self._reached.get(part)
            if (await consumer.position(part) if reached is None else reached) >= highwater:
                found.add(part)
        return frozenset(found)

    async def between_batches(self, step: Callable[[], Awaitable[None]]) -> None:
        """Run `step` while no batch is in hand and no rebalance goes on; its failure stops the process."""
        async with self._lock:
            if self._failed:
                return
            try:
                await step()
            except Exception as e:  # noqa: BLE001  (`fail` logs it and ends the process)
                self._stop("step between batches failed", e)

    async def lag(self) -> int:
        """Return how many records wait on the broker, and set the metric; 0 for what is not known yet."""
        consumer, total = self.consumer(), 0
        if consumer is None:
            return 0
        for part in self.owned:
            try:
                highwater = consumer.highwater(part)
                async with asyncio.timeout(0.5):  # before 3.12 `wait_for` may swallow the order to stop
                    behind = max(0, (highwater or 0) - await consumer.position(part))
            except (IllegalStateError, TimeoutError, KafkaError):
                continue
            LAG.labels(self.group, part.topic, str(part.partition)).set(behind)
            total += behind
        return total

    async def lag_s(self) -> float:
        """Return how old the newest record was that was handled last, while others wait; 0 when none does.

        A consumer that does not move at all says so in `stuck`.
        """
        late_s = self._late_s if await self.lag() else 0.0
        LATE.labels(self.group).set(late_s)
        return late_s

    async def stuck(self) -> str | None:
        """Return why the consumer does not move, or None."""
        if self._failed:
            return f"{self.group} failed"
        if self.consumer() is None:
            return f"{self.group} has not started"
        behind, still_s = await self.lag(), monotonic_s() - self._moved_s
        if behind and still_s > _STUCK_AFTER_S:
            return f"{self.group} is {behind} records behind and has not moved for {still_s:.0f} s"
        return None


class Reaction:
    """Handles one event at a time: retried with backoff, then parked, so that one event cannot stop the others."""

    def __init__(self, handler: Callable[[Record], Awaitable[None]], tries: int) -> None:
        self._handler = handler
        self._tries = tries
        self.folding: Folding | None = None

    async def __call__(self, records: Sequence[Record]) -> None:
        """Handle each of `records` in order."""
        for record in records:
            await self._one(record)

    async def _one(self, record: Record) -> None:
        assert self.folding is not None
        backoff = Backoff(0.1, 5.0)
        for attempt in range(1, self._tries + 1):
            try:
                await self._handler(record)
            except Exception as e:  # whatever the handler raises is retried, then parked: nothing may stop the others
                log.exception("handling failed", extra={"attempt": attempt, "topic": record.topic})
                if attempt == self._tries:
                    await self.folding.park(
                        record.topic, record.partition, record.offset, encode(record.event), "handler", repr(e)
                    )
                    return
                RETRIED.labels(self.folding.group, record.topic).inc()
                await asyncio.sleep(backoff.next_s())
            else:
                return


def raw_batch(message: Any) -> Any:
    """Return the records as fetched: FastStream's decoder hook, so that decoding happens once and here."""
    return message.raw_message
