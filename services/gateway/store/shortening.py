"""Tables are kept short: what was folded too long ago is deleted, in small steps, by one replica at a time."""

from typing import Any, Final

from msgspec import Struct

from libs.common.events import DAY_NS


class Kept(Struct, frozen=True):
    """How long rows of one table are kept after they were folded, by our clock.

    Not by their event time: recorded and simulated markets have times of another day.
    """

    name: str
    delete: str
    """Deletes at most $2 rows that were folded before $1."""
    age_ns: int


_STEP: Final = 10_000
_LOCK: Final = 0x6373_785F_6B65_6570

KEPT: Final = (
    Kept(
        "readings of ticks and one-minute bars",
        "DELETE FROM gateway.readings WHERE ctid = ANY(ARRAY(SELECT ctid FROM gateway.readings "
        "WHERE seen_ns < $1 AND timeframe IN ('', '1m') LIMIT $2))",
        2 * DAY_NS,
    ),
    Kept(
        "readings of longer bars",
        "DELETE FROM gateway.readings WHERE ctid = ANY(ARRAY(SELECT ctid FROM gateway.readings "
        "WHERE seen_ns < $1 LIMIT $2))",
        7 * DAY_NS,
    ),
    Kept(
        "structures",
        "DELETE FROM gateway.structures WHERE ctid = ANY(ARRAY(SELECT ctid FROM gateway.structures "
        "WHERE seen_ns < $1 LIMIT $2))",
        31 * DAY_NS,
    ),
    Kept(
        "liquidations",
        "DELETE FROM gateway.liquidations WHERE ctid = ANY(ARRAY(SELECT ctid FROM gateway.liquidations "
        "WHERE seen_ns < $1 LIMIT $2))",
        31 * DAY_NS,
    ),
    Kept(
        "funding",
        "DELETE FROM gateway.funding WHERE ctid = ANY(ARRAY(SELECT ctid FROM gateway.funding "
        "WHERE seen_ns < $1 LIMIT $2))",
        31 * DAY_NS,
    ),
    Kept(
        "marks",
        "DELETE FROM gateway.marks WHERE ctid = ANY(ARRAY(SELECT ctid FROM gateway.marks WHERE seen_ns < $1 LIMIT $2))",
        31 * DAY_NS,
    ),
    Kept(
        "open interest",
        "DELETE FROM gateway.open_interest WHERE ctid = ANY(ARRAY(SELECT ctid FROM gateway.open_interest "
        "WHERE seen_ns < $1 LIMIT $2))",
        31 * DAY_NS,
    ),
    Kept(
        "quality",
        "DELETE FROM gateway.quality WHERE ctid = ANY(ARRAY(SELECT ctid FROM gateway.quality "
        "WHERE seen_ns < $1 LIMIT $2))",
        31 * DAY_NS,
    ),
    Kept(
        "metrics",
        "DELETE FROM gateway.metrics WHERE ctid = ANY(ARRAY(SELECT ctid FROM gateway.metrics "
        "WHERE seen_ns < $1 LIMIT $2))",
        400 * DAY_NS,
    ),
)
"""All else is kept: candles, holes, signals, verdicts, outcomes; instruments and profiles hold one row each."""


async def shorten(pool: Any, now_ns: int, *, step: int = _STEP) -> dict[str, int]:
    """Delete what is too old; returns how many rows by name, nothing while another replica is at it."""
    gone: dict[str, int] = {}
    async with pool.acquire() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            return gone
        try:
            for kept in KEPT:
                gone[kept.name] = 0
                while True:
                    done = int((await connection.execute(kept.delete, now_ns - kept.age_ns, step)).split()[-1])
                    gone[kept.name] += done
                    if done < step:
                        break
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return gone
