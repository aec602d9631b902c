"""Questions to answers: finds the market that is meant, reads the stores, puts age and origin on everything."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, structs

from libs.common.events import Direction, Origin, Timeframe
from libs.common.runtime.clock import monotonic_s, now_ns
from services.gateway.problems import Problem, field_problem
from services.gateway.schemas.markets import Book, BookAnswer, Candles, Market, Markets, Readings, bar
from services.gateway.schemas.provenance import KeptQuality, OfMarket, in_short
from services.gateway.schemas.signals import SignalDetail, Signals, detail, summary
from services.gateway.schemas.system import Feed, HealthView
from services.gateway.schemas.times import age_s, rfc3339
from services.gateway.store.cursor import CursorError, Cursors, Place
from services.gateway.store.latest import Latest
from services.gateway.store.rows import MarketRow
from services.gateway.store.store import SignalFilter, Store

NAMED: Final = "the venue was named"
ONLY: Final = "the only venue that shows this symbol"
NEWEST: Final = "the venue with the newest data; within 10 s of each other the first by name"

_EQUALLY_NEW_NS: Final = 10_000_000_000
_HEALTH_EVERY_S: Final = 1.0
_SIGNALS: Final = "signals.list"


class Standing(Struct, frozen=True, kw_only=True):
    """The market that is meant, and what every answer about it says first."""

    row: MarketRow
    rule: str
    now_ns: int
    kept: KeptQuality | None
    stale_after_s: float

    @property
    def head(self) -> dict[str, Any]:
        """The fields of `OfMarket`."""
        age = age_s(self.row.seen_ns, self.now_ns)
        quality, cause = in_short(self.kept, self.row.origin, self.now_ns)
        head = OfMarket(
            venue=self.row.venue,
            symbol=self.row.symbol,
            origin=self.row.origin,
            chosen_by=self.rule,
            as_of_ns=self.now_ns,
            as_of=rfc3339(self.now_ns),
            seen_ns=self.row.seen_ns,
            age_s=age,
            stale=age > self.stale_after_s,
            quality=quality,
            quality_cause=cause,
        )
        return structs.asdict(head)


class Board:
    """Everything that may be asked, over the stores."""

    def __init__(
        self,
        store: Store,
        latest: Latest,
        *,
        stale_after_s: float = 15.0,
        clock: Callable[[], int] = now_ns,
        cursors: Cursors | None = None,
    ) -> None:
        self._store = store
        self._latest = latest
        self._stale_after_s = stale_after_s
        self._clock = clock
        self._cursors = cursors or Cursors()
        self._health: tuple[float, HealthView] | None = None

    async def markets(self) -> Markets:
        """Return every known market with its last price."""
        now = self._clock()
        prices = {(price.venue, price.symbol): price for price in await self._latest.prices(now)}
        kept = await self._latest.qualities()
        found: list[Market] = []
        for row in await self._store.markets():
            price = prices.get((row.venue, row.symbol))
            seen_ns = max(row.seen_ns, price.seen_ns if price else 0)
            age = age_s(seen_ns, now)
            quality, cause = in_short(kept.get(row.venue), row.origin, now)
            found.append(
                Market(
                    venue=row.venue,
                    symbol=row.symbol,
                    origin=row.origin,
                    event_ns=row.event_ns,
                    event_time=rfc3339(row.event_ns),
                    seen_ns=seen_ns,
                    age_s=age,
                    stale=age > self._stale_after_s,
                    quality=quality,
                    quality_cause=cause,
                    last=price if price and price.origin is row.origin else None,
                )
            )
        return Markets(data=found)

    async def choose(self, symbol: str, venue: str | None = None) -> tuple[MarketRow, str]:
        """Return the market that is meant, and the rule that chose its venue.

        Raises:
            Problem: no venue shows the symbol, or the named one does not.
        """
        rows = await self._store.markets(symbol)
        if not rows:
            raise field_problem("unknown_symbol", "symbol", f"{symbol!r} is not known here: see /v1/markets")
        if venue is not None:
            for row in rows:
                if row.venue == venue:
                    return row, NAMED
            shown = ", ".join(row.venue for row in rows)
            raise field_problem("unknown_venue", "venue", f"{venue!r} does not show {symbol}; these do: {shown}")
        if len(rows) == 1:
            return rows[0], ONLY
        newest_ns = max(row.seen_ns for row in rows)
        return next(row for row in rows if newest_ns - row.seen_ns <= _EQUALLY_NEW_NS), NEWEST

    async def standing(self, symbol: str, venue: str | None = None) -> Standing:
        """Return the market that is meant, with its age and its venue's quality.

        Raises:
            Problem: as `choose`.
        """
        row, rule = await self.choose(symbol, venue)
        return self.stand(row, rule, await self._latest.quality(row.venue))

    def stand(self, row: MarketRow, rule: str, kept: KeptQuality | None) -> Standing:
        """Return the standing of a market that was chosen, from what is known of its venue."""
        return Standing(row=row, rule=rule, now_ns=self._clock(), kept=kept, stale_after_s=self._stale_after_s)

    def place(self, kind: str, word: str | None, *steps: type[int | str]) -> Place | None:
        """Return where in the list `kind`, whose sort key has the types `steps`, a cursor stands.

        Raises:
            Problem: it is no cursor of that list.
        """
        try:
            return self._cursors.read(word, kind, *steps) if word else None
        except CursorError as e:
            raise field_problem("invalid_parameter", "cursor", str(e)) from e

    def word(self, kind: str, *at: int | str) -> str:
        """Return the cursor of a place in the list `kind`."""
        return self._cursors.write(kind, *at)

    async def candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        venue: str | None = None,
        from_ns: int = 0,
        to_ns: int | None = None,
        limit: int,
    ) -> Candles:
        """Return the newest `limit` candles that open in [from_ns, to_ns), oldest first."""
        if to_ns is not None and to_ns < from_ns:
            raise field_problem("invalid_parameter", "to_ns", "is before from_ns; the range is [from_ns, to_ns)")
        market = await self.standing(symbol, venue)
        found = await self._store.candles(market.row, timeframe, from_ns=from_ns, to_ns=to_ns, limit=limit + 1)
        return Candles(
            **market.head,
            timeframe=timeframe,
            has_more=len(found) > limit,
            data=[bar(candle) for candle in reversed(found[:limit])],
        )

    async def book(self, symbol: str, *, venue: str | None = None, depth: int) -> BookAnswer:
        """Return the best `depth` levels a side; an older view is returned marked stale.

        Raises:
            Problem: there was no book yet, or it lost its sequence and waits for a snapshot.
        """
        market = await self.standing(symbol, venue)
        row = market.row
        book = await self._latest.book(row.venue, row.symbol, self._clock())
        if book is None or book.origin is not row.origin:
            raise Problem("book_unavailable", f"{row.venue} has sent no snapshot of {row.symbol} yet")
        if not book.in_sync:
            raise Problem("book_out_of_sync", f"{row.venue} {row.symbol}: {book.cause}")
        quality, cause = in_short(market.kept, row.origin, market.now_ns)
        return BookAnswer(chosen_by=market.rule, quality=quality, quality_cause=cause, book=_cut(book, depth))

    async def readings(self, symbol: str, *, venue: str | None = None) -> Readings:
        """Return the newest reading of every layer."""
        market = await self.standing(symbol, venue)
        row = market.row
        readings = await self._latest.readings(row.venue, row.symbol, self._clock())
        return Readings(
            **market.head,
            readings=[reading for reading in readings if reading.origin is row.origin],
        )

    async def signals(
        self,
        *,
        symbol: str | None = None,
        venue: str | None = None,
        timeframe: Timeframe | None = None,
        direction: Direction | None = None,
        origin: Origin | None = None,
        from_ns: int | None = None,
        to_ns: int | None = None,
        after: str | None = None,
        limit: int,
    ) -> Signals:
        """Return a page of signals, newest first."""
        place = self.place(_SIGNALS, after, int, str)
        if symbol is not None:
            await self.choose(symbol, venue)  # a symbol that does not exist is not an empty list
        if to_ns is not None and to_ns < (from_ns or 0):
            raise field_problem("invalid_parameter", "to_ns", "is before from_ns; the range is [from_ns, to_ns)")
        wanted = SignalFilter(
            symbol=symbol,
            venue=venue,
            timeframe=timeframe,
            direction=direction,
            origin=origin,
            from_ns=from_ns,
            to_ns=to_ns,
        )
        found = await self._store.signals(wanted, after=place, limit=limit + 1)
        now = self._clock()
        page, more = found[:limit], len(found) > limit
        last = page[-1].signal if page else None
        return Signals(
            data=[summary(stored, now) for stored in page],
            has_more=more,
            next_cursor=self.word(_SIGNALS, last.as_of_ns, last.signal_id) if last and more else None,
        )

    async def signal(self, signal_id: str) -> SignalDetail:
        """Return one signal with its evidence, verdict and deliveries."""
        stored = await self._store.signal(signal_id)
        if stored is None:
            raise field_problem("unknown_signal", "signal_id", f"{signal_id!r} is not known here: see /v1/signals")
        return detail(stored, await self._store.deliveries(signal_id), self._clock())

    async def health(self) -> HealthView:
        """Return how every feed is; counted at most once a second."""
        if self._health and monotonic_s() - self._health[0] < _HEALTH_EVERY_S:
            return self._health[1]
        now = self._clock()
        gaps = await self._store.gap_counts()
        feeds = []
        for feed in await self._latest.feeds(now):
            count, still_open = gaps.get((feed.venue, feed.symbol, feed.stream), (0, 0))
            feeds.append(_with_gaps(feed, count, still_open))
        view = HealthView(
            as_of_ns=now,
            as_of=rfc3339(now),
            stale_after_s=self._stale_after_s,
            feeds=feeds,
            alerts=await self._store.delivery_counts(),
        )
        self._health = (monotonic_s(), view)
        return view


def _cut(book: Book, depth: int) -> Book:
    return structs.replace(book, bids=book.bids[:depth], asks=book.asks[:depth])


def _with_gaps(feed: Feed, gaps: int, still_open: int) -> Feed:
    return structs.replace(feed, gaps=gaps, open_gaps=still_open)
