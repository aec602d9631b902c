"""Flows in PostgreSQL: what markets, vendors and feeds say besides trades, books and candles."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

from libs.common.bus.codec import decode, encode
from libs.common.events import (
    MINUTE_NS,
    FeedQuality,
    FundingRate,
    Liquidation,
    Listing,
    MarkPrice,
    Metric,
    OpenInterest,
    PositionSide,
)
from services.gateway.schemas.instruments import KeptListing
from services.gateway.schemas.provenance import KeptQuality
from services.gateway.store import flow_statements as sql
from services.gateway.store.rows import MarketRow

MAX_NS: Final = 2**63 - 1

Flow: TypeAlias = Liquidation | FundingRate | MarkPrice | OpenInterest | Metric | Listing | FeedQuality
_Row: TypeAlias = tuple[Any, ...]


class Span(Struct, frozen=True, kw_only=True):
    """A stretch of one list: [from_ns, to_ns), the newest `limit` of it."""

    from_ns: int = 0
    to_ns: int = MAX_NS
    limit: int


class InstrumentFilter(Struct, frozen=True, kw_only=True):
    """Which instruments; an absent field means any."""

    symbol: str | None = None
    venue: str | None = None
    status: str | None = None
    kind: str | None = None
    followed: bool | None = None
    listed_after_ns: int | None = None


class Flows:
    """The tables of flows. Writing twice is writing once, in any order."""

    def __init__(self, pool: Callable[[], Any]) -> None:
        self._pool = pool

    async def write(self, events: Sequence[Flow], seen_ns: int) -> None:
        """Write `events`, all or nothing; what a newer one of the same key replaces is not written at all."""
        rows: dict[str, dict[_Row, tuple[_Row, _Row]]] = {}
        for event in events:
            statement, key, rank, row = _row(event, seen_ns)
            known = rows.setdefault(statement, {}).get(key)
            if known is None or rank > known[0]:
                rows[statement][key] = rank, row
        async with self._pool().acquire() as connection, connection.transaction():
            for statement, by_key in sorted(rows.items()):  # who locks in one order cannot deadlock
                await connection.executemany(statement, [by_key[key][1] for key in sorted(by_key)])

    async def liquidations(self, market: MarketRow, span: Span, after: _Row | None = None) -> list[Any]:
        """Return rows of event_ns, seen_ns, price, size, liquidated; newest first."""
        place = after or (None, None, None, None)
        return await self._fetch(sql.LIQUIDATIONS, *_of(market, span), *place, span.limit)

    async def funding(self, market: MarketRow, span: Span, after_ns: int | None = None) -> list[Any]:
        """Return rows of event_ns, seen_ns, rate, interval_s, next_funding_ns; newest first."""
        return await self._fetch(sql.FUNDINGS, *_of(market, span), after_ns, span.limit)

    async def marks(self, market: MarketRow, span: Span, after_ns: int | None = None) -> list[Any]:
        """Return rows of event_ns, seen_ns, price, index_price; newest first."""
        return await self._fetch(sql.MARKS, *_of(market, span), after_ns, span.limit)

    async def open_interest(self, market: MarketRow, span: Span, after_ns: int | None = None) -> list[Any]:
        """Return rows of event_ns, seen_ns, contracts, base, notional; newest first."""
        return await self._fetch(sql.OPEN_INTERESTS, *_of(market, span), after_ns, span.limit)

    async def metrics(
        self,
        name: str,
        symbol: str,
        span: Span,
        *,
        exchange: str | None = None,
        vendor: str | None = None,
        after: _Row | None = None,
    ) -> list[Any]:
        """Return rows of one metric, newest first; `after` is event_ns, exchange, venue, origin."""
        place = after or (None, None, None, None)
        wanted = (symbol, name, exchange, vendor, span.from_ns, span.to_ns)
        return await self._fetch(sql.METRICS, *wanted, *place, span.limit)

    async def newest_metrics(self, symbol: str, since_ns: int, names: Sequence[str] | None = None) -> list[Any]:
        """Return the newest row of each metric, exchange and vendor since `since_ns`, by name."""
        return await self._fetch(sql.NEWEST_METRICS, symbol, since_ns, None if names is None else list(names))

    async def instruments(
        self, wanted: InstrumentFilter, *, after: tuple[str, str] | None = None, limit: int
    ) -> list[KeptListing]:
        """Return instruments by symbol and venue, after the place (symbol, venue)."""
        found = await self._fetch(
            sql.INSTRUMENTS,
            wanted.symbol,
            wanted.venue,
            wanted.status,
            wanted.kind,
            wanted.followed,
            wanted.listed_after_ns,
            *(after or (None, None)),
            limit,
        )
        kept = [(decode(row["body"]), row["seen_ns"]) for row in found]
        return [KeptListing(listing=event, seen_ns=seen) for event, seen in kept if isinstance(event, Listing)]

    async def symbols(self, wanted: InstrumentFilter, *, after: str | None = None, limit: int) -> list[Any]:
        """Return rows of symbol, venues, kind, followed, seen_ns; by symbol."""
        return await self._fetch(sql.SYMBOLS, wanted.status, wanted.kind, wanted.followed, wanted.venue, after, limit)

    async def venues(self) -> list[Any]:
        """Return rows of venue, instruments, followed, live, seen_ns."""
        return await self._fetch(sql.VENUES)

    async def quality(self, venue: str, span: Span, after: tuple[int, str] | None = None) -> list[KeptQuality]:
        """Return reports on a venue, one a minute, newest first."""
        place = after or (None, None)
        found = await self._fetch(sql.QUALITIES, venue, span.from_ns, span.to_ns, *place, span.limit)
        kept = [(decode(row["body"]), row["seen_ns"]) for row in found]
        return [KeptQuality(report=event, seen_ns=seen) for event, seen in kept if isinstance(event, FeedQuality)]

    async def gaps(
        self,
        span: Span,
        *,
        symbol: str | None = None,
        venue: str | None = None,
        stream: str | None = None,
        recovered: bool | None = None,
        after: _Row | None = None,
    ) -> list[Any]:
        """Return rows of holes, those spoken of last first; `after` is event_ns, symbol, venue, stream, from_ns."""
        place = after or (None, None, None, None, None)
        wanted = (span.from_ns, span.to_ns, symbol, venue, stream, recovered)
        return await self._fetch(sql.GAPS, *wanted, *place, span.limit)

    async def _fetch(self, statement: str, *values: Any) -> list[Any]:
        rows: list[Any] = await self._pool().fetch(statement, *values)
        return rows


def _of(market: MarketRow, span: Span) -> _Row:
    return market.symbol, market.venue, str(market.origin), span.from_ns, span.to_ns


def _slot(at_ns: int) -> int:
    return at_ns - at_ns % MINUTE_NS


def _row(event: Flow, seen_ns: int) -> tuple[str, _Row, _Row, _Row]:
    """Return an event's statement, its key there, what ranks it among others of that key, and its row."""
    own: _Row = event.venue, "" if isinstance(event, FeedQuality) else event.symbol, str(event.origin)
    when = event.event_ns, seen_ns
    slot = event.event_ns - event.event_ns % MINUTE_NS
    key: _Row = (*own, slot)
    rank: _Row
    values: _Row
    match event:
        case Liquidation():
            values = (event.price, event.size, PositionSide(event.liquidated).value)
            statement, key, rank, values = sql.LIQUIDATION, (*own, event.event_ns, *values), (), (*own, *when, *values)
        case FundingRate():
            rank = (event.event_ns, event.rate, _or(event.interval_s), _or(event.next_funding_ns))
            statement, values = sql.FUNDING, (*key, *when, event.rate, event.interval_s, event.next_funding_ns)
        case MarkPrice():
            rank = (event.event_ns, event.price, _or(event.index_price))
            statement, values = sql.MARK, (*key, *when, event.price, event.index_price)
        case OpenInterest():
            values = (event.contracts, event.base, event.notional)
            rank = (event.event_ns, *map(_or, values))
            statement, values = sql.OPEN_INTEREST, (*key, *when, *values)
        case Metric():
            name, exchange = event.name, event.exchange or ""
            key = (*own, name, exchange, event.event_ns)
            rank = (event.value is not None, event.value or 0.0, _or(event.interval_s), event.cause or "")
            values = (event.value, event.unit, event.interval_s, event.cause)
            statement, values = sql.METRIC, (*own, name, exchange, *when, *values)
        case Listing():
            body = encode(event)
            key, rank = own[:2], (event.event_ns, body)
            values = (event.status.value, event.kind.value, event.followed, event.listed_ns, body)
            statement, values = sql.INSTRUMENT, (*own, *when, *values)
        case FeedQuality():
            body = encode(event)
            key, rank = (event.venue, own[2], slot), (event.event_ns, body)
            statement, values = sql.QUALITY, (*key, *when, event.grade.value, body)
    return statement, key, rank, values


def _or(value: float | None) -> float:
    return -1 if value is None else value
