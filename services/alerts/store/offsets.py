"""Where the reading of a topic stands, kept in PostgreSQL beside what the records led to."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from services.alerts import metrics

log = logging.getLogger(__name__)

_STORED: Final = "SELECT partition, next_offset FROM alerts.offsets WHERE topic = $1 AND partition = ANY($2::int[])"
_SET: Final = "UPDATE alerts.offsets SET next_offset = $3 WHERE topic = $1 AND partition = $2"
_MEET: Final = """
INSERT INTO alerts.offsets (topic, partition) SELECT $1, unnest($2::int[]) ON CONFLICT DO NOTHING
"""
_LOCK: Final = """
SELECT partition, next_offset FROM alerts.offsets
WHERE topic = $1 AND partition = ANY($2::int[])
ORDER BY partition
FOR UPDATE
"""


async def stored(
    pool: "asyncpg.Pool[asyncpg.Record]", topic: str, log_of: Mapping[int, tuple[int, int]]
) -> dict[int, int]:
    """Return where to go on in each partition that was read before; `log_of` tells (first, end) of its log.

    A place beyond the end of the log is of a topic that was there before this one: reading begins at its first record.
    """
    rows = await pool.fetch(_STORED, topic, sorted(log_of))
    places = {row["partition"]: row["next_offset"] for row in rows}
    for partition, place in places.items():
        first, end = log_of[partition]
        if place > end:
            log.warning("the topic ends before our place in it: reading it anew", extra={"partition": partition})
            metrics.OFFSET_RESETS.labels(topic).inc()
            await pool.execute(_SET, topic, partition, first)
            places[partition] = first
    return places


async def lock(connection: Any, topic: str, partitions: list[int]) -> dict[int, int]:
    """Return the next offset of each partition, and keep them from all others until the transaction ends."""
    await connection.execute(_MEET, topic, sorted(partitions))
    rows = await connection.fetch(_LOCK, topic, sorted(partitions))
    return {row["partition"]: row["next_offset"] for row in rows}


async def advance(connection: Any, topic: str, reached: Mapping[int, int]) -> None:
    """Write where the reading stands now."""
    await connection.executemany(_SET, [(topic, partition, place) for partition, place in sorted(reached.items())])
