"""Operations on vendors' metrics: what each means, its newest numbers, and the series."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from libs.common.events import DAY_NS, Origin
from libs.common.events.catalogue import MARKET_WIDE, METRICS
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import Cursor, Nanos
from services.gateway.operations.operation import Example, Freshness, Operation
from services.gateway.operations.pages import span_of
from services.gateway.problems import field_problem
from services.gateway.schemas.flows import MetricEntry, Metrics, MetricSeries, metric_views
from services.gateway.schemas.provenance import in_short

_BTC: Final = "BTC-USDT-PERP"
_NONE: Final = "none_heard"
_RECENT_NS: Final = 7 * DAY_NS

_Name = Annotated[str, Meta(max_length=64)]


class AnyMetrics(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of whom."""

    symbol: Annotated[str, Meta(max_length=80, description="A canonical symbol, or `*`: the whole market")] = (
        MARKET_WIDE
    )


class SeriesWanted(AnyMetrics, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of one metric."""

    name: Annotated[str, Meta(max_length=64, description="As `/v1/metrics` lists it")]
    exchange: Annotated[_Name | None, Meta(description="Whose number, in the vendor's spelling")] = None
    vendor: Annotated[_Name | None, Meta(description="Who says it, for instance `coinglass`")] = None
    from_ns: Nanos = None
    to_ns: Nanos = None
    cursor: Cursor = None
    limit: Annotated[int, Meta(ge=1, le=500, description="Items a page")] = 100


async def _metrics(desk: Desk, _caller: Caller, wanted: AnyMetrics) -> Metrics:
    now_ns = desk.clock()
    rows = await desk.store.flows.newest_metrics(wanted.symbol, now_ns - _RECENT_NS)
    newest = metric_views(rows, now_ns)
    return Metrics(
        symbol=wanted.symbol,
        data=[
            MetricEntry(
                name=name,
                unit=defined.unit,
                meaning=defined.meaning,
                newest=[view for view in newest if view.name == name],
            )
            for name, defined in sorted(METRICS.items())
        ],
    )


async def _series(desk: Desk, _caller: Caller, wanted: SeriesWanted) -> MetricSeries:
    kind = "metrics.series"
    defined = METRICS.get(wanted.name)
    if defined is None:
        raise field_problem("not_found", "name", f"{wanted.name!r} is no metric: see /v1/metrics")
    span = span_of(wanted.from_ns, wanted.to_ns, wanted.limit)
    place = desk.board.place(kind, wanted.cursor, int, str, str, str)
    rows = await desk.store.flows.metrics(
        wanted.name,
        wanted.symbol,
        span,
        exchange=wanted.exchange,
        vendor=wanted.vendor,
        after=place.at if place else None,
    )
    page, more = rows[: wanted.limit], len(rows) > wanted.limit
    now_ns, kept = desk.clock(), await desk.latest.qualities()
    origins = {row["venue"]: Origin(row["origin"]) for row in reversed(page)}
    last = [page[-1][name] for name in ("event_ns", "exchange", "venue", "origin")] if more else None
    return MetricSeries(
        name=wanted.name,
        unit=defined.unit,
        meaning=defined.meaning,
        symbol=wanted.symbol,
        quality={vendor: in_short(kept.get(vendor), origin, now_ns)[0] for vendor, origin in sorted(origins.items())},
        data=metric_views(page, now_ns),
        cause=None if page else _NONE,
        has_more=more,
        next_cursor=desk.board.word(kind, *last) if last else None,
    )


OF_VENDORS: Final = (
    Operation(
        name="metrics.list",
        method="GET",
        path="/v1/metrics",
        params=AnyMetrics,
        answer=Metrics,
        read=_metrics,
        scope=Scope.MARKET,
        summary="Vendors' metrics: what each means, and its newest numbers",
        detail="Every metric of the catalogue, its unit and meaning, and what was said of the symbol (or, with `*`, "
        "of the whole market) in the last week.",
        tag="metrics",
        example=Example({"symbol": _BTC}, given="flows"),
        cost=2,
        freshness=Freshness(5.0, 30.0),
    ),
    Operation(
        name="metrics.series",
        method="GET",
        path="/v1/metrics/{name}",
        params=SeriesWanted,
        answer=MetricSeries,
        read=_series,
        scope=Scope.MARKET,
        summary="One metric of one symbol",
        detail="Newest first, by exchange and vendor. A number that the vendor did not give is absent with its cause. "
        "Kept for 400 days.",
        tag="metrics",
        example=Example({"name": "accounts_long", "symbol": _BTC, "limit": 10}, given="flows"),
        cost=2,
        freshness=Freshness(1.0, 5.0),
        problems=("not_found",),
    ),
)
