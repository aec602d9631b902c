"""GET /v1/markets and below: prices, candles, books, readings."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from services.gateway.access.guard import READ, problems
from services.gateway.board import Board
from services.gateway.projections.live import BOOK_DEPTH
from services.gateway.routes.parameters import ChosenVenueQuery, NanosQuery, SymbolPath, TimeframeQuery
from services.gateway.schemas.markets import BookAnswer, Candles, Markets, Readings

_TAGS = ["markets"]


@get(
    "/v1/markets",
    opt=READ,
    operation_id="listMarkets",
    summary="Every known market with its last price",
    tags=_TAGS,
    responses=problems(),
)
async def markets(board: NamedDependency[Board]) -> Markets:
    """Every venue and symbol that data came of, with the last trade, its origin and age."""
    return await board.markets()


@get(
    "/v1/markets/{symbol:str}/candles",
    opt=READ,
    operation_id="getCandles",
    summary="Candles of one market",
    tags=_TAGS,
    responses=problems(404),
)
async def candles(
    board: NamedDependency[Board],
    symbol: SymbolPath,
    timeframe: TimeframeQuery,
    venue: ChosenVenueQuery = None,
    from_ns: NanosQuery = None,
    to_ns: NanosQuery = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="At most so many, the newest of the range")] = 300,
) -> Candles:
    """The newest `limit` candles that open in [from_ns, to_ns), oldest first; go back with `to_ns`."""
    return await board.candles(symbol, timeframe, venue=venue, from_ns=from_ns or 0, to_ns=to_ns, limit=limit)


@get(
    "/v1/markets/{symbol:str}/book",
    opt=READ,
    operation_id="getBook",
    summary="The order book of one market",
    tags=_TAGS,
    responses=problems(404),
)
async def book(
    board: NamedDependency[Board],
    symbol: SymbolPath,
    venue: ChosenVenueQuery = None,
    depth: Annotated[int, QueryParameter(ge=1, le=BOOK_DEPTH, description="Levels a side")] = 20,
) -> BookAnswer:
    """The best levels, at most a quarter of a second old while the feed flows; never across a break in its sequence."""
    return await board.book(symbol, venue=venue, depth=depth)


@get(
    "/v1/markets/{symbol:str}/readings",
    opt=READ,
    operation_id="getReadings",
    summary="What the engine's layers read",
    tags=_TAGS,
    responses=problems(404),
)
async def readings(board: NamedDependency[Board], symbol: SymbolPath, venue: ChosenVenueQuery = None) -> Readings:
    """The newest reading of every layer, with its facts."""
    return await board.readings(symbol, venue=venue)
