"""What a partition was before: its newest snapshot, and the journaled batches folded since, read from the broker."""

import logging

from msgspec import Struct

from libs.common.bus import topics
from libs.common.bus.reading import Reader
from services.signals import metrics
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine
from services.signals.merge import Arrived
from services.signals.partition import Partition
from services.signals.past import Forgotten, batches, entries, newest_snapshot, partition_from
from services.signals.snapshots import SnapshotError

log = logging.getLogger(__name__)


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
    snapshot = await newest_snapshot(reader, number, config)
    first, last = await reader.bounds(topics.JOURNAL, number)
    start = snapshot.journal_offset if snapshot else 0
    if start >= first:
        partition = partition_from(number, snapshot, config)
        partition.journal_offset = last
        try:
            journal = [entry async for entry in entries(reader, number, start, last)]
            replay = await batches(reader, partition, journal)
        except (Forgotten, SnapshotError):
            log.exception("the journal cannot be replayed", extra={"partition": number})
        else:
            found = "snapshot" if snapshot else ("journal" if replay else "nothing")
            metrics.RECOVERIES.labels(found).inc()
            return Recovered(partition, replay, cold=False)
    metrics.RECOVERIES.labels("incomplete").inc()
    log.warning("starting cold", extra={"partition": number})
    partition = Partition(number, Engine(config))
    partition.journal_offset = last
    return Recovered(partition, [], cold=True)
