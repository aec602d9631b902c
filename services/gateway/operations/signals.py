"""Operations on signals: lists of them, and one with its evidence."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from libs.common.bus.topics import SIGNALS as TOPIC
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import (
    AnyDirection,
    AnyOrigin,
    AnySymbol,
    AnyTimeframe,
    AnyVenue,
    Cursor,
    Nanos,
    SignalId,
)
from services.gateway.operations.operation import EVERYWHERE, Example, Freshness, Operation
from services.gateway.problems import field_problem
from services.gateway.schemas.record import LatestSignals, Proof, proof
from services.gateway.schemas.signals import SignalDetail, Signals, summary
from services.gateway.store.record import Which
from services.gateway.store.rows import to_signal

_LATEST: Final = "signals.latest"


class SignalsWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which signals."""

    symbol: AnySymbol = None
    venue: AnyVenue = None
    timeframe: AnyTimeframe = None
    direction: AnyDirection = None
    origin: AnyOrigin = None
    from_ns: Nanos = None
    to_ns: Nanos = None
    cursor: Cursor = None
    limit: Annotated[int, Meta(ge=1, le=500, description="Signals a page")] = 100


class LatestWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of which markets; an absent filter means any."""

    symbol: AnySymbol = None
    venue: AnyVenue = None
    timeframe: AnyTimeframe = None
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
        from_ns=wanted.from_ns,
        to_ns=wanted.to_ns,
        after=wanted.cursor,
        limit=wanted.limit,
    )


async def _get(desk: Desk, _caller: Caller, wanted: OneSignal) -> SignalDetail:
    return await desk.board.signal(wanted.signal_id)


async def _latest(desk: Desk, _caller: Caller, wanted: LatestWanted) -> LatestSignals:
    place = desk.board.place(_LATEST, wanted.cursor, str, str, str)
    if wanted.symbol is not None:
        await desk.board.choose(wanted.symbol, wanted.venue)  # a symbol that does not exist is not an empty list
    which = Which(symbol=wanted.symbol, venue=wanted.venue, timeframe=wanted.timeframe)
    after = (place.at[0], place.at[1], place.at[2]) if place else None
    found = await desk.store.record.latest(which, after=after, limit=wanted.limit + 1)
    page, more, now_ns = found[: wanted.limit], len(found) > wanted.limit, desk.clock()
    last = page[-1].signal if more else None
    return LatestSignals(
        data=[summary(stored, now_ns) for stored in page],
        has_more=more,
        next_cursor=desk.board.word(_LATEST, last.symbol, last.venue, last.timeframe.value) if last else None,
    )


async def _proof(desk: Desk, _caller: Caller, wanted: OneSignal) -> Proof:
    row = await desk.store.record.proof(wanted.signal_id)
    if row is None:
        raise field_problem("unknown_signal", "signal_id", f"{wanted.signal_id!r} is not known here: see /v1/signals")
    return proof(to_signal(row).signal, row, TOPIC.name, desk.clock())


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
        detail="With a range: of bars that closed in it. Pages hold still while new signals come: follow "
        "`next_cursor` until `has_more` is false.",
        tag="signals",
        example=Example({"symbol": "BTC-USDT-PERP", "limit": 10}, given="signal"),
        cost=2,
        freshness=Freshness(0.5, 2.0),
        surfaces=EVERYWHERE,
        problems=("unknown_symbol", "unknown_venue"),
    ),
    Operation(
        name=_LATEST,
        method="GET",
        path="/v1/signals/latest",
        params=LatestWanted,
        answer=LatestSignals,
        read=_latest,
        scope=Scope.SIGNALS,
        summary="The newest signal of each market and timeframe",
        detail="One signal for each market and timeframe that has any, of the market's newest origin, by symbol, venue "
        "and timeframe. It may be old: see `age_s`, and when its plan expires.",
        tag="signals",
        example=Example({"symbol": "BTC-USDT-PERP"}, given="signal"),
        cost=2,
        freshness=Freshness(0.5, 2.0),
        surfaces=EVERYWHERE,
        problems=("unknown_symbol", "unknown_venue"),
    ),
    Operation(
        name="signals.proof",
        method="GET",
        path="/v1/signals/{signal_id}/proof",
        params=OneSignal,
        answer=Proof,
        read=_proof,
        scope=Scope.SIGNALS,
        summary="What a replay of one signal is held against",
        detail="Where the signal lies on its topic, the hash of its JSON, the engine's version and the inputs that "
        "reproduce it, and the command that makes it again from the log and compares bytes.",
        tag="signals",
        example=Example({"signal_id": "sig-0001"}, given="signal"),
        cost=2,
        problems=("unknown_signal",),
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
