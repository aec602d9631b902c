"""GET /v1/signals and /v1/signals/{signal_id}."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from services.gateway.access.guard import READ, problems
from services.gateway.board import Board
from services.gateway.routes.parameters import (
    AnyTimeframeQuery,
    CursorQuery,
    DirectionQuery,
    OriginQuery,
    SignalIdPath,
    SymbolQuery,
    VenueQuery,
)
from services.gateway.schemas.signals import SignalDetail, Signals

_TAGS = ["signals"]


@get(
    "/v1/signals",
    opt=READ,
    operation_id="listSignals",
    summary="Signals, newest first",
    tags=_TAGS,
    responses=problems(404),
)
async def signals(
    board: NamedDependency[Board],
    symbol: SymbolQuery = None,
    venue: VenueQuery = None,
    timeframe: AnyTimeframeQuery = None,
    direction: DirectionQuery = None,
    origin: OriginQuery = None,
    cursor: CursorQuery = None,
    limit: Annotated[int, QueryParameter(ge=1, le=500, description="Signals a page")] = 100,
) -> Signals:
    """Pages hold still while new signals come: follow `next_cursor` until `has_more` is false."""
    return await board.signals(
        symbol=symbol,
        venue=venue,
        timeframe=timeframe,
        direction=direction,
        origin=origin,
        after=cursor,
        limit=limit,
    )


@get(
    "/v1/signals/{signal_id:str}",
    opt=READ,
    operation_id="getSignal",
    summary="One signal with its evidence",
    tags=_TAGS,
    responses=problems(404),
)
async def signal(board: NamedDependency[Board], signal_id: SignalIdPath) -> SignalDetail:
    """Contributions, absent layers with their causes, readings, inputs, the verdict, and what became of its alerts."""
    return await board.signal(signal_id)
