"""A market whose tape has a hole in; its missing trades by REST, page after page, merged and published out."""

import asyncio

from msgspec import Struct

from libs.common.events import SECOND_NS, Origin, Trade
from libs.common.runtime.clock import monotonic_s, now_ns
from services.ingest import metrics
from services.ingest.calls.rest import Rest, RestError
from services.ingest.calls.waiting import Urgency
from services.ingest.delivery.buffer import Buffer
from services.ingest.recovery.recent import RecentTape
from services.ingest.recovery.tape import HELD, Position, Tape
from services.ingest.venues.terms import AnswerError, Instrument, TradeIds
from services.ingest.venues.venue import Venue


class Limits(Struct, frozen=True, kw_only=True):
    """How far a backfill goes."""

    grace_s: float = 0.2
    """Reordered frames may fill a hole by themselves within this time."""
    quiet_s: float = 5.0
    """A connection that brought no trade by then does not show what was missed before it: the venue is asked."""
    pages: int = 400
    empty_pages: int = 8
    """Answers in a row that bring nothing new: the venue's REST side lags behind its sockets, or has lost them."""
    empty_wait_s: float = 0.5
    age_s: float = 3600.0
    """An older hole is not fetched but published as a Gap."""
    held: int = HELD


class Market:
    """One symbol: its tape, who may speak for it, and the backfill under way."""

    __slots__ = ("cause", "filling", "fresh", "instrument", "lost", "noticed_s", "probing", "rewinds", "tape", "turn")

    def __init__(self, venue: Venue, instrument: Instrument, held: int) -> None:
        self.instrument = instrument
        self.tape = _tape(venue, held)
        self.turn = asyncio.Lock()  # a backfill and the live feeds publish one after the other
        self.filling: asyncio.Task[None] | None = None
        self.probing: asyncio.Task[None] | None = None
        self.lost = 0  # how often its connection was
        self.cause = "restart"
        self.rewinds = 0
        self.noticed_s = 0.0  # monotonic: when the hole that is being filled showed
        self.fresh = True  # a connection began: its first trade proves whether something is missing


def _tape(venue: Venue, held: int) -> Tape | RecentTape:
    if venue.trade_ids is TradeIds.UNORDERED:
        return RecentTape(limit=held, replayed=venue.replays_trades)
    return Tape(venue.trade_order, consecutive=venue.trade_ids is TradeIds.CONSECUTIVE, limit=held)


class Backfill:
    """Fetches for one venue."""

    def __init__(self, venue: Venue, rest: Rest, buffer: Buffer, *, origin: Origin, limits: Limits) -> None:
        self._venue = venue
        self._rest = rest
        self._buffer = buffer
        self._origin = origin
        self._limits = limits

    async def fill(self, market: Market, rank: int) -> str | None:
        """Fetch until the hole is filled; return None, or why that is impossible. `rank` orders the calls."""
        empty = 0
        ours_s = 0.0  # waiting for our own publisher is no part of a recovery
        for _ in range(self._limits.pages):
            hole = market.tape.hole
            if hole is None:
                metrics.RECOVERY.labels(self._venue.name).observe(monotonic_s() - market.noticed_s - ours_s)
                return None
            age_s = (hole.until.event_ns - hole.after.event_ns) / SECOND_NS
            if age_s > self._limits.age_s:
                return f"it is {age_s:.0f} s long"
            rewinds = market.rewinds
            try:
                page = await self._page(market.instrument, hole.after, rank)
            except (RestError, AnswerError) as e:
                return str(e)
            merging_s = monotonic_s()
            async with market.turn:
                if market.rewinds != rewinds:  # the page begins behind what is wanted now
                    continue
                before = market.tape.last
                metrics.BACKFILLED.labels(self._venue.name).inc(len(page))
                for trade in market.tape.merge(page):
                    await self._buffer.put(trade)
            ours_s += monotonic_s() - merging_s
            empty = empty + 1 if market.tape.last == before else 0
            if empty >= self._limits.empty_pages:
                return f"the venue has nothing after {hole.after.trade_id}"
            if empty:
                await asyncio.sleep(self._limits.empty_wait_s)
        return f"the hole is longer than {self._limits.pages} pages"

    async def newer(self, market: Market, rank: int) -> bool | None:
        """Publish what a page has behind the last trade; return whether it is all there is, None where that is unknown.

        Raises:
            RestError, AnswerError: the venue does not say.
        """
        last, lost = market.tape.last, market.lost
        assert last is not None
        page = await self._page(market.instrument, last, rank)
        async with market.turn:
            if market.lost != lost or market.tape.last != last or market.tape.held:
                return None
            metrics.BACKFILLED.labels(self._venue.name).inc(len(page))
            for trade in market.tape.merge(page):
                await self._buffer.put(trade)
            if self._venue.trade_ids is TradeIds.UNORDERED:  # a page that does not reach back is empty too
                return True if page else None
            return not page

    async def _page(self, instrument: Instrument, after: Position, rank: int) -> list[Trade]:
        request = self._venue.trades_request_since(instrument, after.trade_id, after.event_ns)
        body = await self._rest.fetch(request, Urgency.TRADES, rank)
        return self._venue.trades(instrument, after.trade_id, body, now_ns(), self._origin)
