"""One venue's running parts: sockets, recovery, history and publisher; whom they follow may change while they run."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from libs.common.events import Origin
from libs.common.runtime.clock import now_ns
from libs.common.runtime.process import Process
from services.ingest import metrics
from services.ingest.calls.rest import Rest
from services.ingest.candles.candle_tail import audit_of
from services.ingest.candles.history import History
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.ledger import Ledger
from services.ingest.delivery.leftovers import Leftovers
from services.ingest.delivery.publisher import Draining, Mark, Sink
from services.ingest.delivery.rejects import Parking
from services.ingest.open_interest import OpenInterestPoller
from services.ingest.quality.watch import QualityWatch
from services.ingest.recovery.backfill import Limits
from services.ingest.recovery.gaps import Gaps
from services.ingest.recovery.recovery import Recovery
from services.ingest.settings import Settings
from services.ingest.sockets.connections import Connections
from services.ingest.sockets.feed import Feed
from services.ingest.sockets.habits import Habits
from services.ingest.sockets.intake import Intake
from services.ingest.sockets.line import Line, Rotation
from services.ingest.sockets.timers import Timers
from services.ingest.venues.terms import Instrument, Plan, Stream
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)

_DRAIN_WITHIN_S: Final = 5.0


class Ingest:
    """One venue's running parts; `start`, `follow` and `stop` are all there is to do with it."""

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
        left: Leftovers | None = None,
        drain_within_s: float = _DRAIN_WITHIN_S,
    ) -> None:
        """`instruments` by canonical symbol, only those to follow; `marks` and `left`: where an earlier run ended."""
        self.buffer = Buffer(settings.buffer_events)
        self._marks, self._spill, ledger = marks, None, Ledger(venue.name, self.buffer)
        if left is not None:
            self._spill, self._marks = left.spill(venue.name, self.buffer, ledger, marks, settings)
        self.draining = Draining(venue.name, self.buffer, sink, ledger=ledger, spill=self._spill)
        self.parking = Parking(venue.name, sink)
        self._settings = settings
        self._venue = venue
        self._by_native = {one.native: one for one in instruments.values()}
        self._instruments = {one.symbol: one for one in instruments.values()}
        self._rest = rest
        self._drain_within_s = drain_within_s
        self._timers = timers or Timers(first_data_s=settings.first_data_s)
        self.history = History(
            venue, self._instruments, rest, self.buffer, bars=settings.history_bars, origin=settings.origin
        )
        self.open_interest = OpenInterestPoller.of(settings, venue, self._instruments, rest, self.buffer)
        self.audit = audit_of(settings, venue, self._instruments, rest, self.buffer)
        self.quality = QualityWatch(
            settings,
            venue,
            sink=sink,
            rest=rest,
            lines=lambda: self.lines,
            silent=lambda: self.silent,
            audited=self.audit.counts,
        )
        self._habits = Habits()
        gaps = self._gaps = Gaps(venue.name, settings.origin, self.buffer, heard=self.quality.measure.note)
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
        if self._spill is not None:
            self._spill.shedding.serve(self._rewind, self.history.unfilled, self.quality.measure.note)
        for symbol in self._instruments:
            self._resume(symbol)
        self._intake = Intake(venue.name, self.buffer, self.recovery, gaps, self.parking, measure=self.quality.measure)
        self._connections = Connections(venue, settings.streams, self._instruments, self._line)
        self.quality.follow(self._connections.plans)
        self._tasks: list[asyncio.Task[None]] = []
        self._leaving: set[str] = set()
        self._settling: asyncio.Task[None] | None = None
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
            *self.quality.start(process),
        ]
        if Stream.FUNDING in self._settings.streams and self._settings.origin is not Origin.RECORDED:
            others.append(process.spawn(self.open_interest.run(), name="open interest"))
        if self._settings.origin is not Origin.RECORDED:  # a recording's bars never close by our clock
            others.append(process.spawn(self.audit.run(), name="audit"))
        self._tasks = [draining, *others]
        self._connections.start(process)

    async def stop(self) -> None:
        """Close the sockets, offer what was read, have the broker acknowledge all of it."""
        draining, *others = self._tasks
        last_report = self.quality.last()
        if self._settling is not None:
            others.append(self._settling)
        others += await self._connections.stop()
        await self.recovery.stop()
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self.buffer.close()
        await asyncio.wait([draining], timeout=self._drain_within_s)
        if not draining.done():
            log.error(
                "events were not published: the next start fetches the trades",
                extra={"left": self.buffer.pending, "on_disk": self.draining.ledger.on_disk},
            )
            draining.cancel()
        else:
            await self.quality.say(last_report)
        await self.parking.flush()
        if self._spill is not None:
            await self._spill.close()
        await self._rest.stop()

    async def fault(self) -> str | None:
        """Return why the venue's data does not flow, or None."""
        if (reason := self.draining.fault()) is not None:
            return reason
        if not self.lines:
            return "nothing that is to be followed trades yet"
        closed = sum(not line.connected for line in self.lines)
        return f"{closed} of {len(self.lines)} connections are down" if closed else None

    @property
    def lines(self) -> list[Line]:
        """The connections, kept up."""
        return self._connections.lines

    @property
    def followed(self) -> Mapping[str, Instrument]:
        """What is listened to, by canonical symbol."""
        return self._instruments

    @property
    def silent(self) -> frozenset[tuple[str, Stream]]:
        """The topics, as (symbol, stream), that should speak now and do not."""
        return frozenset(topic for topic in self._habits.silent if not self._halted(topic[0]))

    def _halted(self, symbol: str) -> bool:
        """Return whether `symbol` has nothing to say: it does not trade now, or leaves."""
        one = self._instruments.get(symbol)
        return one is None or not one.live

    async def follow(self, wanted: Mapping[str, Instrument]) -> None:
        """Listen to `wanted`, by canonical symbol, and to nothing else; what stays is heard without a break.

        What is not wanted any more is heard until its connection is replaced, and then forgotten: see `settled`.
        """
        before = dict(self._instruments)
        gone = [symbol for symbol in before if symbol not in wanted]
        fresh = [symbol for symbol in wanted if symbol not in before]
        renewed = [symbol for symbol, one in wanted.items() if symbol in before and not _alike(before[symbol], one)]
        self._take(wanted)
        for symbol in self._leaving.intersection(fresh):  # it comes back before it was forgotten
            await self.recovery.interrupted(symbol, "disconnect")
        self.history.follow(fresh)
        for change, symbols in (("followed", fresh), ("left", gone), ("renewed", renewed)):
            metrics.FOLLOWING.labels(self._venue.name, change).inc(len(symbols))
            if symbols:
                log.info("following changes", extra={"venue": self._venue.name, "change": change, "symbols": symbols})
        try:
            await self._connections.follow(self._instruments, renewed, heard=self.quality.follow)
        finally:
            self._leaving.update(gone)  # not sooner: it is forgotten once no line that was changed hears it
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle(), name="settling")
            self._settling.add_done_callback(_said)

    async def settled(self) -> None:
        """Return once no connection hears what is not wanted any more, and everything about that is forgotten."""
        if self._settling is not None:
            await asyncio.shield(self._settling)

    async def _settle(self) -> None:
        unsettled = True
        while unsettled:
            leaving = set(self._leaving)
            await self._connections.settled()
            for symbol in leaving:
                self._leaving.discard(symbol)
                if symbol not in self._instruments:  # else it came back meanwhile
                    await self._forget(symbol)
            unsettled = bool(self._leaving)

    def _take(self, wanted: Mapping[str, Instrument]) -> None:
        """Have the shared catalogues hold `wanted`, in its order."""
        self._instruments.clear()
        self._instruments.update(wanted)
        self._by_native.clear()
        self._by_native.update({one.native: one for one in wanted.values()})
        for symbol, one in wanted.items():
            if self.recovery.follow(one):
                self._resume(symbol)
        metrics.SYMBOLS.labels(self._venue.name).set(len(wanted))

    async def _forget(self, symbol: str) -> None:
        await self.recovery.forget(symbol)
        await self._gaps.forget(symbol, now_ns=now_ns())
        self.history.forget(symbol)
        self._habits.forget(symbol)
        self.buffer.forget(symbol)
        self.quality.forget(symbol)

    def _last(self, symbol: str) -> Mark | None:
        return self.draining.marks.get(symbol) or self._marks.get(symbol)

    def _resume(self, symbol: str) -> None:
        """Continue behind the last trade of `symbol` that was ever published."""
        if mark := self._last(symbol):
            self.recovery.resume(symbol, mark.trade_id, mark.event_ns)

    async def _rewind(self, symbol: str, rewound: Callable[[], None]) -> bool:
        """Fetch again what was shed of the trades of `symbol`."""
        mark = self._last(symbol)
        return mark is not None and await self.recovery.rewind(symbol, mark.trade_id, mark.event_ns, rewound)

    async def _snapshots(self) -> None:
        while True:
            await asyncio.sleep(self._settings.snapshot_every_s)
            for line in self.lines:
                line.publish_books()

    def _line(self, plan: Plan, first_wait_s: float) -> Line:
        return Line(
            self._venue.name,
            plan,
            self._feed,
            self._intake,
            rotation=Rotation(every_s=self._settings.rotate_every_s),
            first_wait_s=first_wait_s,
        )

    def _feed(self, plan: Plan, active: bool) -> Feed:
        return Feed(
            f"{self._venue.name} {plan.url}",
            plan,
            self._venue,
            self._venue.session(plan, dict(self._by_native), self._settings.origin),  # it reads as it began
            instruments=dict(self._instruments),
            intake=self._intake,
            rest=self._rest,
            timers=self._timers,
            active=active,
            habits=None if self._settings.origin is Origin.RECORDED else self._habits,  # a recording ends in silence
            halted=self._halted,
        )


def _said(settling: asyncio.Task[None]) -> None:
    if not settling.cancelled() and (fault := settling.exception()):
        log.error("who is not followed any more could not be forgotten", exc_info=fault)


def _alike(before: Instrument, now: Instrument) -> bool:
    """Return whether frames about both read alike; steps and status are not read."""
    return (before.native, before.contract_size, before.inverse) == (now.native, now.contract_size, now.inverse)
