"""What the broker keeps of one partition's past: snapshots, and journaled batches with the records they name."""

import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final

from libs.common.bus import topics
from libs.common.bus.codec import CodecError, decode
from libs.common.bus.reading import Raw, Reader
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine, EngineStateError
from services.signals.merge import Arrived
from services.signals.partition import Partition
from services.signals.snapshots import Folded, Snapshot, SnapshotError, unpack, unpack_folded

log = logging.getLogger(__name__)

_BY_NAME: Final = {topic.name: topic for topic in topics.MARKET}
_FIRST_LOOK: Final = 4
"""Records of the state that are read first, from its end; then twice as many, and so on."""


class Forgotten(Exception):
    """The log does not hold any more what the journal names."""


async def newest_snapshot(reader: Reader, number: int, config: EngineConfig) -> Snapshot | None:
    """Return the newest snapshot of partition `number` that this engine can go on from."""
    first, end = await reader.bounds(topics.STATE, number)
    look = _FIRST_LOOK
    while end > first:
        start = max(first, end - look)
        raws = [raw async for raw in reader.read(topics.STATE, number, start, end)]
        for raw in reversed(raws):
            if snapshot := usable(raw, number, config):
                return snapshot
        end, look = start, look * 2
    return None


def usable(raw: Raw, number: int, config: EngineConfig) -> Snapshot | None:
    """Return the snapshot in a record; None, and why in the log, when this engine cannot go on from it."""
    try:
        snapshot = unpack(raw.value or b"")
        Engine.load(snapshot.engine, config)
    except (SnapshotError, EngineStateError) as e:
        log.warning("a snapshot is of no use", extra={"partition": number, "offset": raw.offset, "why": str(e)})
        return None
    return snapshot


def partition_from(number: int, snapshot: Snapshot | None, config: EngineConfig) -> Partition:
    """Return partition `number` as `snapshot` leaves it, or as it was before anything was folded."""
    if snapshot is None:
        return Partition(number, Engine(config))
    return Partition(number, Engine.load(snapshot.engine, config), snapshot.offsets)


async def entries(reader: Reader, number: int, start: int, end: int) -> AsyncIterator[Folded]:
    """Yield the journal of partition `number` between two of its offsets.

    Raises:
        SnapshotError: an entry is damaged.
    """
    async for raw in reader.read(topics.JOURNAL, number, start, end):
        yield unpack_folded(raw.value or b"")


async def batches(reader: Reader, partition: Partition, journal: Sequence[Folded]) -> list[list[Arrived]]:
    """Return the records of `journal`, which continues `partition`, batch by batch, in the journaled order.

    Raises:
        Forgotten: the log does not hold them all.
    """
    journal = _continuing(partition, journal)
    raws = await _ranges(reader, partition, journal)
    found: list[list[Arrived]] = []
    for entry in journal:
        batch: list[Arrived] = []
        for index, count in entry.order:
            waiting = raws[entry.topics[index]]
            for _ in range(count):
                if not waiting or waiting[0].offset >= entry.ends[index]:
                    raise Forgotten(f"{entry.topics[index]}/{partition.number} before {entry.ends[index]}")
                batch.append(_arrived(entry.topics[index], waiting.popleft()))
        found.append(batch)
    return found


def _continuing(partition: Partition, journal: Sequence[Folded]) -> list[Folded]:
    """Leave out what a worker wrote that had already lost the partition: its ranges do not continue the others."""
    reached = dict(partition.offsets)
    kept: list[Folded] = []
    for entry in journal:
        if any(start < reached.get(topic, 0) for topic, start in zip(entry.topics, entry.starts, strict=True)):
            log.warning("skipped a journal entry that overlaps", extra={"partition": partition.number})
            continue
        reached |= dict(zip(entry.topics, entry.ends, strict=True))
        kept.append(entry)
    return kept


async def _ranges(reader: Reader, partition: Partition, journal: Sequence[Folded]) -> dict[str, deque[Raw]]:
    spans: dict[str, tuple[int, int]] = {}
    for entry in journal:
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
        raise Forgotten(f"{topic} at {raw.offset} does not decode: {e}") from e
