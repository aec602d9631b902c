"""Operations over all markets: the screener, and the regime of each."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from libs.common.events import Fact, Origin, Timeframe
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import AnyVenue, Cursor
from services.gateway.operations.operation import EVERYWHERE, Example, Freshness, Operation
from services.gateway.operations.pages import bits, from_bits
from services.gateway.problems import field_problem
from services.gateway.schemas.columns import COLUMNS, SHOWN, Type
from services.gateway.schemas.provenance import in_short, when
from services.gateway.schemas.screener import (
    MarketRegimes,
    Screen,
    ScreenerRow,
    column_view,
    regime_of,
    slots_of,
    values_of,
)
from services.gateway.schemas.screening import Condition, ConditionError, Key, chosen, column_of, conditions, sort_key
from services.gateway.schemas.times import age_s, rfc3339

_REGIMES: Final = "regime.list"

_Text = Annotated[str, Meta(max_length=500)]
_Bars = Annotated[Timeframe, Meta(description="Of signals and of layers that read bars")]
_Limit = Annotated[int, Meta(ge=1, le=500, description="Markets a page")]


class ScreenWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which markets, in which order."""

    timeframe: _Bars = Timeframe.M15
    where: Annotated[
        _Text | None,
        Meta(description="Comparisons that must all hold, with commas between: `rsi_14<30,regime=range,grade=a`"),
    ] = None
    sort: Annotated[_Text, Meta(description="Column to sort by; markets that lack it come last")] = "score"
    order: Annotated[Literal["asc", "desc"], Meta(description="Least or greatest first")] = "desc"
    columns: Annotated[_Text | None, Meta(description="Columns to show, with commas between")] = None
    venue: AnyVenue = None
    cursor: Cursor = None
    limit: _Limit = 50


class RegimesWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which regimes; an absent filter means any."""

    timeframe: _Bars = Timeframe.M15
    regime: Annotated[
        Literal["trend", "range", "volatile", "quiet"] | None, Meta(description="Markets in this regime only")
    ] = None
    venue: AnyVenue = None
    cursor: Cursor = None
    limit: _Limit = 100


async def _screen(desk: Desk, _caller: Caller, wanted: ScreenWanted) -> Screen:
    asked, sort, shown = _asked(wanted)
    descending = wanted.order == "desc"
    kind = f"screener.run {sort} {wanted.order}"
    after = _after(desk, kind, wanted, descending=descending)
    rows = await desk.store.record.screen(wanted.timeframe, wanted.venue)
    now_ns = desk.clock()
    cells = await desk.latest.cells([(row["venue"], row["symbol"]) for row in rows], slots_of(wanted.timeframe))
    prices = {(price.venue, price.symbol): price for price in await desk.latest.prices(now_ns)}
    reports = await desk.latest.qualities()
    found: list[tuple[Key, ScreenerRow]] = []
    for row, own in zip(rows, cells, strict=True):
        venue, symbol, kept = row["venue"], row["symbol"], reports.get(row["venue"])
        price = prices.get((venue, symbol))
        seen_ns = max(row["seen_ns"], price.seen_ns if price else 0)
        stale = age_s(seen_ns, now_ns) > desk.stale_after_s
        values = values_of(row, own, wanted.timeframe, price=price, kept=kept, stale=stale, now_ns=now_ns)
        if not all(condition.fits(values) for condition in asked):
            continue
        quality, cause = in_short(kept, Origin(row["origin"]), now_ns)
        line = ScreenerRow(
            **when(row["event_ns"], seen_ns, now_ns),
            venue=venue,
            symbol=symbol,
            origin=Origin(row["origin"]),
            stale=stale,
            quality=quality,
            quality_cause=cause,
            values={name: values[name] for name in (*shown, sort)},
        )
        found.append((sort_key(values, sort, symbol, venue, descending=descending), line))
    found.sort(key=lambda one: one[0])
    left = [one for one in found if after is None or one[0] > after]
    page, more = [line for _, line in left[: wanted.limit]], len(left) > wanted.limit
    return Screen(
        timeframe=wanted.timeframe,
        as_of_ns=now_ns,
        as_of=rfc3339(now_ns),
        markets=len(rows),
        fitting=len(found),
        columns={name: column_view(name) for name in dict.fromkeys((*shown, sort))},
        data=page,
        has_more=more,
        next_cursor=_word(desk, kind, sort, page[-1]) if more else None,
    )


async def _regimes(desk: Desk, _caller: Caller, wanted: RegimesWanted) -> MarketRegimes:
    place = desk.board.place(_REGIMES, wanted.cursor, str, str)
    markets = [row for row in await desk.store.markets() if wanted.venue is None or row.venue == wanted.venue]
    slot = f"technicals|{wanted.timeframe}"
    cells = await desk.latest.cells([(row.venue, row.symbol) for row in markets], [slot])
    reports, now_ns = await desk.latest.qualities(), desk.clock()
    found = [
        regime_of((row.venue, row.symbol, row.origin), own[slot], wanted.timeframe, reports.get(row.venue), now_ns)
        for row, own in zip(markets, cells, strict=True)
        if slot in own and own[slot].origin is row.origin
    ]
    fits = [one for one in found if wanted.regime is None or one.regime == wanted.regime]
    left = [one for one in fits if place is None or (one.symbol, one.venue) > place.at]
    page, more = left[: wanted.limit], len(left) > wanted.limit
    return MarketRegimes(
        timeframe=wanted.timeframe,
        data=page,
        cause=None if fits else "none_fits" if found else "no_reading",
        has_more=more,
        next_cursor=desk.board.word(_REGIMES, page[-1].symbol, page[-1].venue) if more else None,
    )


def _asked(wanted: ScreenWanted) -> tuple[list[Condition], str, list[str]]:
    field = "where"
    try:
        asked = conditions(wanted.where or "")
        field = "sort"
        sort = column_of(wanted.sort)
        field = "columns"
        return asked, sort, chosen(wanted.columns, SHOWN)
    except ConditionError as e:
        raise field_problem("invalid_parameter", field, str(e)) from e


def _after(desk: Desk, kind: str, wanted: ScreenWanted, *, descending: bool) -> Key | None:
    """Return the key of the last row of the page before; a number stands in a cursor as its bits."""
    words = COLUMNS[wanted.sort].type is Type.WORD
    place = desk.board.place(kind, wanted.cursor, int, str if words else int, str, str)
    if place is None:
        return None
    absent, held, symbol, venue = place.at
    value: Fact = None if absent else held if words else from_bits(held)
    return sort_key({wanted.sort: value}, wanted.sort, symbol, venue, descending=descending)


def _word(desk: Desk, kind: str, sort: str, last: ScreenerRow) -> str:
    value = last.values[sort]
    held = value if isinstance(value, str) else "" if COLUMNS[sort].type is Type.WORD else bits(float(value or 0.0))
    return desk.board.word(kind, int(value is None), held, last.symbol, last.venue)


SCREENER: Final = (
    Operation(
        name="screener.run",
        method="GET",
        path="/v1/screener",
        params=ScreenWanted,
        answer=Screen,
        read=_screen,
        scope=Scope.SIGNALS,
        summary="Markets that fit conditions, in order",
        detail=f"Looks at every market. `where` compares columns by < <= > >= = !=; what is not known of a market fits "
        f"nothing and comes last. Columns: {', '.join(COLUMNS)}.",
        tag="screener",
        example=Example({"where": "price>0", "sort": "price", "timeframe": "1m"}, given="levels"),
        cost=5,
        freshness=Freshness(1.0, 5.0),
        surfaces=EVERYWHERE,
    ),
    Operation(
        name=_REGIMES,
        method="GET",
        path="/v1/regime",
        params=RegimesWanted,
        answer=MarketRegimes,
        read=_regimes,
        scope=Scope.MARKET,
        summary="The regime of every market",
        detail="One word for what each market's newest bars of one timeframe have been like, with its measures, by "
        "symbol and venue: trend, range, volatile, quiet. It is no forecast.",
        tag="screener",
        example=Example({"timeframe": "1m"}, given="levels"),
        cost=3,
        freshness=Freshness(1.0, 5.0),
        surfaces=EVERYWHERE,
    ),
)
