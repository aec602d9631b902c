"""Operations on flows: liquidations, funding, open interest, basis, longs and shorts."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from libs.common.events import DAY_NS
from libs.common.events.catalogue import METRICS
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.markets import OfMarket
from services.gateway.operations.operation import EVERYWHERE, Example, Freshness, Operation
from services.gateway.operations.pages import OF_MARKET, Stretch, bits, cut, from_bits, market_page, span_of
from services.gateway.schemas.flows import (
    Basis,
    Funding,
    Liquidations,
    LongShort,
    OpenInterests,
    funding_views,
    liquidation_views,
    mark_views,
    metric_views,
    open_interest_views,
)
from services.gateway.store.flows import Flows, Span
from services.gateway.store.rows import MarketRow

A = TypeVar("A")

_BTC: Final = "BTC-USDT-PERP"
_NONE: Final = "none_heard"
_RECENT_NS: Final = 7 * DAY_NS
_FRESH: Final = Freshness(1.0, 5.0)
_ACCOUNTS: Final = tuple(name for name in METRICS if name.startswith(("accounts_", "top_")))


async def _liquidations(desk: Desk, _caller: Caller, wanted: Stretch) -> Liquidations:
    kind = "markets.liquidations"
    span = span_of(wanted.from_ns, wanted.to_ns, wanted.limit)
    place = desk.board.place(kind, wanted.cursor, int, int, int, str, str)
    after, venue = None, wanted.venue
    if place:
        at_ns, price, size, liquidated, began = place.at
        after, venue = (at_ns, from_bits(price), from_bits(size), liquidated), venue or began
    market = await desk.board.standing(wanted.symbol, venue)
    rows = await desk.store.flows.liquidations(market.row, span, after)
    page, more = rows[: wanted.limit], len(rows) > wanted.limit
    word = None
    if more:
        last = page[-1]
        key = last["event_ns"], bits(last["price"]), bits(last["size"]), last["liquidated"]
        word = desk.board.word(kind, *key, market.row.venue)
    return Liquidations(
        **market.head,
        data=liquidation_views(page, market.now_ns),
        cause=None if page else _NONE,
        has_more=more,
        next_cursor=word,
    )


def _by_minute(
    kind: str,
    answer: Callable[..., A],
    stored: Callable[[Flows, MarketRow, Span, int | None], Awaitable[list[Any]]],
    views: Callable[[Sequence[Any], int], list[Any]],
) -> Callable[[Desk, Caller, Stretch], Awaitable[A]]:
    """Return the read of one number that the store keeps by the minute."""

    async def read(desk: Desk, _caller: Caller, wanted: Stretch) -> A:
        market, span, after_ns = await market_page(desk, kind, wanted)
        rows = await stored(desk.store.flows, market.row, span, after_ns)
        return answer(
            **market.head,
            data=views(rows[: wanted.limit], market.now_ns),
            cause=None if rows else _NONE,
            **cut(desk, kind, market, rows, wanted.limit),
        )

    return read


async def _long_short(desk: Desk, _caller: Caller, wanted: OfMarket) -> LongShort:
    market = await desk.board.standing(wanted.symbol, wanted.venue)
    rows = await desk.store.flows.newest_metrics(wanted.symbol, market.row.event_ns - _RECENT_NS, _ACCOUNTS)
    return LongShort(**market.head, data=metric_views(rows, market.now_ns), cause=None if rows else _NONE)


FLOWS: Final = (
    Operation(
        name="markets.liquidations",
        method="GET",
        path="/v1/markets/{symbol}/liquidations",
        params=Stretch,
        answer=Liquidations,
        read=_liquidations,
        scope=Scope.MARKET,
        summary="Forced closings of one market",
        detail="Newest first. Most venues tell a part of them: sums are lower bounds. Kept for 31 days.",
        tag="flows",
        example=Example({"symbol": _BTC, "limit": 10}, given="flows"),
        cost=2,
        freshness=_FRESH,
        surfaces=EVERYWHERE,
        problems=OF_MARKET,
    ),
    Operation(
        name="markets.funding",
        method="GET",
        path="/v1/markets/{symbol}/funding",
        params=Stretch,
        answer=Funding,
        read=_by_minute("markets.funding", Funding, Flows.funding, funding_views),
        scope=Scope.MARKET,
        summary="Funding rates of one market",
        detail="The newest of each minute, newest first, as fractions an interval: 0.0001 is one basis point; above 0 "
        "longs pay shorts. Kept for 31 days.",
        tag="flows",
        example=Example({"symbol": _BTC, "limit": 10}, given="flows"),
        cost=2,
        freshness=_FRESH,
        surfaces=EVERYWHERE,
        problems=OF_MARKET,
    ),
    Operation(
        name="markets.open_interest",
        method="GET",
        path="/v1/markets/{symbol}/open-interest",
        params=Stretch,
        answer=OpenInterests,
        read=_by_minute("markets.open_interest", OpenInterests, Flows.open_interest, open_interest_views),
        scope=Scope.MARKET,
        summary="Open interest of one market",
        detail="The newest of each minute, newest first, one side counted, in the units that the venue says. "
        "Kept for 31 days.",
        tag="flows",
        example=Example({"symbol": _BTC, "limit": 10}, given="flows"),
        cost=2,
        freshness=_FRESH,
        surfaces=EVERYWHERE,
        problems=OF_MARKET,
    ),
    Operation(
        name="markets.basis",
        method="GET",
        path="/v1/markets/{symbol}/basis",
        params=Stretch,
        answer=Basis,
        read=_by_minute("markets.basis", Basis, Flows.marks, mark_views),
        scope=Scope.MARKET,
        summary="Mark price, index and basis of one market",
        detail="The newest of each minute, newest first. The basis is mark less index of one message of the venue, "
        "never of two. Kept for 31 days.",
        tag="flows",
        example=Example({"symbol": _BTC, "limit": 10}, given="flows"),
        cost=2,
        freshness=_FRESH,
        problems=OF_MARKET,
    ),
    Operation(
        name="markets.long_short",
        method="GET",
        path="/v1/markets/{symbol}/long-short",
        params=OfMarket,
        answer=LongShort,
        read=_long_short,
        scope=Scope.MARKET,
        summary="Shares of longs and shorts in one symbol",
        detail="The newest of each number, exchange and vendor: of accounts, the largest accounts and positions. "
        "How it was before is in `metrics.series`.",
        tag="flows",
        example=Example({"symbol": _BTC}, given="flows"),
        cost=2,
        freshness=_FRESH,
        surfaces=EVERYWHERE,
        problems=OF_MARKET,
    ),
)
