"""The end of ingest.quality.v1 in, the newest report of each venue out."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final

from aiokafka.errors import KafkaError

from libs.common.bus.codec import CodecError, decode
from libs.common.bus.reading import Reader
from libs.common.bus.topics import QUALITY
from libs.common.events import SECOND_NS, FeedQuality
from libs.common.runtime.clock import now_ns
from libs.common.runtime.errors import DependencyDown

log = logging.getLogger(__name__)

CHUNK: Final = 500
LOOK_BACK_NS: Final = 3600 * SECOND_NS
"""Who said nothing for longer is not expected to run; asked for by name, it is looked for further back."""
MOST: Final = 50_000
"""Records that are looked at."""


class Reports:
    """The newest report of each venue; `refresh` reads what came since the last time."""

    def __init__(
        self,
        reader: Reader,
        venues: Collection[str] = (),
        *,
        chunk: int = CHUNK,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        """`venues`: only these; all that spoke in the last hour where empty. `chunk`: records read back at once."""
        self._chunk = chunk
        self._reader = reader
        self._venues = frozenset(venues)
        self._clock = clock
        self._newest: dict[str, FeedQuality] = {}
        self._end: int | None = None

    async def refresh(self) -> list[FeedQuality]:
        """Return the newest report of each venue, by name.

        Raises:
            DependencyDown: the broker went away.
        """
        try:
            if not await self._reader.knows(QUALITY):
                return []
            first, end = await self._reader.bounds(QUALITY, 0)
        except (KafkaError, OSError) as e:
            raise DependencyDown(f"the broker does not tell the bounds of {QUALITY.name}: {e!r}") from e
        if self._end is not None:
            await self._read(self._end, end)
        else:
            await self._read_back(first, end)
        self._end = end
        since_ns = self._clock() - LOOK_BACK_NS
        return [
            report
            for name, report in sorted(self._newest.items())
            if name in self._venues or (not self._venues and report.event_ns >= since_ns)
        ]

    async def _read_back(self, first: int, end: int) -> None:
        since_ns = self._clock() - LOOK_BACK_NS
        start = end
        while start > max(first, end - MOST):
            until, start = start, max(first, start - self._chunk)
            oldest_ns = await self._read(start, until)
            if oldest_ns is not None and oldest_ns < since_ns and self._venues <= set(self._newest):
                return

    async def _read(self, start: int, end: int) -> int | None:
        """Keep the newest of each venue in [start, end); return the time of the oldest."""
        oldest_ns: int | None = None
        async for raw in self._reader.read(QUALITY, 0, start, end):
            try:
                report = decode(raw.value or b"")
            except CodecError as e:
                log.warning("unreadable report: it is passed over", extra={"offset": raw.offset, "reason": str(e)})
                continue
            if not isinstance(report, FeedQuality):
                continue
            oldest_ns = report.event_ns if oldest_ns is None else min(oldest_ns, report.event_ns)
            known = self._newest.get(report.venue)
            if known is None or report.event_ns >= known.event_ns:
                self._newest[report.venue] = report
        return oldest_ns


async def watched(
    bootstrap: str,
    venues: Collection[str],
    show: Callable[[list[FeedQuality], int], None],
    *,
    every_s: float | None = None,
    times: int | None = None,
) -> list[FeedQuality]:
    """Show the newest reports, with the time of now; again every `every_s`, for ever or so many `times`.

    Raises:
        DependencyDown: no broker answers.
    """
    shown = 0
    async with Reader(bootstrap, "csx-ingest-status") as reader:
        reports = Reports(reader, venues)
        while True:
            newest = await reports.refresh()
            show(newest, now_ns())
            shown += 1
            if every_s is None or shown == times:
                return newest
            await asyncio.sleep(every_s)
