"""Operations on how well data is heard: reports on venues, and holes."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import AnySymbol, AnyVenue, Cursor, Nanos
from services.gateway.operations.operation import EVERYWHERE, Example, Freshness, Nothing, Operation
from services.gateway.operations.pages import span_of
from services.gateway.schemas.provenance import NOT_REPORTED
from services.gateway.schemas.quality import Gaps, Qualities, QualityHistory, gap_views, quality_report

_FRESH: Final = Freshness(1.0, 5.0)
_HISTORY: Final = "quality.history"
_GAPS: Final = "gaps.list"

_Limit = Annotated[int, Meta(ge=1, le=500, description="Items a page")]


class HistoryWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of one venue's reports."""

    venue: Annotated[str, Meta(max_length=64, description="A venue or vendor, for instance `okx`")]
    from_ns: Nanos = None
    to_ns: Nanos = None
    cursor: Cursor = None
    limit: _Limit = 60


class GapsWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which holes; an absent filter means any."""

    symbol: AnySymbol = None
    venue: AnyVenue = None
    stream: Annotated[
        Annotated[str, Meta(max_length=32)] | None, Meta(description="`trades`, `books`, `candles`, ...")
    ] = None
    recovered: Annotated[bool | None, Meta(description="Whether what was missing has been fetched")] = None
    from_ns: Nanos = None
    to_ns: Nanos = None
    cursor: Cursor = None
    limit: _Limit = 100


async def _list(desk: Desk, _caller: Caller, _wanted: Nothing) -> Qualities:
    kept, now_ns = await desk.latest.qualities(), desk.clock()
    return Qualities(data=[quality_report(one, now_ns) for one in kept.values()], cause=None if kept else NOT_REPORTED)


async def _history(desk: Desk, _caller: Caller, wanted: HistoryWanted) -> QualityHistory:
    span = span_of(wanted.from_ns, wanted.to_ns, wanted.limit)
    place = desk.board.place(_HISTORY, wanted.cursor, int, str)
    found = await desk.store.flows.quality(wanted.venue, span, place.two(int, str) if place else None)
    page, more, now_ns = found[: wanted.limit], len(found) > wanted.limit, desk.clock()
    last = page[-1].report if more else None
    return QualityHistory(
        venue=wanted.venue,
        data=[quality_report(one, now_ns) for one in page],
        cause=None if page else NOT_REPORTED,
        has_more=more,
        next_cursor=desk.board.word(_HISTORY, last.event_ns, last.origin.value) if last else None,
    )


async def _gaps(desk: Desk, _caller: Caller, wanted: GapsWanted) -> Gaps:
    span = span_of(wanted.from_ns, wanted.to_ns, wanted.limit)
    place = desk.board.place(_GAPS, wanted.cursor, int, str, str, str, int)
    rows = await desk.store.flows.gaps(
        span,
        symbol=wanted.symbol,
        venue=wanted.venue,
        stream=wanted.stream,
        recovered=wanted.recovered,
        after=place.at if place else None,
    )
    page, more = rows[: wanted.limit], len(rows) > wanted.limit
    key = [page[-1][name] for name in ("event_ns", "symbol", "venue", "stream", "from_ns")] if more else []
    return Gaps(data=gap_views(page), has_more=more, next_cursor=desk.board.word(_GAPS, *key) if more else None)


QUALITY: Final = (
    Operation(
        name="quality.list",
        method="GET",
        path="/v1/quality",
        params=Nothing,
        answer=Qualities,
        read=_list,
        scope=Scope.MARKET,
        summary="How well each venue is heard",
        detail="The newest report on each venue: its grade from a to f, what keeps it from being a, and what was "
        "measured of each stream. Reports come every ten seconds.",
        tag="quality",
        example=Example({}, given="flows"),
        freshness=_FRESH,
        surfaces=EVERYWHERE,
    ),
    Operation(
        name=_HISTORY,
        method="GET",
        path="/v1/quality/{venue}",
        params=HistoryWanted,
        answer=QualityHistory,
        read=_history,
        scope=Scope.MARKET,
        summary="How well one venue was heard",
        detail="Reports on one venue, the newest of each minute, newest first. Kept for 31 days.",
        tag="quality",
        example=Example({"venue": "okx", "limit": 10}, given="flows"),
        cost=2,
        freshness=_FRESH,
    ),
    Operation(
        name=_GAPS,
        method="GET",
        path="/v1/gaps",
        params=GapsWanted,
        answer=Gaps,
        read=_gaps,
        scope=Scope.MARKET,
        summary="Holes in what was heard",
        detail="Each hole with its cause and whether it was filled, those that were spoken of last first; the range "
        "is of that time. One that is closed meanwhile moves to the front.",
        tag="quality",
        example=Example({"limit": 10}, given="flows"),
        cost=2,
        freshness=_FRESH,
    ),
)
