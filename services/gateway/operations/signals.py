"""Operations on signals: lists of them, and one with its evidence."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import (
    AnyDirection,
    AnyOrigin,
    AnySymbol,
    AnyTimeframe,
    AnyVenue,
    Cursor,
    SignalId,
)
from services.gateway.operations.operation import EVERYWHERE, Example, Freshness, Operation
from services.gateway.schemas.signals import SignalDetail, Signals


class SignalsWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which signals."""

    symbol: AnySymbol = None
    venue: AnyVenue = None
    timeframe: AnyTimeframe = None
    direction: AnyDirection = None
    origin: AnyOrigin = None
    cursor: Cursor = None
    limit: Annotated[int, Meta(ge=1, le=500, description="Signals a page")] = 100


class OneSignal(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One signal."""

    signal_id: SignalId


async def _list(desk: Desk, _caller: Caller, wanted: SignalsWanted) -> Signals:
    return await desk.board.signals(
        symbol=wanted.symbol,
        venue=wanted.venue,
        timeframe=wanted.timeframe,
        direction=wanted.direction,
        origin=wanted.origin,
        after=wanted.cursor,
        limit=wanted.limit,
    )


async def _get(desk: Desk, _caller: Caller, wanted: OneSignal) -> SignalDetail:
    return await desk.board.signal(wanted.signal_id)


SIGNALS: Final = (
    Operation(
        name="signals.list",
        method="GET",
        path="/v1/signals",
        params=SignalsWanted,
        answer=Signals,
        read=_list,
        scope=Scope.SIGNALS,
        summary="Signals, newest first",
        detail="Pages hold still while new signals come: follow `next_cursor` until `has_more` is false.",
        tag="signals",
        example=Example({"symbol": "BTC-USDT-PERP", "limit": 10}, given="signal"),
        cost=2,
        freshness=Freshness(0.5, 2.0),
        surfaces=EVERYWHERE,
        problems=("unknown_symbol", "unknown_venue"),
    ),
    Operation(
        name="signals.get",
        method="GET",
        path="/v1/signals/{signal_id}",
        params=OneSignal,
        answer=SignalDetail,
        read=_get,
        scope=Scope.SIGNALS,
        summary="One signal with its evidence",
        detail="Contributions, absent layers with their causes, readings, inputs, the verdict, "
        "and what became of its alerts.",
        tag="signals",
        example=Example({"signal_id": "sig-0001"}, given="signal"),
        cost=2,
        surfaces=EVERYWHERE,
        problems=("unknown_signal",),
    ),
)
