"""Our closed candles from the broker in, each compared with the venue's own by REST; what differs is told and mended.

Candles made from trades are what signals rest on, and only whoever made the trades knows what they should be. Where a
bar differs, the venue's is published (readers prefer it), with a `Gap` of the stream `candles` around it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from libs.common.events import SECOND_NS, Candle, Gap, Origin, Source, Timeframe
from libs.common.runtime.clock import now_ns
from libs.common.runtime.errors import DependencyDown
from services.ingest import metrics
from services.ingest.calls.rest import Rest, RestError
from services.ingest.calls.waiting import LAST_RANK, Urgency, ranks
from services.ingest.candles.bar_check import Agreement, compared
from services.ingest.delivery.buffer import Buffer
from services.ingest.venues.terms import AnswerError, Instrument
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)

SETTLE_NS: Final = 10 * SECOND_NS
"""After a bar's close, before the venue is asked: late trades are in by then."""
WINDOW: Final = 1000
"""Newest comparisons that the mismatch rate is about."""
MOST_WAITING: Final = 1500
"""Bars of one symbol and timeframe that may wait; the oldest give way, counted."""
_SPARE: Final = 2


class Audit:
    """One venue's; `tail` yields what our own candles have become since it was last asked."""

    def __init__(
        self,
        venue: Venue,
        followed: Mapping[str, Instrument],
        rest: Rest,
        buffer: Buffer,
        *,
        tail: Callable[[], AsyncIterator[Candle]],
        every_s: float,
        origin: Origin = Origin.LIVE,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        """`followed` by canonical symbol, looked at in each round; a round begins every `every_s` seconds."""
        self.compared = 0
        """Bars, since the start."""
        self.different = 0
        """Of them; bars that the venue does not list are among them."""
        self._venue = venue
        self._followed = followed
        self._rest = rest
        self._buffer = buffer
        self._tail = tail
        self._every_s = every_s
        self._origin = origin
        self._clock = clock
        self._waiting: dict[tuple[str, Timeframe], dict[int, Candle]] = {}
        self._recent: deque[bool] = deque(maxlen=WINDOW)

    def counts(self) -> tuple[int, int]:
        """Return how many bars were compared since the start, and how many differed."""
        return self.compared, self.different

    async def run(self) -> None:
        """Do a round after the other, for ever."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.round()
            except DependencyDown as e:
                log.warning(
                    "candles are not audited while the broker is away; the next round goes on",
                    extra={"venue": self._venue.name, "reason": str(e)},
                )

    async def round(self) -> None:
        """Take what is new, and compare all that is due."""
        async for candle in self._tail():
            self._take(candle)
        places = ranks(self._followed)
        for symbol, timeframe in sorted(self._waiting, key=lambda key: places.get(key[0], LAST_RANK)):
            bars = self._due(symbol, timeframe)
            instrument = self._followed.get(symbol)
            if instrument is None:
                del self._waiting[symbol, timeframe]
            elif bars:
                await self._compare(instrument, timeframe, bars, places.get(symbol, LAST_RANK))

    def _take(self, candle: Candle) -> None:
        ours = candle.venue == self._venue.name and candle.source is Source.TRADES
        if not (ours and candle.closed and candle.complete and candle.symbol in self._followed):
            return
        bars = self._waiting.setdefault((candle.symbol, candle.timeframe), {})
        bars[candle.open_ns] = candle
        if len(bars) > MOST_WAITING:
            del bars[min(bars)]
            metrics.AUDITED.labels(self._venue.name, candle.timeframe, "skipped").inc()

    def _due(self, symbol: str, timeframe: Timeframe) -> list[Candle]:
        settled_ns = self._clock() - SETTLE_NS
        bars = self._waiting[symbol, timeframe]
        return [bar for bar in bars.values() if bar.close_ns <= settled_ns]

    async def _compare(self, instrument: Instrument, timeframe: Timeframe, bars: list[Candle], rank: int) -> None:
        oldest_ns = min(bar.open_ns for bar in bars)
        now = self._clock()
        wanted = (timeframe.open_ns(now) - oldest_ns) // timeframe.ns + _SPARE
        try:
            body = await self._rest.fetch(
                self._venue.candles_request_at(instrument, timeframe, min(wanted, MOST_WAITING), now),
                Urgency.HISTORY,
                rank,
            )
            listed = self._venue.candles(instrument, timeframe, body, self._clock(), self._origin)
        except (RestError, AnswerError) as e:
            log.info(
                "candles are audited in a later round",
                extra={"venue": self._venue.name, "symbol": instrument.symbol, "reason": str(e)},
            )
            return
        closed = {candle.open_ns: candle for candle in listed if candle.closed}
        reaches_ns = min((candle.open_ns for candle in listed), default=now)
        waiting = self._waiting.get((instrument.symbol, timeframe), {})
        for bar in bars:
            waiting.pop(bar.open_ns, None)
            if bar.open_ns < reaches_ns:  # the venue's page does not reach back so far
                metrics.AUDITED.labels(self._venue.name, timeframe, "skipped").inc()
                continue
            await self._judge(bar, closed.get(bar.open_ns), instrument.lot)

    async def _judge(self, ours: Candle, theirs: Candle | None, lot: float) -> None:
        agreement, said = compared(ours, theirs, lot)
        metrics.AUDITED.labels(self._venue.name, ours.timeframe, agreement).inc()
        self.compared += 1
        self._recent.append(agreement is not Agreement.EQUAL)
        metrics.MISMATCH_RATE.labels(self._venue.name).set(sum(self._recent) / len(self._recent))
        if agreement is Agreement.EQUAL:
            return
        self.different += 1
        log.warning(
            "our candle is not the venue's: compare the trades of that time; the venue's is published",
            extra={
                "venue": self._venue.name,
                "symbol": ours.symbol,
                "timeframe": ours.timeframe,
                "open_ns": ours.open_ns,
                "agreement": agreement,
                "differs": said,
            },
        )
        if theirs is not None:
            await self._buffer.put(theirs)
        now = self._clock()
        await self._buffer.put(
            Gap(
                venue=self._venue.name,
                symbol=ours.symbol,
                event_ns=now,
                received_ns=now,
                origin=self._origin,
                stream="candles",
                from_ns=ours.open_ns,
                to_ns=ours.close_ns,
                cause="audit",
                recovered=theirs is not None,
            )
        )
        metrics.GAPS.labels(self._venue.name, "candles", "audit").inc()
