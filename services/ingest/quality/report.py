"""A measured feed in, its graded FeedQuality out: to the broker and as metrics, every few seconds and at the end."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from libs.common.events import FeedQuality, Grade, Origin
from libs.common.runtime.clock import now_ns
from libs.common.runtime.errors import DependencyDown
from services.ingest.calls.rest import Rest
from services.ingest.delivery.publisher import Sink
from services.ingest.quality.clock_offset import ClockOffset
from services.ingest.quality.gauges import UNSAID, show
from services.ingest.quality.grade import graded
from services.ingest.quality.measure import Measure
from services.ingest.venues.terms import Stream

log = logging.getLogger(__name__)

_SAY_WITHIN_S: Final = 5.0
_STOP_WITHIN_S: Final = 1.0


def none_audited() -> tuple[int, int]:
    """Return the count of candles that were compared, and of those that differed, where nobody compares."""
    return 0, 0


class Reporter:
    """Says how well one venue is heard."""

    def __init__(
        self,
        venue: str,
        measure: Measure,
        *,
        sink: Sink,
        rest: Rest,
        clock_offset: ClockOffset,
        connections: Callable[[], tuple[int, int]],
        silent: Callable[[], Collection[tuple[str, Stream]]] = tuple,
        audited: Callable[[], tuple[int, int]] = none_audited,
        origin: Origin = Origin.LIVE,
        every_s: float = 10.0,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        """Take the sources.

        Args:
            venue: its name.
            measure: of its streams.
            sink: takes the reports.
            rest: the venue's REST side.
            clock_offset: of the venue.
            connections: open and wanted.
            silent: symbols and streams that should speak now and do not.
            audited: candles of ours that were compared with the venue's, and that differed, since the start.
            origin: for the reports.
            every_s: between two reports.
            clock: our time.
        """
        self._venue = venue
        self._measure = measure
        self._sink = sink
        self._rest = rest
        self._clock_offset = clock_offset
        self._connections = connections
        self._silent = silent
        self._audited = audited
        self._origin = origin
        self._every_s = every_s
        self._clock = clock
        self._grade: Grade | None = None

    def report(self, *, stopped: bool = False) -> FeedQuality:
        """Return how well the venue is heard now; `stopped`: it is the last word."""
        now = self._clock()
        opened, wanted = self._connections()
        audited, different = self._audited()
        usage = self._rest.usage
        offset = self._clock_offset.offset
        measured = FeedQuality(
            venue=self._venue,
            event_ns=now,
            origin=self._origin,
            grade=Grade.A,
            causes=(),
            stopped=stopped,
            window_s=self._measure.window_s(now),
            streams=self._measure.streams(now, self._silent()),
            symbols=self._measure.symbols,
            connections=opened,
            connections_wanted=wanted,
            clock_offset_s=offset.seconds if offset else None,
            clock_bound_s=offset.bound_s if offset else None,
            clock_cause=self._clock_offset.cause,
            bars_audited=audited,
            bars_different=different,
            **{f"rest_{name}": value for name, value in msgspec.structs.asdict(usage).items()},
        )
        return graded(measured, self._measure.oldest_hole)

    async def run(self) -> None:
        """Report for ever, the first time after one interval."""
        while True:
            await asyncio.sleep(self._every_s)
            report = self.report()
            show(report)
            self._tell(report)
            await self.say(report, within_s=_SAY_WITHIN_S)

    async def say(self, report: FeedQuality, *, within_s: float = _STOP_WITHIN_S) -> None:
        """Publish `report`; what the broker does not take in time is only counted: the next one says more."""
        try:
            async with asyncio.timeout(within_s):
                await self._sink.publish([report])
        except (DependencyDown, TimeoutError):
            UNSAID.labels(self._venue).inc()

    def _tell(self, report: FeedQuality) -> None:
        """Log a change of grade: what an operator would see in `csx ingest status`."""
        if report.grade is self._grade:
            return
        worse = self._grade is not None and report.grade > self._grade
        log.log(
            logging.WARNING if worse else logging.INFO,
            "data quality is now %s",
            report.grade.upper(),
            extra={"venue": self._venue, "before": self._grade, "causes": list(report.causes)},
        )
        self._grade = report.grade
