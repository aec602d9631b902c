"""Operations on what layers read: one layer over time, levels, structures, regimes, and profiles by price."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from libs.common.events import ProfileKind, Timeframe
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import Cursor
from services.gateway.operations.markets import OfMarket
from services.gateway.operations.operation import EVERYWHERE, Example, Freshness, Operation
from services.gateway.operations.pages import OF_MARKET
from services.gateway.schemas.levels import (
    Levels,
    Regimes,
    Structures,
    levels_of,
    nearest,
    regime_views,
    structure_views,
)
from services.gateway.schemas.markets import Reading
from services.gateway.schemas.profiles import ProfileAnswer, profile_fields
from services.gateway.store.readings import StructureFilter
from services.gateway.store.rows import MarketRow

_BTC: Final = "BTC-USDT-PERP"
_FRESH: Final = Freshness(1.0, 5.0)
_STRUCTURES: Final = "markets.structures"

_Word = Annotated[str, Meta(max_length=64)]
_Side = Literal[-1, 0, 1]


class LevelsWanted(OfMarket, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which levels of one market; an absent filter means any."""

    layer: Annotated[_Word | None, Meta(description="Of which layer, for instance `smc` or `liquidity`")] = None
    timeframe: Annotated[Timeframe | None, Meta(description="Of which bars; levels of ticks have none")] = None
    kind: Annotated[_Word | None, Meta(description="For instance `order_block`, `poc`, `bid_wall`")] = None
    side: Annotated[_Side | None, Meta(description="1 supports, -1 resists, 0 neither")] = None
    state: Annotated[_Word | None, Meta(description="For instance `fresh`, `touched`, `untouched`")] = None
    limit: Annotated[int, Meta(ge=1, le=500, description="At most so many, those nearest the price")] = 100


