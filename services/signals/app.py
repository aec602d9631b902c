"""The signals service: market events in, candles, readings, signals and verdicts out; the thinking is in `engine`."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import TopicPartition

from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.kafka import Bus, Folding, Record, connect, fold
from libs.common.bus.reading import Reader
from libs.common.events import Event, LayerReading, Profile, Signal
from libs.common.runtime.clock import monotonic_s, now_ns
from libs.common.runtime.process import Process
from services.signals import metrics
from services.signals.judge import Rules, judge
from services.signals.merge import Arrived
from services.signals.partition import PAUSE_ABOVE, RESUME_BELOW, Output, Partition
from services.signals.profiling import Profiling
from services.signals.recovery import recover
from services.signals.settings import Settings
from services.signals.snapshots import Snapshot, describe, pack, pack_folded, snapshot_key

log = logging.getLogger(__name__)

_CHUNK: Final = 1_000
"""Most records folded between two looks at the event loop."""
_TICK_S: Final = 0.05


class SignalsService:
    """The shell around the engines of the partitions that this process owns."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._bus = bus
        self._settings = settings
        self._config = settings.engine()
        self._rules = Rules(
            min_score=settings.min_score,
            min_confidence=settings.min_confidence,
            min_reward_to_risk=settings.min_reward_to_risk,
        )
        self._profiling = Profiling()
        self._partitions: dict[int, Partition] = {}
        self._snapshot_s: dict[int, float] = {}
        self._folding: Folding = fold(
            bus,
            *topics.MARKET,
            group=settings.group,
            handler=self._on_batch,
            rejects=topics.SIGNALS_REJECTS,
            restore=self._restore,
        )

    async def tick(self) -> None:
        """Fold what was held back once nothing can precede it; snapshots fall due here in a silent market too."""
        while True:
            await asyncio.sleep(_TICK_S)
            await self._folding.between_batches(self._advance)

    async def snapshot_all(self) -> None:
        """Write the state of every partition that changed."""
        await self._folding.between_batches(self._snapshot_dirty)

    async def _on_batch(self, records: Sequence[Record]) -> None:
        for record in records:
            if partition := self._partitions.get(record.partition):
                partition.take(Arrived(record.topic, record.offset, record.event))
        await self._advance()

    async def _advance(self) -> None:
        caught_up = await self._folding.caught_up()
        for number, partition in self._partitions.items():
            done = {part.topic for part in caught_up if part.partition == number}
            released = partition.release(done)
            for start in range(0, len(released), _CHUNK):
                await self._fold(partition, released[start : start + _CHUNK])
                await asyncio.sleep(0)
            self._steer(partition)
            metrics.HELD_BACK.labels(str(number)).set(partition.held_back)
            if partition.dirty and monotonic_s() - self._snapshot_s.get(number, 0.0) >= self._settings.snapshot_every_s:
                await self._snapshot(partition)

    def _steer(self, partition: Partition) -> None:
        """Stop fetching a topic that is far ahead of the others, so that what is held back stays bounded."""
        consumer = self._folding.consumer()
        if consumer is None:
            return
        paused = consumer.paused()
        for topic, waiting in partition.waiting().items():
            part = TopicPartition(topic, partition.number)
            if waiting > PAUSE_ABOVE and part not in paused:
                consumer.pause(part)
            elif waiting < RESUME_BELOW and part in paused:
                consumer.resume(part)

    async def _fold(self, partition: Partition, batch: list[Arrived]) -> None:
        entry = describe(partition.number, [(arrived.topic, arrived.offset) for arrived in batch])
        offset = await self._bus.publisher.put(
            topics.JOURNAL, str(partition.number).encode(), pack_folded(entry), partition=partition.number
        )
        partition.journal_offset = offset + 1
        with metrics.FOLD_SECONDS.time():
            outputs, rejects = partition.fold(batch)
        await self._bus.publisher.publish(self._said(outputs))
        await self._bus.publisher.publish(self._profiles(partition, batch))
        await self._bus.publisher.publish(rejects, topic=topics.SIGNALS_REJECTS)
        now = now_ns()
        for output in outputs:
            if isinstance(output, Signal):
                metrics.SIGNAL_DELAY.observe(max(0, now - batch[-1].received_ns) / 1e9)

    def _said(self, outputs: Sequence[Output]) -> list[Event]:
        """Return what is published for `outputs`: themselves, and a verdict after each signal."""
        said: list[Event] = []
        for output in outputs:
            metrics.OUTPUTS.labels(type(output).__name__).inc()
            said.append(output)
            if isinstance(output, Signal):
                if output.abstained:
                    metrics.ABSTAINED.labels(output.timeframe).inc()
                verdict = judge(output, self._rules, now_ns())
                metrics.VERDICTS.labels(verdict.decision).inc()
                said.append(verdict)
        return said

    def _profiles(self, partition: Partition, batch: list[Arrived]) -> list[Profile]:
        """Return what is due of the heatmaps; they are read beside the engine, and no part of what it said."""
        profiles = self._profiling.due(partition.engine, batch)
        metrics.PROFILES.inc(len(profiles))
        return profiles

    async def _snapshot_dirty(self) -> None:
        for partition in self._partitions.values():
            if partition.dirty:
                await self._snapshot(partition)

    async def _snapshot(self, partition: Partition) -> None:
        taken_ns = now_ns()
        data = pack(
            Snapshot(
                partition=partition.number,
                offsets=partition.offsets,
                journal_offset=partition.journal_offset,
                engine=partition.engine.dump(),
                taken_ns=taken_ns,
            )
        )
        await self._bus.publisher.put(topics.STATE, snapshot_key(taken_ns), data, partition=partition.number)
        partition.dirty = False
        self._snapshot_s[partition.number] = monotonic_s()
        metrics.SNAPSHOTS.labels(str(partition.number)).inc()
        metrics.SNAPSHOT_BYTES.labels(str(partition.number)).set(len(data))

    async def _restore(self, numbers: frozenset[int]) -> Mapping[TopicPartition, int]:
        """Bring our partitions to where their journals end, and say again what a crash may have cut off."""
        self._partitions.clear()
        offsets: dict[TopicPartition, int] = {}
        async with Reader(self._settings.kafka_bootstrap, "csx-signals-recovery") as reader:
            for number in sorted(numbers):
                recovered = await recover(reader, number, self._config)
                partition = recovered.partition
                for batch in recovered.batches:
                    await self._say_again(partition, batch)
                self._partitions[number] = Partition.at(partition)
                for topic in topics.MARKET:
                    at = partition.offsets.get(topic.name)
                    if at is None and (topic is topics.CANDLES or not recovered.cold):
                        at, _ = await reader.bounds(topic, number)
                    if at is not None:
                        offsets[TopicPartition(topic.name, number)] = at
        log.info("took partitions", extra={"partitions": sorted(numbers)})
        return offsets

    async def _say_again(self, partition: Partition, batch: list[Arrived]) -> None:
        outputs, _ = partition.fold(batch)
        metrics.REPLAYED.inc(len(batch))
        await self._bus.publisher.publish(
            self._said([output for output in outputs if not isinstance(output, LayerReading)])
        )


async def main(process: Process, settings: Settings) -> None:
    """Wire the service into `process`."""
    await ensure_topics(settings.kafka_bootstrap, topics.TOPICS)
    bus = connect(settings, "csx-signals", process)
    service = SignalsService(bus, settings)
    process.on_stop(service.snapshot_all)
    await bus.start()
    process.spawn(service.tick(), name="tick")
