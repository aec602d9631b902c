"""What is to be heard in, one venue's lines out: opened, replanned and ended as that changes, well spaced."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from libs.common.runtime.process import Process
from services.ingest.sockets.line import Line
from services.ingest.sockets.sharding import Replanned, replanned
from services.ingest.venues.terms import Instrument, Plan, Stream
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)

DIAL_SPACING_S: Final = 0.35
"""OKX takes three connections a second from one address."""
_CLOSE_WITHIN_S: Final = 3.0


class Connections:
    """The lines of one venue."""

    def __init__(
        self,
        venue: Venue,
        streams: Sequence[Stream],
        instruments: Mapping[str, Instrument],
        make: Callable[[Plan, float], Line],
    ) -> None:
        """`instruments` by canonical symbol; `make` makes a line of a plan and the seconds before its first dial."""
        self._venue = venue
        self._streams = streams
        self._make = make
        self._process: Process | None = None
        self._running: dict[Line, asyncio.Task[None]] = {}
        self._ending: list[Line] = []
        self.lines = self._made(self._replanned((), instruments, ()).more)

    @property
    def plans(self) -> list[Plan]:
        """What is to be heard, by connection."""
        return [line.plan for line in self.lines]

    def start(self, process: Process) -> None:
        """Run every line as a critical task of `process`."""
        self._process = process
        for line in self.lines:
            self._run(line)

    async def stop(self) -> list[asyncio.Task[None]]:
        """Close the sockets, within a few seconds; return the tasks of the lines."""
        closing = [asyncio.ensure_future(line.stop()) for line in self._running]
        if closing:
            await asyncio.wait(closing, timeout=_CLOSE_WITHIN_S)
        return list(self._running.values())

    async def follow(
        self,
        instruments: Mapping[str, Instrument],
        renewed: Collection[str],
        heard: Callable[[list[Plan]], None] = lambda _plans: None,
    ) -> None:
        """Hear `instruments`, by canonical symbol, and nothing else; `heard` is told the plans before they are made.

        A connection whose symbols stay, and are not `renewed`, is not touched; another one is replaced beside the one
        that is open: `settled` returns once that is done.
        """
        made = self._replanned(self.plans, instruments, renewed)
        changes = [(line, plan) for line, plan in zip(self.lines, made.plans, strict=True) if plan is not line.plan]
        opened = self._made(made.more)
        self._ending += [line for line, plan in changes if plan is None]
        self.lines = [*(line for line in self.lines if line not in self._ending), *opened]
        heard([plan for plan in (*made.plans, *made.more) if plan is not None])
        for line in opened:
            self._run(line)
        await asyncio.sleep(DIAL_SPACING_S * len(opened))
        for line, plan in changes:
            if plan is not None:
                line.change(plan)
                await asyncio.sleep(DIAL_SPACING_S)

    async def settled(self) -> None:
        """End the lines that have nothing to hear, and return once nothing is heard that no plan holds any more."""
        ended, lines = list(self._ending), list(self.lines)
        await asyncio.gather(*(line.stop() for line in ended), *(line.settled() for line in lines))
        for line in ended:
            self._running.pop(line, None)
        self._ending = [line for line in self._ending if line not in ended]

    def _replanned(
        self, plans: Sequence[Plan], instruments: Mapping[str, Instrument], renewed: Collection[str]
    ) -> Replanned:
        made = replanned(self._venue, plans, instruments, self._streams, renewed)
        for symbol, reason in made.refused.items():
            log.error("cannot be asked for", extra={"venue": self._venue.name, "symbol": symbol, "reason": reason})
        return made

    def _made(self, plans: Sequence[Plan]) -> list[Line]:
        return [self._make(plan, number * DIAL_SPACING_S) for number, plan in enumerate(plans)]

    def _run(self, line: Line) -> None:
        assert self._process is not None, "start() comes first"
        self._running[line] = self._process.spawn(line.run(), name=f"line {line.plan.url[:80]}")