class StructuresWanted(OfMarket, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which structures of one market; an absent filter means any."""

    timeframe: Annotated[Timeframe | None, Meta(description="Of which bars")] = None
    kind: Annotated[_Word | None, Meta(description="For instance `order_block`, `fair_value_gap`")] = None
    side: Annotated[_Side | None, Meta(description="1 supports, -1 resists, 0 neither")] = None
    state: Annotated[_Word | None, Meta(description="As last told, for instance `fresh`, `mitigated`")] = None
    cursor: Cursor = None
    limit: Annotated[int, Meta(ge=1, le=500, description="Structures a page")] = 100


class ProfileWanted(OfMarket, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much of a profile."""

    limit: Annotated[int, Meta(ge=1, le=400, description="At most so many bins, those nearest the price")] = 400


class HeatmapWanted(ProfileWanted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which bins."""

    of: Annotated[Literal["book", "liquidations"], Meta(description="Resting orders, or liquidations seen")] = "book"


async def _newest(desk: Desk, row: MarketRow, now_ns: int, slots: list[str] | None = None) -> list[Reading]:
    found = await desk.latest.readings(row.venue, row.symbol, now_ns, slots)
    return [reading for reading in found if reading.origin is row.origin]


async def _levels(desk: Desk, _caller: Caller, wanted: LevelsWanted) -> Levels:
    market = await desk.board.standing(wanted.symbol, wanted.venue)
    row = market.row
    price, _, _ = await desk.latest.top(row.venue, row.symbol, market.now_ns)
    levels = levels_of(await _newest(desk, row, market.now_ns))
    fits = [
        level
        for level in levels
        if (wanted.layer is None or level.layer == wanted.layer)
        and (wanted.timeframe is None or level.timeframe is wanted.timeframe)
        and (wanted.kind is None or level.kind == wanted.kind)
        and (wanted.side is None or level.side == wanted.side)
        and (wanted.state is None or level.state == wanted.state)
    ]
    last = price.price if price and price.origin is row.origin else None
    shown = nearest(fits, last, wanted.limit)
    cause = None if fits else "none_fits" if levels else "no_reading"
    return Levels(**market.head, price=last, data=shown, left_out=len(fits) - len(shown), cause=cause)


async def _structures(desk: Desk, _caller: Caller, wanted: StructuresWanted) -> Structures:
    place = desk.board.place(_STRUCTURES, wanted.cursor, int, str, str, str)
    venue, after = wanted.venue, None
    if place:
        *key, began = place.at
        after, venue = (key[0], key[1], key[2]), venue or began
    market = await desk.board.standing(wanted.symbol, venue)
    sought = StructureFilter(timeframe=wanted.timeframe, kind=wanted.kind, state=wanted.state, side=wanted.side)
    rows = await desk.store.readings.structures(market.row, sought, after=after, limit=wanted.limit + 1)
    page, more = rows[: wanted.limit], len(rows) > wanted.limit
    last = [page[-1][name] for name in ("formed_ns", "timeframe", "mark_id")] if more else []
    return Structures(
        **market.head,
        data=structure_views(page, market.now_ns),
        cause=None if page else "none_told",
        has_more=more,
        next_cursor=desk.board.word(_STRUCTURES, *last, market.row.venue) if more else None,
    )


async def _regime(desk: Desk, _caller: Caller, wanted: OfMarket) -> Regimes:
    market = await desk.board.standing(wanted.symbol, wanted.venue)
    row = market.row
    slots = [f"technicals|{timeframe}" for timeframe in Timeframe]
    found = regime_views(await _newest(desk, row, market.now_ns, slots))
    return Regimes(**market.head, data=found, cause=None if found else "no_reading")


async def _profile(desk: Desk, wanted: ProfileWanted, kind: ProfileKind) -> ProfileAnswer:
    market = await desk.board.standing(wanted.symbol, wanted.venue)
    row = market.row
    price, _, _ = await desk.latest.top(row.venue, row.symbol, market.now_ns)
    kept = await desk.store.readings.profile(row, kind)
    last = price.price if price and price.origin is row.origin else None
    return ProfileAnswer(
        **market.head,
        kind=kind,
        **profile_fields(
            kept.profile if kept else None, kept.seen_ns if kept else 0, market.now_ns, last, wanted.limit
        ),
    )


async def _volume(desk: Desk, _caller: Caller, wanted: ProfileWanted) -> ProfileAnswer:
    return await _profile(desk, wanted, ProfileKind.VOLUME)


async def _liquidity(desk: Desk, _caller: Caller, wanted: HeatmapWanted) -> ProfileAnswer:
    return await _profile(desk, wanted, ProfileKind(wanted.of))


LEVELS: Final = (
    Operation(
        name="markets.levels",
        method="GET",
        path="/v1/markets/{symbol}/levels",
        params=LevelsWanted,
        answer=Levels,
        read=_levels,
        scope=Scope.MARKET,
        summary="Prices and zones that the engine's layers speak of",
        detail="All marks of the newest reading of every layer and timeframe, the highest first: structures, pivots, "
        "Fibonacci levels, walls, points of control. A layer names at most a dozen, those nearest the price.",
        tag="levels",
        example=Example({"symbol": _BTC}, given="levels"),
        cost=2,
        freshness=_FRESH,
        surfaces=EVERYWHERE,
        problems=OF_MARKET,
    ),
    Operation(
        name=_STRUCTURES,
        method="GET",
        path="/v1/markets/{symbol}/structures",
        params=StructuresWanted,
        answer=Structures,
        read=_structures,
        scope=Scope.MARKET,
        summary="Smart-money structures of one market, by their state",
        detail="Order blocks, fair value gaps, swings and levels of the layer `smc`, the newest formed first, each "
        "as it was last told and since when each state was told. They are told while they live near the price: what "
        "was not told again may have ended. Kept for 31 days after they were last told.",
        tag="levels",
        example=Example({"symbol": _BTC, "timeframe": "1m"}, given="levels"),
        cost=2,
        freshness=_FRESH,
        surfaces=EVERYWHERE,
        problems=OF_MARKET,
    ),
    Operation(
        name="markets.regime",
        method="GET",
        path="/v1/markets/{symbol}/regime",
        params=OfMarket,
        answer=Regimes,
        read=_regime,
        scope=Scope.MARKET,
        summary="The regime of each timeframe of one market",
        detail="One word for what the newest bars have been like, with its measures: trend, range, volatile, quiet. "
        "It is no forecast.",
        tag="levels",
        example=Example({"symbol": _BTC}, given="levels"),
        cost=2,
        freshness=_FRESH,
        problems=OF_MARKET,
    ),
    Operation(
        name="markets.volume_profile",
        method="GET",
        path="/v1/markets/{symbol}/volume-profile",
        params=ProfileWanted,
        answer=ProfileAnswer,
        read=_volume,
        scope=Scope.MARKET,
        summary="Volume by price of this UTC day",
        detail="Bins of one width, ascending: what takers bought and sold in each since `from_ns`. The bins nearest "
        "the price; `left_out` counts the others. Renewed every ten seconds.",
        tag="levels",
        example=Example({"symbol": _BTC, "limit": 20}, given="levels"),
        cost=3,
        freshness=_FRESH,
        problems=OF_MARKET,
    ),
    Operation(
        name="markets.liquidity",
        method="GET",
        path="/v1/markets/{symbol}/liquidity",
        params=HeatmapWanted,
        answer=ProfileAnswer,
        read=_liquidity,
        scope=Scope.MARKET,
        summary="Resting orders or observed liquidations by price",
        detail="The bins of a heatmap, ascending. `of=book`: resting bids and asks as last sampled, bins that are not "
        "listed are not known. `of=liquidations`: liquidations that the venue told, halved every four hours, a lower "
        "bound. Renewed every ten seconds.",
        tag="levels",
        example=Example({"symbol": _BTC, "limit": 20}, given="levels"),
        cost=3,
        freshness=_FRESH,
        surfaces=EVERYWHERE,
        problems=OF_MARKET,
    ),
)
