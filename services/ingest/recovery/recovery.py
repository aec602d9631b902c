"""Live trades in, the whole tape out: holes are fetched by REST, merged once, or published as a Gap that stays."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from libs.common.events import SECOND_NS, Origin, Trade
from libs.common.runtime.clock import monotonic_s, now_ns
from services.ingest import metrics
from services.ingest.calls.rest import Rest, RestError
from services.ingest.calls.waiting import LAST_RANK, ranks
from services.ingest.delivery.buffer import Buffer
from services.ingest.recovery.backfill import Backfill, Limits, Market
from services.ingest.recovery.gaps import Gaps
from services.ingest.venues.terms import AnswerError, Instrument, Stream
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)


class Recovery:
    """All trades of one venue pass here, from every connection."""

    def __init__(
        self,
        venue: Venue,
        instruments: Mapping[str, Instrument],
        rest: Rest,
        buffer: Buffer,
        gaps: Gaps,
        *,
        origin: Origin = Origin.LIVE,
        limits: Limits | None = None,
        unfilled: Callable[[str, int, int], None] | None = None,
    ) -> None:
        """Take the collaborators.

        Args:
            venue: whose trades these are.
            instruments: by canonical symbol.
            rest: the venue's REST side.
            buffer: takes what is published.
            gaps: takes the holes.
            origin: for the events.
            limits: how far a backfill goes.
            unfilled: hears of each hole that stays: symbol, from_ns, to_ns.
        """
        self._venue = venue
        self._ranks = ranks(instruments)
        self._buffer = buffer
        self._gaps = gaps
        self._limits = limits or Limits()
        self._origin = origin
        self._unfilled = unfilled
        self._pages = Backfill(venue, rest, buffer, origin=origin, limits=self._limits)
        self._markets: dict[str, Market] = {}
        for instrument in instruments.values():
            self.follow(instrument)

    def follow(self, instrument: Instrument) -> bool:
        """Take trades of `instrument` from now on; return whether it is new: a known one keeps its tape."""
        known = self._markets.get(instrument.symbol)
        if known:
            known.instrument = instrument
        else:
            self._ranks.setdefault(instrument.symbol, len(self._ranks))
            self._markets[instrument.symbol] = Market(self._venue, instrument, self._limits.held)
        return known is None

    async def forget(self, symbol: str) -> None:
        """Take no more trades of `symbol`: what was held of it is published, what is missing stays so."""
        market = self._markets.pop(symbol, None)
        self._ranks.pop(symbol, None)
        if market is None:
            return
        tasks = [task for task in (market.filling, market.probing) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while market.tape.held:
            for trade in market.tape.release():
                await self._buffer.put(trade)

    def resume(self, symbol: str, trade_id: str, event_ns: int) -> None:
        """Continue behind the last trade that an earlier run has published."""
        if market := self._markets.get(symbol):
            market.tape.resume(trade_id, event_ns)

    @property
    def filling(self) -> list[str]:
        """Symbols whose holes are being fetched."""
        return [symbol for symbol, market in self._markets.items() if market.filling]

    @property
    def held(self) -> int:
        """Live trades that wait for a backfill."""
        return sum(market.tape.held for market in self._markets.values())

    async def interrupted(self, symbol: str, cause: str) -> None:
        """Note that trades of `symbol` may be missing from now on; publishes the open Gap."""
        market = self._markets.get(symbol)
        if market is None:
            return
        market.tape.interrupted()
        market.lost += 1
        market.fresh = True
        market.cause = cause
        if last := market.tape.last:
            await self._gaps.noticed(symbol, Stream.TRADES, cause=cause, from_ns=last.event_ns, now_ns=now_ns())

    def listening(self, symbol: str) -> None:
        """Note that a connection has asked for the trades of `symbol`; a quiet market does not show what is missing."""
        market = self._markets.get(symbol)
        if market is None or not market.fresh or market.tape.last is None:
            return
        if market.probing is not None:
            market.probing.cancel()
        market.probing = asyncio.create_task(self._probe(symbol, market), name=f"probe {symbol}")

    async def rewind(self, symbol: str, trade_id: str, event_ns: int, rewound: Callable[[], None]) -> bool:
        """Continue again behind that trade: those after it were shed, and are fetched before any newer one.

        `rewound` is called when nothing that was offered before is on its way any more but what the buffer holds.
        False where the symbol is not followed.
        """
        market = self._markets.get(symbol)
        if market is None:
            return False
        async with market.turn:
            market.tape.rewind(trade_id, event_ns)
            market.rewinds += 1
            market.fresh, market.cause = True, "shed"
            rewound()
        await self._gaps.noticed(symbol, Stream.TRADES, cause="shed", from_ns=event_ns, now_ns=now_ns())
        return True

    async def offer(self, trade: Trade) -> None:
        """Take a live trade; it is published now, or when what lies before it is."""
        market = self._markets.get(trade.symbol)
        if market is None:
            await self._buffer.put(trade)
            return
        async with market.turn:
            tape = market.tape
            duplicates = tape.duplicates
            try:
                ready = tape.offer(trade)
            except ValueError:  # an id without a place in the order can be published, not recovered
                await self._buffer.put(trade)
                return
            if tape.duplicates != duplicates:
                metrics.DUPLICATES.labels(self._venue.name, Stream.TRADES).inc()
            if tape.full:
                await self._give_up(trade.symbol, market, f"more than {self._limits.held} live trades wait behind it")
            elif tape.held:
                self._fill(trade.symbol, market)
            elif ready and market.fresh:
                await self._joined(trade.symbol, market, ready[0].event_ns)
            for one in ready:
                await self._buffer.put(one)

    async def stop(self) -> None:
        """Cancel the backfills; the next start fetches what they would have."""
        tasks = [task for market in self._markets.values() for task in (market.filling, market.probing) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _joined(self, symbol: str, market: Market, to_ns: int) -> None:
        market.fresh = False
        market.cause = "sequence"
        await self._gaps.closed(symbol, Stream.TRADES, to_ns=to_ns, now_ns=now_ns(), recovered=True)

    async def _probe(self, symbol: str, market: Market) -> None:
        """Ask for what follows the last trade, where no live one came that tells; close the hole once it is known."""
        await asyncio.sleep(self._limits.quiet_s)
        for _ in range(self._limits.pages):
            last = market.tape.last
            if not market.fresh or market.tape.held or last is None or self._too_old(last.event_ns):
                return
            try:
                whole = await self._pages.newer(market, self._ranks.get(symbol, LAST_RANK))
            except (RestError, AnswerError) as e:
                log.info(
                    "nobody says what was traded meanwhile: the next trade will tell",
                    extra={"venue": self._venue.name, "symbol": symbol, "reason": str(e)},
                )
                return
            if whole is None:
                return
            if whole:
                async with market.turn:
                    known = market.tape.last
                    if known is not None and not market.tape.held:
                        market.tape.vouched()
                        await self._joined(symbol, market, known.event_ns)
                return

    def _too_old(self, event_ns: int) -> bool:
        """Return whether what follows is not fetched any more; a recording's age says nothing."""
        return self._origin is not Origin.RECORDED and now_ns() - event_ns > self._limits.age_s * SECOND_NS

    def _fill(self, symbol: str, market: Market) -> None:
        if market.filling is None:
            market.noticed_s = monotonic_s()
            market.filling = asyncio.create_task(self._backfill(symbol, market), name=f"backfill {symbol}")
            market.filling.add_done_callback(lambda task: self._filled(symbol, market, task))

    def _filled(self, symbol: str, market: Market, task: asyncio.Task[None]) -> None:
        market.filling = None
        if task.cancelled():
            return
        if fault := task.exception():
            log.error(
                "a backfill broke: what it was to fetch is asked for again while trades wait behind it",
                extra={"venue": self._venue.name, "symbol": symbol},
                exc_info=fault,
            )
        if market.tape.held:  # a new hole opened while the task ended
            self._fill(symbol, market)

    async def _backfill(self, symbol: str, market: Market) -> None:
        await asyncio.sleep(self._limits.grace_s)
        until_ns = 0
        while (hole := market.tape.hole) is not None:
            until_ns = hole.until.event_ns
            first_missing, last_missing = hole.missing
            await self._gaps.noticed(
                symbol,
                Stream.TRADES,
                cause=market.cause,
                from_ns=hole.after.event_ns,
                now_ns=now_ns(),
                first_missing=first_missing,
                last_missing=last_missing,
            )
            if (reason := await self._pages.fill(market, self._ranks.get(symbol, LAST_RANK))) is not None:
                async with market.turn:
                    await self._give_up(symbol, market, reason)
        async with market.turn:
            if market.tape.hole is None:
                await self._joined(symbol, market, until_ns)

    async def _give_up(self, symbol: str, market: Market, reason: str) -> None:
        hole = market.tape.hole
        if hole is None:
            return
        log.warning(
            "trades are missing for good: their hole stays a Gap, their candles are fetched",
            extra={
                "venue": self._venue.name,
                "symbol": symbol,
                "after": hole.after.trade_id,
                "until": hole.until.trade_id,
                "hole_s": round((hole.until.event_ns - hole.after.event_ns) / SECOND_NS, 3),
                "reason": reason,
            },
        )
        await self._gaps.lost(symbol, Stream.TRADES, to_ns=hole.until.event_ns, now_ns=now_ns())
        for trade in market.tape.release():
            await self._buffer.put(trade)
        market.fresh = False
        market.cause = "sequence"
        if self._unfilled:
            self._unfilled(symbol, hole.after.event_ns, hole.until.event_ns)
