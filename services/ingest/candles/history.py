"""Closed candles by REST in, Candle events out: at the start, where nobody watched a bar begin, and after gaps."""

import asyncio
import heapq
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct

from libs.common.events import SECOND_NS, Origin, Timeframe
from libs.common.runtime.clock import now_ns
from services.ingest.calls.rest import Rest, RestError
from services.ingest.calls.waiting import LAST_RANK, Urgency, ranks
from services.ingest.delivery.buffer import Buffer
from services.ingest.venues.terms import AnswerError, Instrument
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)

SETTLE_NS: Final = 2 * SECOND_NS
"""After a bar's close, until the venue shows it as closed."""

_AGAIN_NS: Final = 5 * SECOND_NS
_TRIES: Final = 20
_SPARE: Final = 2


class _Errand(Struct, order=True, frozen=True):
    """Fetch the closed bars since `since_ns`, once `due_ns` has come."""

    due_ns: int
    symbol: str
    timeframe: Timeframe
    since_ns: int
    """Opening time of the oldest bar wanted; 0 wants as many as the limit allows."""
    until_ns: int
    """Opening time of the newest bar that must be among them."""
    tries: int = 0


class History:
    """One venue's candles by REST; each bar wanted is published once, closed."""

    def __init__(
        self,
        venue: Venue,
        instruments: Mapping[str, Instrument],
        rest: Rest,
        buffer: Buffer,
        *,
        bars: int = 500,
        origin: Origin = Origin.LIVE,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        """`instruments` by canonical symbol; `bars` of each timeframe at the start."""
        self._venue = venue
        self._instruments = instruments
        self._ranks = ranks(instruments)
        self._rest = rest
        self._buffer = buffer
        self._bars = bars
        self._origin = origin
        self._clock = clock
        self._timed = origin is not Origin.RECORDED  # a recording's bars never close by our clock
        self._errands: list[_Errand] = []
        self._news = asyncio.Event()

    def begin(self) -> None:
        """Want the past of every symbol, and each bar that is open now once it closes: we missed its beginning."""
        self.follow(self._instruments)

    def follow(self, symbols: Iterable[str]) -> None:
        """Want the past of `symbols`, which are among the instruments, as at the start."""
        symbols = tuple(symbols)
        self._ranks = ranks(self._instruments)
        now = self._clock()
        for timeframe in Timeframe:
            for symbol in symbols:
                if self._bars:
                    self._want(_Errand(now, symbol, timeframe, 0, 0))
                if self._timed:
                    self._want_bars(symbol, timeframe, now, now)

    def forget(self, symbol: str) -> None:
        """Want nothing more of `symbol`, which is no instrument any more."""
        self._errands = [errand for errand in self._errands if errand.symbol != symbol]
        heapq.heapify(self._errands)

    def unfilled(self, symbol: str, from_ns: int, to_ns: int) -> None:
        """Want every bar that holds a part of [from_ns, to_ns], once it is closed: its trades are missing."""
        for timeframe in Timeframe if self._timed else ():
            self._want_bars(symbol, timeframe, from_ns, to_ns)

    async def run(self) -> None:
        """Run the errands as they come due, for ever."""
        while True:
            if not self._errands:
                self._news.clear()
                await self._news.wait()
            wait_s = (self._errands[0].due_ns - self._clock()) / SECOND_NS
            if wait_s > 0:
                self._news.clear()
                await self._sleep(min(wait_s, 60.0))  # in steps: the wall clock may be set
                continue
            await self._do(heapq.heappop(self._errands))

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    def _want_bars(self, symbol: str, timeframe: Timeframe, from_ns: int, to_ns: int) -> None:
        last_ns = timeframe.open_ns(to_ns)
        due_ns = last_ns + timeframe.ns + SETTLE_NS
        self._want(_Errand(due_ns, symbol, timeframe, timeframe.open_ns(from_ns), last_ns))

    def _want(self, errand: _Errand) -> None:
        heapq.heappush(self._errands, errand)
        self._news.set()

    async def _do(self, errand: _Errand) -> None:
        instrument = self._instruments.get(errand.symbol)
        if instrument is None:
            return
        timeframe = errand.timeframe
        limit = self._limit(errand)
        try:
            body = await self._rest.fetch(
                self._venue.candles_request_at(instrument, timeframe, limit, self._clock()),
                Urgency.CANDLES if errand.until_ns else Urgency.HISTORY,
                self._ranks.get(errand.symbol, LAST_RANK),
            )
            candles = self._venue.candles(instrument, timeframe, body, self._clock(), self._origin)
        except (RestError, AnswerError) as e:
            self._again(errand, str(e))
            return
        if errand.symbol not in self._instruments:  # it was asked for, and then forgotten
            return
        closed = [candle for candle in candles if candle.closed and candle.open_ns >= errand.since_ns]
        for candle in closed:
            await self._buffer.put(candle)
        if errand.until_ns and all(candle.open_ns < errand.until_ns for candle in closed):
            self._again(errand, "the venue does not show the bar as closed yet")

    def _limit(self, errand: _Errand) -> int:
        if not errand.since_ns:
            return self._bars
        newest_ns = errand.timeframe.open_ns(self._clock())
        return min((newest_ns - errand.since_ns) // errand.timeframe.ns + 1 + _SPARE, max(self._bars, 100))

    def _again(self, errand: _Errand, reason: str) -> None:
        extra = {"symbol": errand.symbol, "timeframe": errand.timeframe, "reason": reason}
        if errand.tries >= _TRIES:
            log.error("candles stay missing: the venue gave them in no try", extra=extra)
            return
        log.info("candles are fetched again later", extra=extra)
        due_ns = self._clock() + _AGAIN_NS * (errand.tries + 1)
        self._want(_Errand(due_ns, errand.symbol, errand.timeframe, errand.since_ns, errand.until_ns, errand.tries + 1))
