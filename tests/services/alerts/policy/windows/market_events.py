"""Events with few words: seconds of a made-up day, dollars as value."""

from typing import Any

from libs.common.events import (
    SECOND_NS,
    Candle,
    FundingRate,
    Liquidation,
    Metric,
    OpenInterest,
    Origin,
    PositionSide,
    Side,
    Timeframe,
    Trade,
)

T0 = 1_700_000_040 * SECOND_NS
"""A whole minute, not a whole five of them."""
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
BUY, SELL = Side.BUY, Side.SELL
BTC = "BTC-USDT-PERP"


def ns(seconds: float) -> int:
    return T0 + round(seconds * SECOND_NS)


def market(at_s: float, symbol: str, venue: str) -> dict[str, Any]:
    return {"venue": venue, "symbol": symbol, "event_ns": ns(at_s), "received_ns": ns(at_s), "origin": Origin.RECORDED}


def liquidation(at_s: float, usd: float, side: PositionSide = LONG, symbol: str = BTC, venue: str = "okx"):
    return Liquidation(**market(at_s, symbol, venue), price=1.0, size=usd, liquidated=side)


def trade(at_s: float, usd: float, side: Side = BUY, symbol: str = BTC, venue: str = "okx", trade_id: str = ""):
    identity = trade_id or f"{at_s}|{usd}|{side}"
    return Trade(**market(at_s, symbol, venue), price=1.0, size=usd, side=side, trade_id=identity)


def funding(at_s: float, rate: float, interval_s: int | None = 28_800, next_s: float | None = None):
    settles_ns = None if next_s is None else ns(next_s)
    return FundingRate(**market(at_s, BTC, "okx"), rate=rate, interval_s=interval_s, next_funding_ns=settles_ns)


def interest(at_s: float, **measures: Any):
    return OpenInterest(**market(at_s, BTC, "okx"), **measures)


def minute(number: int, close: float, volume: float = 1.0, known_after_s: float = 0.5, **changes: Any):
    """The minute that opens `number` minutes after T0."""
    fields = {"open": close, "high": close, "low": close, "close": close, "volume": volume, **changes}
    timeframe = fields.pop("timeframe", Timeframe.M1)
    known = market(60.0 * (number + 1) + known_after_s, BTC, "okx")
    return Candle(**known, timeframe=timeframe, open_ns=ns(60 * number), **fields)


def metric(at_s: float, name: str, value: float | None, symbol: str = BTC, **changes: Any):
    known = market(at_s, symbol, changes.pop("venue", "coinglass"))
    return Metric(**known, name=name, unit="usd", value=value, **changes)
