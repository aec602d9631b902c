"""One venue's settings and parts in, its quality watched: measured, compared with its clock, graded and said."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

from libs.common.events import FeedQuality
from libs.common.runtime.clock import now_ns
from libs.common.runtime.process import Process
from services.ingest.calls.rest import Rest
from services.ingest.delivery.publisher import Sink
from services.ingest.quality.clock_offset import ClockOffset
from services.ingest.quality.measure import Measure
from services.ingest.quality.report import Reporter, none_audited
from services.ingest.settings import Settings
from services.ingest.sockets.line import Line
from services.ingest.venues.terms import Plan, Stream
from services.ingest.venues.venue import Venue


class QualityWatch:
    """What a venue's parts tell of the events and holes they see, and what comes of it."""

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        *,
        sink: Sink,
        rest: Rest,
        lines: Callable[[], Sequence[Line]],
        silent: Callable[[], Collection[tuple[str, Stream]]] = tuple,
        audited: Callable[[], tuple[int, int]] = none_audited,
    ) -> None:
        """Make the parts; `lines` are those of now, `silent` and `audited` as the `Reporter` takes them."""
        self.measure = Measure(settings.origin, began_ns=now_ns(), window_s=settings.quality_window_s)
        self._lines = lines
        self._clock_offset = ClockOffset(venue, rest, every_s=settings.clock_every_s)
        self._reporter = Reporter(
            venue.name,
            self.measure,
            sink=sink,
            rest=rest,
            clock_offset=self._clock_offset,
            connections=self._connections,
            silent=silent,
            audited=audited,
            origin=settings.origin,
            every_s=settings.quality_every_s,
        )

    def follow(self, plans: Iterable[Plan]) -> None:
        """Expect the symbols and streams of `plans` from now on; those that are expected already stay as they are."""
        for plan in plans:
            for symbol in plan.symbols:
                self.measure.follow(symbol, plan.streams, now_ns())

    def forget(self, symbol: str) -> None:
        """Expect nothing of `symbol` any more."""
        self.measure.forget(symbol)

    def start(self, process: Process) -> list[asyncio.Task[None]]:
        """Run as critical tasks of `process`."""
        return [
            process.spawn(self._clock_offset.run(), name="clock offset"),
            process.spawn(self._reporter.run(), name="quality"),
        ]

    def last(self) -> FeedQuality:
        """Return the report of a process that begins to stop."""
        return self._reporter.report(stopped=True)

    async def say(self, report: FeedQuality) -> None:
        """Publish `report` within a second, or count that nobody took it."""
        await self._reporter.say(report)

    def _connections(self) -> tuple[int, int]:
        lines = self._lines()
        return sum(line.connected for line in lines), len(lines)
