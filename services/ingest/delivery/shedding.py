"""Events that a full or damaged disk cost us in, Gaps and orders to fetch them again out: nothing is lost unseen."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from libs.common.events import BookSnapshot, Gap, MarketEvent, Origin
from libs.common.runtime.clock import now_ns
from services.ingest import metrics
from services.ingest.delivery.buffer import Buffer, BufferClosed
from services.ingest.delivery.ledger import Ledger
from services.ingest.delivery.ring import Ring
from services.ingest.delivery.segments import Found, Spans
from services.ingest.streams import CLASS_OF, HOLED
from services.ingest.venues.terms import Stream

log = logging.getLogger(__name__)

_HOLED: Final = {*HOLED, "candles"} - {Stream.BOOKS}
"""Streams of which something is missing for good when it was shed; of the others the next one replaces it."""

Rewind: TypeAlias = Callable[[str, Callable[[], None]], Awaitable[bool]]
"""Continue a symbol's tape behind its last published trade, calling back at the moment when nothing older is on its
way any more; False where nobody can."""


class Shedding:
    """What one venue's outage cost."""

    def __init__(self, venue: str, ring: Ring, buffer: Buffer, ledger: Ledger, origin: Origin) -> None:
        self._rewind: Rewind | None = None
        self._unfilled: Callable[[str, int, int], None] | None = None
        self._heard: Callable[[Gap], None] | None = None
        self._venue = venue
        self._ring = ring
        self._buffer = buffer
        self._ledger = ledger
        self._origin = origin
        self._refused = Spans()
        self._own: list[Gap] = []
        self._missing: dict[str, int] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}

    def serve(self, rewind: Rewind, unfilled: Callable[[str, int, int], None], heard: Callable[[Gap], None]) -> None:
        """Have trades fetched by `rewind`; `unfilled` hears of each hole that stays (symbol, from_ns, to_ns)."""
        self._rewind, self._unfilled, self._heard = rewind, unfilled, heard
        for gap in self._own:
            self._hear(gap)

    def stop(self) -> None:
        """Cancel what is being fetched: the next start fetches it."""
        for task in self._fetching.values():
            task.cancel()

    def gaps(self) -> list[MarketEvent]:
        """Return the Gaps that are to be published now."""
        own, self._own = self._own, []
        self._ledger.move(own, to="own")
        self._ledger.took(own)
        return [*own]

    def found(self, found: Found) -> None:
        """Say what damage an earlier run's files had. Trades behind the last whole one are fetched in any case."""
        for before, after in found.holes:
            for (symbol, stream), from_ns in before.items():
                to_ns = after.get((symbol, stream), 0 if stream == Stream.TRADES else now_ns())
                if to_ns and stream in _HOLED:
                    self._lost(symbol, stream, from_ns, to_ns, "damage")

    def refused(self, events: Sequence[MarketEvent]) -> None:
        """Give up `events`, which the ring does not take; the first of a kind opens a Gap, but for trades.

        Whoever starts after a kill finds that Gap on disk. Trades it fetches from the last one kept.
        """
        self._ledger.move(events, to="shed", out_of="in_flight")
        for event in events:
            key = (event.symbol, CLASS_OF[type(event)])
            if key not in self._refused and key[1] in _HOLED and key[1] != Stream.TRADES:
                self._tell(*key, event.event_ns - 1, event.event_ns - 1, "shed")
            self._refused.note(event)

    def gone(self, spans: Spans, *, damaged: bool = False) -> None:
        """Account for what was deleted on disk to make room, or is damaged."""
        for (symbol, stream), span in spans.items():
            self._ledger.move_counts({stream: span.count}, to="damaged" if damaged else "shed", out_of="on_disk")
            if stream in _HOLED:
                self._lost(symbol, stream, span.first_ns - 1, span.last_ns + 1, "damage" if damaged else "shed")

    def ended(self) -> None:
        """The disk is empty: let the books go on, and have shed trades fetched."""
        self._missing |= self._buffer.release()
        for symbol in self._ring.shut - self._fetching.keys():
            self._fetching[symbol] = asyncio.create_task(self._fetch(symbol), name=f"rewind {symbol}")
        for (symbol, stream), span in list(self._refused.items()):
            if stream == Stream.TRADES:
                continue
            del self._refused[symbol, stream]
            if stream in _HOLED:
                self._lost(symbol, stream, span.first_ns - 1, span.last_ns + 1, "shed", new=False)

    def books(self, batch: Sequence[MarketEvent]) -> list[MarketEvent]:
        """Return a closed Gap for each book that comes whole again in `batch`."""
        for event in batch if self._missing else ():
            if isinstance(event, BookSnapshot) and (from_ns := self._missing.pop(event.symbol, None)) is not None:
                to_ns = max(event.event_ns, from_ns + 1)
                self._tell(event.symbol, Stream.BOOKS, from_ns, to_ns, "shed", recovered=True)
        return self.gaps()

    async def _fetch(self, symbol: str) -> None:
        """Have the trades that were shed fetched from the venue, else say that they are missing."""
        try:
            fetched = self._rewind is not None and await self._rewind(symbol, lambda: self._reopened(symbol))
        except Exception:  # whatever it was, the symbol must be heard again, behind a Gap
            log.exception("a tape could not be rewound", extra={"venue": self._venue, "symbol": symbol})
            fetched = False
        del self._fetching[symbol]
        if fetched:
            return
        self._ring.reopen(symbol)
        span = self._refused.pop((symbol, Stream.TRADES), None)
        if span is not None:
            self._lost(symbol, Stream.TRADES, span.first_ns - 1, span.last_ns + 1, "shed")
            await self._put_gaps()

    async def _put_gaps(self) -> None:
        gaps, self._own = self._own, []
        try:
            for gap in gaps:
                await self._buffer.put(gap)
        except BufferClosed:
            log.info("the end came before the Gap", extra={"venue": self._venue})

    def _reopened(self, symbol: str) -> None:
        """Keep trades of `symbol` again; those in the buffer are of before."""
        self._ledger.move_counts({Stream.TRADES: self._buffer.discard(symbol, Stream.TRADES)}, to="shed")
        self._ring.reopen(symbol)
        self._refused.pop((symbol, Stream.TRADES), None)

    def _lost(self, symbol: str, stream: str, from_ns: int, to_ns: int, cause: str, *, new: bool = True) -> None:
        self._tell(symbol, stream, from_ns, max(to_ns, from_ns + 1), cause, new=new)

    def _tell(
        self,
        symbol: str,
        stream: str,
        from_ns: int,
        to_ns: int,
        cause: str,
        *,
        recovered: bool = False,
        new: bool = True,
    ) -> None:
        at_ns = now_ns()
        gap = Gap(
            venue=self._venue,
            symbol=symbol,
            event_ns=at_ns,
            received_ns=at_ns,
            origin=self._origin,
            stream=stream,
            from_ns=from_ns,
            to_ns=to_ns,
            cause=cause,
            recovered=recovered,
        )
        if new:
            metrics.GAPS.labels(self._venue, stream, cause).inc()
        if to_ns > from_ns:
            metrics.GAPS_CLOSED.labels(self._venue, stream, str(recovered).lower()).inc()
        self._own.append(gap)
        self._hear(gap)

    def _hear(self, gap: Gap) -> None:
        if self._heard is not None:
            self._heard(gap)
        if self._unfilled is not None and gap.stream in {Stream.TRADES, "candles"} and gap.to_ns > gap.from_ns:
            self._unfilled(gap.symbol, gap.from_ns, gap.to_ns)
