"""Operations on what was said and what became of it: verdicts, outcomes, the record."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from libs.common.events import Barrier, Decision, Timeframe
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import AnyOrigin, AnySymbol, AnyTimeframe, AnyVenue, Cursor, Nanos
from services.gateway.operations.operation import EVERYWHERE, Example, Freshness, Operation
from services.gateway.operations.pages import span_of
from services.gateway.schemas.record import (
    NONE_FITS,
    NONE_PUBLISHED,
    Outcomes,
    RecordView,
    Verdicts,
    outcome_of,
    tally,
    verdict_of,
)
from services.gateway.schemas.times import rfc3339
from services.gateway.store.record import Which

_VERDICTS: Final = "verdicts.list"
_OUTCOMES: Final = "outcomes.list"

_Limit = Annotated[int, Meta(ge=1, le=500, description="Items a page")]


class VerdictsWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which verdicts; an absent filter means any. The range is of when it was decided."""

    symbol: AnySymbol = None
    venue: AnyVenue = None
    timeframe: AnyTimeframe = None
    decision: Annotated[Decision | None, Meta(description="Whether the judge let it be published")] = None
    from_ns: Nanos = None
    to_ns: Nanos = None
    cursor: Cursor = None
    limit: _Limit = 100


class RecordWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of which signals; an absent filter means any. The range is of the outcome's time, for signals of their bar's."""

    symbol: AnySymbol = None
    venue: AnyVenue = None
    timeframe: AnyTimeframe = None
    origin: AnyOrigin = None
    from_ns: Nanos = None
    to_ns: Nanos = None


class OutcomesWanted(RecordWanted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which outcomes; an absent filter means any. The range is of when it was resolved."""

    barrier: Annotated[Barrier | None, Meta(description="What ended the signal's life")] = None
    cursor: Cursor = None
    limit: _Limit = 100


async def _verdicts(desk: Desk, _caller: Caller, wanted: VerdictsWanted) -> Verdicts:
    span = span_of(wanted.from_ns, wanted.to_ns, wanted.limit)
    place = desk.board.place(_VERDICTS, wanted.cursor, int, str)
    which = Which(symbol=wanted.symbol, venue=wanted.venue, timeframe=wanted.timeframe)
    rows = await desk.store.record.verdicts(which, span, decision=wanted.decision, after=place.at if place else None)
    page, more = rows[: wanted.limit], len(rows) > wanted.limit
    return Verdicts(
        data=[verdict_of(row) for row in page],
        has_more=more,
        next_cursor=desk.board.word(_VERDICTS, page[-1]["decided_ns"], page[-1]["signal_id"]) if more else None,
    )


async def _outcomes(desk: Desk, _caller: Caller, wanted: OutcomesWanted) -> Outcomes:
    span = span_of(wanted.from_ns, wanted.to_ns, wanted.limit)
    place = desk.board.place(_OUTCOMES, wanted.cursor, int, str)
    rows = await desk.store.record.outcomes(
        _which(wanted), span, barrier=wanted.barrier, after=place.at if place else None
    )
    page, more = rows[: wanted.limit], len(rows) > wanted.limit
    return Outcomes(
        data=[outcome_of(row) for row in page],
        cause=None if page else await _why_none(desk),
        has_more=more,
        next_cursor=desk.board.word(_OUTCOMES, page[-1]["resolved_ns"], page[-1]["signal_id"]) if more else None,
    )


async def _record(desk: Desk, _caller: Caller, wanted: RecordWanted) -> RecordView:
    span = span_of(wanted.from_ns, wanted.to_ns, 1)
    results, said = await desk.store.record.tallies(_which(wanted), span)
    known = {row["timeframe"] for row in (*results, *said)}
    now_ns = desk.clock()
    return RecordView(
        from_ns=wanted.from_ns,
        to_ns=wanted.to_ns,
        symbol=wanted.symbol,
        venue=wanted.venue,
        origin=wanted.origin,
        cause=None if results else await _why_none(desk),
        total=tally(results, said),
        by_timeframe={
            timeframe: tally(
                [row for row in results if row["timeframe"] == timeframe],
                [row for row in said if row["timeframe"] == timeframe],
            )
            for timeframe in Timeframe
            if timeframe in known
        },
        as_of_ns=now_ns,
        as_of=rfc3339(now_ns),
    )


async def _why_none(desk: Desk) -> str:
    return NONE_FITS if await desk.store.record.any_outcome() else NONE_PUBLISHED


def _which(wanted: RecordWanted) -> Which:
    return Which(symbol=wanted.symbol, venue=wanted.venue, timeframe=wanted.timeframe, origin=wanted.origin)


RECORD: Final = (
    Operation(
        name=_VERDICTS,
        method="GET",
        path="/v1/verdicts",
        params=VerdictsWanted,
        answer=Verdicts,
        read=_verdicts,
        scope=Scope.SIGNALS,
        summary="What the judge said of signals",
        detail="Whether each signal was published or withheld, by whom and why, newest first. The judge may withhold, "
        "never invent.",
        tag="record",
        example=Example({"limit": 10}, given="signal"),
        cost=2,
        freshness=Freshness(1.0, 5.0),
    ),
    Operation(
        name=_OUTCOMES,
        method="GET",
        path="/v1/outcomes",
        params=OutcomesWanted,
        answer=Outcomes,
        read=_outcomes,
        scope=Scope.SIGNALS,
        summary="What became of signals, after costs",
        detail="Which barrier ended each signal's life, and its result in units of the risk, newest first. While no "
        "service has published an outcome the list is empty and `cause` says `none_published`.",
        tag="record",
        example=Example({"limit": 10}, given="outcomes"),
        cost=3,
        freshness=Freshness(5.0, 30.0),
    ),
    Operation(
        name="record.get",
        method="GET",
        path="/v1/record",
        params=RecordWanted,
        answer=RecordView,
        read=_record,
        scope=Scope.SIGNALS,
        summary="How signals did, in all and by timeframe",
        detail="Counts of signals, verdicts and outcomes; share of profits with its 95 % band (Wilson), and mean "
        "result in units of the risk, after costs. Absent, with the cause, where nothing is known.",
        tag="record",
        example=Example({}, given="outcomes"),
        cost=3,
        freshness=Freshness(5.0, 30.0),
        surfaces=EVERYWHERE,
    ),
)
