"""Wishes for a fresh book in, REST calls and resubscriptions out: paced, and one at a time for each symbol."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s
from services.ingest import metrics
from services.ingest.calls.rest import Rest, RestError
from services.ingest.calls.waiting import Urgency, ranks
from services.ingest.sockets.pace import Pace
from services.ingest.sockets.timers import Timers
from services.ingest.venues.terms import Instrument, Resubscribe, SnapshotWanted
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)

STORM: Final = "resync_storm"
"""Too many fresh books of one symbol: the connection itself must be what is wrong."""

_WINDOW_S: Final = 600.0
_LONGEST_WAIT_S: Final = 30.0
"""Between two snapshots that the venue refuses."""


class Resync:
    """Gets one connection the books that its session has lost."""

    def __init__(
        self,
        name: str,
        venue: Venue,
        *,
        instruments: Mapping[str, Instrument],
        rest: Rest,
        timers: Timers,
        send: Callable[[bytes], Awaitable[None]],
        answer: Callable[[str, bytes], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        end: Callable[[str], None],
    ) -> None:
        """Take the connection's hands.

        Args:
            name: of the connection, for the log.
            venue: whose REST answers.
            instruments: by canonical symbol.
            rest: the venue's REST side.
            timers: how far apart and how many.
            send: sends a frame.
            answer: takes a symbol and the body of a REST snapshot of its book.
            spawn: runs work, named, as long as the connection lives.
            end: ends the connection for a cause.
        """
        self._name = name
        self._venue = venue
        self._instruments = instruments
        self._ranks = ranks(instruments)
        self._rest = rest
        self._timers = timers
        self._send = send
        self._answer = answer
        self._spawn = spawn
        self._end = end
        self._paces: dict[tuple[str, str], Pace] = {}
        self._under_way: set[str] = set()

    def want(self, item: SnapshotWanted | Resubscribe) -> None:
        """Get a fresh book in the way the session asks for, unless one is under way."""
        if item.symbol in self._under_way:
            return
        way, spacing_s = (
            ("rest", self._timers.snapshot_spacing_s)
            if isinstance(item, SnapshotWanted)
            else ("socket", self._timers.resubscribe_spacing_s)
        )
        pace = self._paces.setdefault(
            (item.symbol, way), Pace(spacing_s=spacing_s, most=self._timers.resyncs, window_s=_WINDOW_S)
        )
        wait_s = pace.ask(monotonic_s())
        if wait_s is None:
            self._end(STORM)
            return
        metrics.RESYNCS.labels(self._venue.name, way).inc()
        log.info(
            "a book is lost and taken anew",
            extra={
                "feed": self._name,
                "symbol": item.symbol,
                "cause": item.cause,
                "way": way,
                "wait_s": round(wait_s, 3),
            },
        )
        self._under_way.add(item.symbol)
        remedy = self._fetch(item, wait_s) if isinstance(item, SnapshotWanted) else self._resubscribe(item, wait_s)
        self._spawn(remedy, f"resync {item.symbol}")

    def under_way(self, symbol: str) -> bool:
        """Return whether a fresh book of `symbol` is being got."""
        return symbol in self._under_way

    async def _fetch(self, item: SnapshotWanted, wait_s: float) -> None:
        """Ask until it comes: one that the venue refuses, as it was just delisted, costs nobody else anything."""
        symbol = item.symbol
        request = self._venue.snapshot_request(self._instruments[symbol])
        backoff = Backoff(initial_s=self._timers.snapshot_spacing_s, cap_s=_LONGEST_WAIT_S)
        while True:
            await asyncio.sleep(wait_s)
            try:
                body = await self._rest.fetch(request, Urgency.BOOK, self._ranks[symbol])
                break
            except RestError as e:
                wait_s = self._timers.snapshot_spacing_s + backoff.next_s()
                log.warning(
                    "no snapshot of a book: it is asked for again, the book is not published until then",
                    extra={"feed": self._name, "symbol": symbol, "reason": str(e), "wait_s": round(wait_s, 3)},
                )
        self._under_way.discard(symbol)
        await self._answer(symbol, body)

    async def _resubscribe(self, item: Resubscribe, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        self._under_way.discard(item.symbol)
        for frame in item.frames:
            await self._send(frame)
