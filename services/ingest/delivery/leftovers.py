"""A directory in, the ring in it and what an earlier run left there out; none where it cannot be used."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from services.ingest import metrics
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.ledger import Ledger
from services.ingest.delivery.publisher import Mark, mark_of
from services.ingest.delivery.ring import Ring
from services.ingest.delivery.segments import Found
from services.ingest.delivery.spill import Spill
from services.ingest.settings import Settings

log = logging.getLogger(__name__)

_MIB = 2**20


class Leftovers(Struct):
    """An open ring."""

    ring: Ring
    found: list[Found]

    def spill(
        self, venue: str, buffer: Buffer, ledger: Ledger, marks: Mapping[str, Mark], settings: Settings
    ) -> tuple[Spill, dict[str, Mark]]:
        """Return what goes on with the ring, and `marks` as they will be once what is left is published."""
        spill = Spill(venue, self.ring, buffer, ledger, origin=settings.origin, grace_s=settings.spill_after_s)
        spill.begin(self.found, {symbol: mark.event_ns for symbol, mark in marks.items()})
        return spill, dict(marks) | {symbol: mark_of(trade) for symbol, trade in spill.kept.items()}


async def leftovers(folder: Path | None, mib: int, venue: str) -> Leftovers | None:
    """Open the venue's ring in `folder`, at most `mib` MiB.

    A directory that cannot be used is told, and everything waits in the buffer while the broker is away: it would
    be as useless after a restart.
    """
    if folder is None:
        return None
    ring = Ring(folder / venue, mib * _MIB)
    try:
        found = await asyncio.to_thread(ring.open)
    except OSError:
        metrics.SPILL_USABLE.labels(venue).set(0)
        log.exception("nothing goes to disk while the broker is away: mend CSX_INGEST_SPILL_DIR")
        ring.abandon()
        return None
    metrics.SPILL_USABLE.labels(venue).set(1)
    return Leftovers(ring, found)
