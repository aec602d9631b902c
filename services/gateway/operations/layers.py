"""Operations on one layer of the engine over time: a literal table of layers makes an operation each."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from msgspec import Meta, Struct

from libs.common.events import Timeframe
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import EVERYWHERE, JSON, USUAL, Example, Freshness, Operation
from services.gateway.operations.pages import OF_MARKET, Stretch, market_page
from services.gateway.schemas.levels import LayerAnswer, past_readings

_BTC: Final = "BTC-USDT-PERP"

_Limit = Annotated[int, Meta(ge=1, le=200, description="Readings a page")]


class TickStretch(Stretch, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of a layer that reads ticks, and bars too."""

    timeframe: Annotated[Timeframe | None, Meta(description="Of which bars; without it: what it reads of ticks")] = None
    limit: _Limit = 20


class BarStretch(Stretch, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of a layer that reads bars."""

    timeframe: Annotated[Timeframe, Meta(description="Of which bars")] = Timeframe.M15
    limit: _Limit = 20


class _Layer(Struct, frozen=True, kw_only=True):
    name: str
    params: type[TickStretch] | type[BarStretch]
    summary: str
    detail: str
    gpt: bool
    example: Timeframe | None


_LAYERS: Final = (
    _Layer(
        name="cvd",
        params=TickStretch,
        summary="Cumulative volume delta of one market",
        detail="What the layer `cvd` reads: taker buying less selling of the last minutes and of the session; with a "
        "timeframe also anchored deltas and divergences of its bars.",
        gpt=True,
        example=None,
    ),
    _Layer(
        name="order_flow",
        params=TickStretch,
        summary="Order flow of one market",
        detail="What the layer `order_flow` reads: imbalances of flow and queues, microprice, impact, sweeps, "
        "absorptions and liquidation clusters.",
        gpt=True,
        example=None,
    ),
    _Layer(
        name="technicals",
        params=BarStretch,
        summary="Technical indicators of one market",
        detail="What the layer `technicals` reads at each close: RSI, MACD, bands, averages, ADX, Ichimoku and others, "
        "its score, and the regime.",
        gpt=False,
        example=Timeframe.M15,
    ),
    _Layer(
        name="factors",
        params=TickStretch,
        summary="The eight weighted factors of one market",
        detail="What `factors` reads: liquidations, momentum, funding, positions and mood, each with its score or "
        "why it has none. Information beside the signals, without a say in them.",
        gpt=True,
        example=None,
    ),
)


def _reader(layer: str, kind: str) -> Callable[[Desk, Caller, TickStretch | BarStretch], Awaitable[LayerAnswer]]:
    async def read(desk: Desk, _caller: Caller, wanted: TickStretch | BarStretch) -> LayerAnswer:
        market, span, after_ns = await market_page(desk, kind, wanted)
        row, now_ns = market.row, market.now_ns
        found = await desk.latest.readings(row.venue, row.symbol, now_ns, [f"{layer}|{wanted.timeframe or ''}"])
        newest = [reading for reading in found if reading.origin is row.origin]
        kept = await desk.store.readings.readings(row, layer, wanted.timeframe, span, after_ns)
        page, more = kept[: wanted.limit], len(kept) > wanted.limit
        return LayerAnswer(
            **market.head,
            layer=layer,
            timeframe=wanted.timeframe,
            newest=newest[0] if newest else None,
            cause=None if newest else "no_reading",
            data=past_readings([(one.reading, one.seen_ns) for one in page], now_ns),
            has_more=more,
            next_cursor=desk.board.word(kind, page[-1].reading.as_of_ns, row.venue) if more else None,
        )

    return read


def _example(timeframe: Timeframe | None) -> dict[str, JSON]:
    return {"symbol": _BTC, "timeframe": timeframe.value} if timeframe else {"symbol": _BTC}


LAYERS: Final = tuple(
    Operation(
        name=f"markets.{layer.name}",
        method="GET",
        path=f"/v1/markets/{{symbol}}/{layer.name.replace('_', '-')}",
        params=layer.params,
        answer=LayerAnswer,
        read=_reader(layer.name, f"markets.{layer.name}"),
        scope=Scope.MARKET,
        summary=layer.summary,
        detail=f"{layer.detail} The newest reading, then those before it, newest first: of bars every close, of "
        "ticks the first of each minute; kept for two days of ticks and one-minute bars, for seven of longer ones.",
        tag="layers",
        example=Example(_example(layer.example), given="levels"),
        cost=2,
        freshness=Freshness(1.0, 5.0),
        surfaces=EVERYWHERE if layer.gpt else USUAL,
        problems=OF_MARKET,
    )
    for layer in _LAYERS
)
