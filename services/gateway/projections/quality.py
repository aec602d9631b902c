"""How well each venue is heard: a report a minute into PostgreSQL, the newest into Redis."""

from collections.abc import Callable, Sequence
from typing import Final

from libs.common.bus.consuming import Record
from libs.common.bus.topics import QUALITY
from libs.common.events import FeedQuality
from libs.common.runtime.clock import now_ns
from services.gateway import metrics
from services.gateway.schemas.provenance import KeptQuality
from services.gateway.store.flows import Flows
from services.gateway.store.latest import Latest, Views

QUALITY_TOPICS: Final = (QUALITY,)


class QualityFold:
    """Reports of ingest; one of a later time is never replaced by one of an earlier time and the same origin."""

    def __init__(self, flows: Flows, latest: Latest, clock: Callable[[], int] = now_ns) -> None:
        self._flows = flows
        self._latest = latest
        self._clock = clock

    async def __call__(self, records: Sequence[Record]) -> None:
        """Write one batch; its offsets are committed after it."""
        seen_ns = self._clock()
        reports = [record.event for record in records if isinstance(record.event, FeedQuality)]
        metrics.PROJECTED.labels(FeedQuality.__name__).inc(len(reports))
        if not reports:
            return
        await self._flows.write(reports, seen_ns)
        shown = await self._latest.qualities()
        newest: dict[str, KeptQuality] = {}
        for report in reports:
            known = shown.get(report.venue)
            if known is None or known.report.origin is not report.origin or known.report.event_ns < report.event_ns:
                shown[report.venue] = newest[report.venue] = KeptQuality(report=report, seen_ns=seen_ns)
        await self._latest.write(Views(quality=newest))
