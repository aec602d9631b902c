"""Operations on what can be traded and where: symbols, instruments, venues."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from libs.common.events import ListingStatus
from libs.common.events.symbols import Kind
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import AnySymbol, AnyVenue, Cursor, Nanos, Symbol
from services.gateway.operations.operation import Example, Freshness, Nothing, Operation
from services.gateway.problems import field_problem
from services.gateway.schemas.instruments import (
    Instruments,
    Symbols,
    SymbolView,
    Venues,
    VenueView,
    instrument_view,
)
from services.gateway.schemas.provenance import NOT_REPORTED, in_short
from services.gateway.schemas.times import age_s
from services.gateway.store.flows import InstrumentFilter

_FRESH: Final = Freshness(5.0, 60.0)
_INSTRUMENTS: Final = "instruments.list"
_SYMBOLS: Final = "symbols.list"

_Status = Annotated[ListingStatus | None, Meta(description="Whether it trades")]
_Kind = Annotated[Kind | None, Meta(description="What is traded")]
_Followed = Annotated[bool | None, Meta(description="Whether it is listened to")]
_Limit = Annotated[int, Meta(ge=1, le=500, description="Items a page")]


class SymbolsWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which symbols; an absent filter means any."""

    venue: AnyVenue = None
    status: _Status = None
    kind: _Kind = None
    followed: _Followed = None
    cursor: Cursor = None
    limit: _Limit = 100


class InstrumentsWanted(SymbolsWanted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which instruments; an absent filter means any."""

    symbol: AnySymbol = None
    listed_after_ns: Nanos = None


class OneSymbol(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One symbol, at all venues or one."""

    symbol: Symbol
    venue: AnyVenue = None


async def _symbols(desk: Desk, _caller: Caller, wanted: SymbolsWanted) -> Symbols:
    place = desk.board.place(_SYMBOLS, wanted.cursor, str)
    sought = InstrumentFilter(venue=wanted.venue, status=wanted.status, kind=wanted.kind, followed=wanted.followed)
    after = place.one(str) if place else None
    rows = await desk.store.flows.symbols(sought, after=after, limit=wanted.limit + 1)
    page, more, now_ns = rows[: wanted.limit], len(rows) > wanted.limit, desk.clock()
    return Symbols(
        data=[
            SymbolView(
                symbol=row["symbol"],
                kind=Kind(row["kind"]),
                venues=list(row["venues"]),
                followed=row["followed"],
                seen_ns=row["seen_ns"],
                age_s=age_s(row["seen_ns"], now_ns),
            )
            for row in page
        ],
        has_more=more,
        next_cursor=desk.board.word(_SYMBOLS, page[-1]["symbol"]) if more else None,
    )


async def _instruments(desk: Desk, _caller: Caller, wanted: InstrumentsWanted) -> Instruments:
    place = desk.board.place(_INSTRUMENTS, wanted.cursor, str, str)
    sought = InstrumentFilter(
        symbol=wanted.symbol,
        venue=wanted.venue,
        status=wanted.status,
        kind=wanted.kind,
        followed=wanted.followed,
        listed_after_ns=wanted.listed_after_ns,
    )
    after = place.two(str, str) if place else None
    found = await desk.store.flows.instruments(sought, after=after, limit=wanted.limit + 1)
    page, more, now_ns = found[: wanted.limit], len(found) > wanted.limit, desk.clock()
    last = page[-1].listing if more else None
    return Instruments(
        data=[instrument_view(kept, now_ns) for kept in page],
        has_more=more,
        next_cursor=desk.board.word(_INSTRUMENTS, last.symbol, last.venue) if last else None,
    )


async def _instrument(desk: Desk, _caller: Caller, wanted: OneSymbol) -> Instruments:
    found = await desk.store.flows.instruments(InstrumentFilter(symbol=wanted.symbol, venue=wanted.venue), limit=500)
    if not found:
        raise field_problem("unknown_symbol", "symbol", f"{wanted.symbol!r} is not listed: see /v1/symbols")
    now_ns = desk.clock()
    return Instruments(data=[instrument_view(kept, now_ns) for kept in found], has_more=False, next_cursor=None)


async def _venues(desk: Desk, _caller: Caller, _wanted: Nothing) -> Venues:
    listed = {row["venue"]: row for row in await desk.store.flows.venues()}
    kept = await desk.latest.qualities()
    markets = await desk.store.markets()
    now_ns = desk.clock()
    found: list[VenueView] = []
    for venue in sorted({*listed, *kept, *(row.venue for row in markets)}):
        report, row = kept.get(venue), listed.get(venue)
        quality, cause = in_short(report, report.report.origin, now_ns) if report else (None, NOT_REPORTED)
        found.append(
            VenueView(
                venue=venue,
                instruments=row["instruments"] if row else 0,
                live=row["live"] if row else 0,
                followed=row["followed"] if row else 0,
                markets=sum(1 for market in markets if market.venue == venue),
                quality=quality,
                quality_cause=cause,
            )
        )
    return Venues(data=found)


INSTRUMENTS: Final = (
    Operation(
        name=_SYMBOLS,
        method="GET",
        path="/v1/symbols",
        params=SymbolsWanted,
        answer=Symbols,
        read=_symbols,
        scope=Scope.MARKET,
        summary="Symbols that venues list",
        detail="Every canonical symbol, who lists it, and whether it is listened to; by name. With filters: of which "
        "any listing fits.",
        tag="instruments",
        example=Example({"followed": True, "limit": 10}, given="flows"),
        cost=2,
        freshness=_FRESH,
    ),
    Operation(
        name=_INSTRUMENTS,
        method="GET",
        path="/v1/instruments",
        params=InstrumentsWanted,
        answer=Instruments,
        read=_instruments,
        scope=Scope.MARKET,
        summary="Instruments as venues' catalogues describe them",
        detail="Tick, lot, contract, status and when it was listed, by symbol and venue. `listed_after_ns` finds new "
        "listings; where a venue does not say when it listed one, that is absent and does not fit.",
        tag="instruments",
        example=Example({"kind": "perpetual", "limit": 10}, given="flows"),
        cost=2,
        freshness=_FRESH,
    ),
    Operation(
        name="instruments.get",
        method="GET",
        path="/v1/instruments/{symbol}",
        params=OneSymbol,
        answer=Instruments,
        read=_instrument,
        scope=Scope.MARKET,
        summary="One symbol's instruments at every venue that lists it",
        detail="As `/v1/instruments`, of one symbol, by venue.",
        tag="instruments",
        example=Example({"symbol": "BTC-USDT-PERP"}, given="flows"),
        freshness=_FRESH,
        problems=("unknown_symbol",),
    ),
    Operation(
        name="venues.list",
        method="GET",
        path="/v1/venues",
        params=Nothing,
        answer=Venues,
        read=_venues,
        scope=Scope.MARKET,
        summary="Venues: what they list, and how well they are heard",
        detail="Every venue that lists an instrument, sends data or was reported on, with the short form of its newest "
        "quality report.",
        tag="instruments",
        example=Example({}, given="flows"),
        cost=2,
        freshness=_FRESH,
    ),
)
