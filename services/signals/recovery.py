"""What a partition was before: its newest snapshot, and the journaled batches folded since, read from the broker."""

import logging
from collections import deque
from collections.abc import AsyncIterator

from msgspec import Struct

from libs.common.bus import topics
from libs.common.bus.codec import CodecError, decode
from libs.common.bus.reading import Raw, Reader
from services.signals import metrics
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine, EngineStateError
from services.signals.merge import Arrived
from services.signals.partition import Partition
from services.signals.snapshots import Folded, Snapshot, SnapshotError, unpack, unpack_folded

log = logging.getLogger(__name__)

_BY_NAME = {topic.name: topic for topic in topics.MARKET}


class _Incomplete(Exception):
    """The log does not hold any more what the journal names."""


class Recovered(Struct):
    """A partition as it stood, and the batches to fold again before it stands where its journal ends."""

    partition: Partition
    batches: list[list[Arrived]]
    cold: bool
    """True: something was kept, but nothing usable; the past is not read again but for its candles."""


async def recover(reader: Reader, number: int, config: EngineConfig) -> Recovered:
    """Return partition `number` as its newest usable snapshot and its journal leave it.

    Raises:
        DependencyDown: the broker went away.
    """
    snapshot = await _newest(reader, number, config)
    first, last = await reader.bounds(topics.JOURNAL, number)
    start = snapshot.journal_offset if snapshot else 0
    if start >= first:
        partition = _from(number, snapshot, config)
        partition.journal_offset = last
        try:
            entries = [entry async for entry in _entries(reader, number, start, last)]
            batches = await _batches(reader, partition, entries)
        except (_Incomplete, SnapshotError):
            log.exception("the journal cannot be replayed", extra={"partition": number})
        else:
            found = "snapshot" if snapshot else ("journal" if batches else "nothing")
            metrics.RECOVERIES.labels(found).inc()
            return Recovered(partition, batches, cold=False)
    metrics.RECOVERIES.labels("incomplete").inc()
    log.warning("starting cold", extra={"partition": number})
    partition = Partition(number, Engine(config))
    partition.journal_offset = last
    return Recovered(partition, [], cold=True)


def _from(number: int, snapshot: Snapshot | None, config: EngineConfig) -> Partition:
    if snapshot is None:
        return Partition(number, Engine(config))
    return Partition(number, Engine.load(snapshot.engine, config), snapshot.offsets)


async def _newest(reader: Reader, number: int, config: EngineConfig) -> Snapshot | None:
    found: Snapshot | None = None
    async for raw in reader.read_all(topics.STATE, number):
        try:
            snapshot = unpack(raw.value or b"")
            Engine.load(snapshot.engine, config)
        except (SnapshotError, EngineStateError) as e:
            log.warning("a snapshot is of no use", extra={"partition": number, "offset": raw.offset, "why": str(e)})
        else:
            found = snapshot
    return found


async def _entries(reader: Reader, number: int, start: int, end: int) -> AsyncIterator[Folded]:
    async for raw in reader.read(topics.JOURNAL, number, start, end):
        yield unpack_folded(raw.value or b"")


async def _batches(reader: Reader, partition: Partition, entries: list[Folded]) -> list[list[Arrived]]:
    """Return the records of `entries`, batch by batch, in the journaled order."""
    entries = _continuing(partition, entries)
    raws = await _ranges(reader, partition, entries)
    batches: list[list[Arrived]] = []
    for entry in entries:
        batch: list[Arrived] = []
        for index, count in entry.order:
            waiting = raws[entry.topics[index]]
            for _ in range(count):
                if not waiting or waiting[0].offset >= entry.ends[index]:
                    raise _Incomplete(f"{entry.topics[index]}/{partition.number} before {entry.ends[index]}")
                batch.append(_arrived(entry.topics[index], waiting.popleft()))
        batches.append(batch)
    return batches


def _continuing(partition: Partition, entries: list[Folded]) -> list[Folded]:
    """Leave out what a worker wrote that had already lost the partition: its ranges do not continue the others."""
    reached = dict(partition.offsets)
    kept: list[Folded] = []
    for entry in entries:
        if any(start < reached.get(topic, 0) for topic, start in zip(entry.topics, entry.starts, strict=True)):
            log.warning("skipped a journal entry that overlaps", extra={"partition": partition.number})
            continue
        reached |= dict(zip(entry.topics, entry.ends, strict=True))
        kept.append(entry)
    return kept


async def _ranges(reader: Reader, partition: Partition, entries: list[Folded]) -> dict[str, deque[Raw]]:
    spans: dict[str, tuple[int, int]] = {}
    for entry in entries:
        for topic, start, end in zip(entry.topics, entry.starts, entry.ends, strict=True):
            spans[topic] = (spans.get(topic, (start, 0))[0], end)
    return {
        topic: deque([raw async for raw in reader.read(_BY_NAME[topic], partition.number, start, end)])
        for topic, (start, end) in spans.items()
    }


def _arrived(topic: str, raw: Raw) -> Arrived:
    try:
        return Arrived(topic, raw.offset, decode(raw.value or b""))
    except CodecError as e:  # an undecodable record was parked then and is no part of any entry
        raise _Incomplete(f"{topic} at {raw.offset} does not decode: {e}") from e
