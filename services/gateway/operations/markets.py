"""Operations on markets: what is traded, and its candles, book and readings."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import Bars, ChosenVenue, Nanos, Symbol
from services.gateway.operations.operation import EVERYWHERE, Example, Freshness, Nothing, Operation
from services.gateway.projections.live import BOOK_DEPTH
from services.gateway.schemas.markets import BookAnswer, Candles, Markets, Readings

_BTC: Final = "BTC-USDT-PERP"


class OfMarket(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One market."""

    symbol: Symbol
    venue: ChosenVenue = None


class CandlesWanted(OfMarket, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of one market's candles."""

    timeframe: Bars
    from_ns: Nanos = None
    to_ns: Nanos = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many, the newest of the range")] = 300


class BookWanted(OfMarket, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The top of one market's book."""

    depth: Annotated[int, Meta(ge=1, le=BOOK_DEPTH, description="Levels a side")] = 20


async def _markets(desk: Desk, _caller: Caller, _wanted: Nothing) -> Markets:
    return await desk.board.markets()


async def _candles(desk: Desk, _caller: Caller, wanted: CandlesWanted) -> Candles:
    return await desk.board.candles(
        wanted.symbol,
        wanted.timeframe,
        venue=wanted.venue,
        from_ns=wanted.from_ns or 0,
        to_ns=wanted.to_ns,
        limit=wanted.limit,
    )


async def _book(desk: Desk, _caller: Caller, wanted: BookWanted) -> BookAnswer:
    return await desk.board.book(wanted.symbol, venue=wanted.venue, depth=wanted.depth)


async def _readings(desk: Desk, _caller: Caller, wanted: OfMarket) -> Readings:
    return await desk.board.readings(wanted.symbol, venue=wanted.venue)


MARKETS: Final = (
    Operation(
        name="markets.list",
        method="GET",
        path="/v1/markets",
        params=Nothing,
        answer=Markets,
        read=_markets,
        scope=Scope.MARKET,
        summary="Every known market with its last price",
        detail="Every venue and symbol that data came of, with the last trade, its origin and age.",
        tag="markets",
        example=Example({}),
        freshness=Freshness(0.5, 2.0),
        surfaces=EVERYWHERE,
    ),
    Operation(
        name="markets.candles",
        method="GET",
        path="/v1/markets/{symbol}/candles",
        params=CandlesWanted,
        answer=Candles,
        read=_candles,
        scope=Scope.MARKET,
        summary="Candles of one market",
        detail="The newest `limit` candles that open in [from_ns, to_ns), oldest first; go back with `to_ns`.",
        tag="markets",
        example=Example({"symbol": _BTC, "timeframe": "1m"}),
        cost=2,
        freshness=Freshness(1.0, 5.0),
        surfaces=EVERYWHERE,
        problems=("unknown_symbol", "unknown_venue"),
    ),
    Operation(
        name="markets.book",
        method="GET",
        path="/v1/markets/{symbol}/book",
        params=BookWanted,
        answer=BookAnswer,
        read=_book,
        scope=Scope.MARKET,
        summary="The order book of one market",
        detail="The best levels, at most a quarter of a second old while the feed flows; "
        "never across a break in its sequence.",
        tag="markets",
        example=Example({"symbol": _BTC, "depth": 2}),
        cost=2,
        freshness=Freshness(0.25, 1.0),
        surfaces=EVERYWHERE,
        problems=("unknown_symbol", "unknown_venue", "book_unavailable", "book_out_of_sync"),
    ),
    Operation(
        name="markets.readings",
        method="GET",
        path="/v1/markets/{symbol}/readings",
        params=OfMarket,
        answer=Readings,
        read=_readings,
        scope=Scope.MARKET,
        summary="What the engine's layers read",
        detail="The newest reading of every layer, with its facts.",
        tag="markets",
        example=Example({"symbol": _BTC}),
        cost=2,
        freshness=Freshness(1.0, 5.0),
        problems=("unknown_symbol", "unknown_venue"),
    ),
)
