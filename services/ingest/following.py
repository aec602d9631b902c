"""One venue's running parts: sockets, recovery, history and publisher, started and stopped together."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from libs.common.runtime.process import Process
from services.ingest import metrics
from services.ingest.buffer import Buffer
from services.ingest.feed import Feed
from services.ingest.gaps import Gaps
from services.ingest.history import History
from services.ingest.intake import Intake
from services.ingest.line import Line, Rotation
from services.ingest.publisher import Draining, Mark, Sink
from services.ingest.recovery import Limits, Recovery
from services.ingest.rejects import Parking
from services.ingest.rest import Rest
from services.ingest.settings import Settings
from services.ingest.timers import Timers
from services.ingest.venues.terms import Instrument, Plan
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)

_DIAL_SPACING_S: Final = 0.35
"""OKX takes three connections a second from one address."""
_CLOSE_WITHIN_S: Final = 3.0
_DRAIN_WITHIN_S: Final = 5.0


class Ingest:
    """One venue's running parts; `start` and `stop` are all there is to do with it."""

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        instruments: Mapping[str, Instrument],
        *,
        sink: Sink,
        rest: Rest,
        marks: Mapping[str, Mark],
        timers: Timers | None = None,
        limits: Limits | None = None,
        drain_within_s: float = _DRAIN_WITHIN_S,
    ) -> None:
        """`instruments` by the venue's own names, only those to follow; `marks`: where an earlier run ended."""
        self.buffer = Buffer(settings.buffer_events)
        self.draining = Draining(venue.name, self.buffer, sink)
        self.parking = Parking(venue.name, sink)
        self._settings = settings
        self._venue = venue
        self._by_native = dict(instruments)
        self._instruments = {one.symbol: one for one in instruments.values()}
        self._rest = rest
        self._drain_within_s = drain_within_s
        self._timers = timers or Timers(first_data_s=settings.first_data_s)
        self.history = History(
            venue, self._instruments, rest, self.buffer, bars=settings.history_bars, origin=settings.origin
        )
        gaps = Gaps(venue.name, settings.origin, self.buffer)
        self.recovery = Recovery(
            venue,
            self._instruments,
            rest,
            self.buffer,
            gaps,
            origin=settings.origin,
            limits=limits or Limits(age_s=settings.backfill_age_s, held=settings.held_trades),
            unfilled=self.history.unfilled,
        )
        for symbol, mark in marks.items():
            self.recovery.resume(symbol, mark.trade_id, mark.event_ns)
        self._intake = Intake(venue.name, self.buffer, self.recovery, gaps, self.parking)
        plans = venue.plan(list(self._instruments.values()), settings.streams)
        self.lines = [self._line(number, plan) for number, plan in enumerate(plans)]
        self._tasks: list[asyncio.Task[None]] = []
        metrics.SYMBOLS.labels(venue.name).set(len(self._instruments))
        metrics.HELD.labels(venue.name).set_function(lambda: self.recovery.held)

    def start(self, process: Process) -> None:
        """Run every part as a critical task of `process`, and have it end them in order."""
        process.on_stop(self.stop)
        process.check("venue", self.fault)
        process.memory.on_pressure(self.buffer.shed)
        self.history.begin()
        draining = process.spawn(self.draining.run(), name="publisher")
        others = [
            process.spawn(self.parking.run(), name="rejects"),
            process.spawn(self.history.run(), name="history"),
            process.spawn(self._snapshots(), name="snapshots"),
            *(process.spawn(line.run(), name=f"line {number}") for number, line in enumerate(self.lines)),
        ]
        self._tasks = [draining, *others]

    async def stop(self) -> None:
        """Close the sockets, offer what was read, have the broker acknowledge all of it."""
        draining, *others = self._tasks
        await asyncio.wait([asyncio.ensure_future(line.stop()) for line in self.lines], timeout=_CLOSE_WITHIN_S)
        await self.recovery.stop()
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self.buffer.close()
        await asyncio.wait([draining], timeout=self._drain_within_s)
        if not draining.done():
            log.error(
                "events were not published: the next start fetches the trades", extra={"left": self.buffer.pending}
            )
            draining.cancel()
        await self.parking.flush()
        await self._rest.stop()

    async def fault(self) -> str | None:
        """Return why the venue's data does not flow, or None."""
        if self.draining.down_since is not None:
            return "the broker does not take records"
        closed = sum(not line.connected for line in self.lines)
        return f"{closed} of {len(self.lines)} connections are down" if closed else None

    async def _snapshots(self) -> None:
        while True:
            await asyncio.sleep(self._settings.snapshot_every_s)
            for line in self.lines:
                line.publish_books()

    def _line(self, number: int, plan: Plan) -> Line:
        return Line(
            self._venue.name,
            plan,
            self._feed,
            self._intake,
            rotation=Rotation(every_s=self._settings.rotate_every_s),
            first_wait_s=number * _DIAL_SPACING_S,
        )

    def _feed(self, plan: Plan, active: bool) -> Feed:
        return Feed(
            f"{self._venue.name} {plan.url}",
            plan,
            self._venue,
            self._venue.session(plan, self._by_native, self._settings.origin),
            instruments=self._instruments,
            intake=self._intake,
            rest=self._rest,
            timers=self._timers,
            active=active,
        )
