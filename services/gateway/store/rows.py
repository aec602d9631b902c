"""Events to rows of PostgreSQL, and rows back to what was stored; columns stand as in `statements`. Pure."""

import hashlib
from typing import Any

from msgspec import Struct

from libs.common.bus.codec import decode, encode
from libs.common.events import Candle, Decision, Delivery, Gap, Origin, Outcome, Signal, Verdict
from services.gateway.schemas.signals import StoredSignal


class MarketRow(Struct, frozen=True, kw_only=True):
    """A market and when something of it came last."""

    venue: str
    symbol: str
    origin: Origin
    event_ns: int
    seen_ns: int


class Placed(Struct, frozen=True):
    """A signal and where it lies on its topic."""

    signal: Signal
    partition: int
    offset: int


def sight(
    markets: dict[tuple[str, str], MarketRow], venue: str, symbol: str, origin: Origin, event_ns: int, seen_ns: int
) -> None:
    """Remember in `markets`, by symbol and venue, that something of a market came; of one origin the newest time."""
    known = markets.get((symbol, venue))
    if known is not None and known.origin is origin:
        event_ns = max(event_ns, known.event_ns)
    markets[symbol, venue] = MarketRow(venue=venue, symbol=symbol, origin=origin, event_ns=event_ns, seen_ns=seen_ns)


def of_market(row: MarketRow) -> tuple[Any, ...]:
    """Return the row of `markets`."""
    return row.symbol, row.venue, str(row.origin), row.event_ns, row.seen_ns


def of_candle(candle: Candle) -> tuple[Any, ...]:
    """Return the row of `candles`."""
    return (
        candle.venue,
        candle.symbol,
        str(candle.timeframe),
        str(candle.origin),
        candle.open_ns,
        str(candle.source),
        candle.event_ns,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
        candle.taker_buy_volume,
        candle.trades,
        candle.closed,
        candle.complete,
    )


def of_signal(signal: Signal, seen_ns: int) -> tuple[Any, ...]:
    """Return the row of `signals`."""
    return (
        signal.signal_id,
        signal.venue,
        signal.symbol,
        str(signal.timeframe),
        str(signal.origin),
        str(signal.direction),
        signal.as_of_ns,
        seen_ns,
        encode(signal),
    )


def of_placed(placed: Placed, seen_ns: int) -> tuple[Any, ...]:
    """Return the row of `signals`, with where it lies on its topic and what a replay is held against."""
    row = of_signal(placed.signal, seen_ns)
    return (*row, placed.partition, placed.offset, hashlib.sha256(row[-1]).digest())


def of_outcome(outcome: Outcome, seen_ns: int) -> tuple[Any, ...]:
    """Return the row of `outcomes`."""
    return (
        outcome.signal_id,
        outcome.venue,
        outcome.symbol,
        str(outcome.timeframe),
        str(outcome.origin),
        outcome.resolved_ns,
        seen_ns,
        str(outcome.barrier),
        outcome.r_multiple,
        outcome.mfe,
        outcome.mae,
    )


def of_verdict(verdict: Verdict, seen_ns: int) -> tuple[Any, ...]:
    """Return the row of `signals`, judged."""
    judged = (str(verdict.decision), verdict.rationale, verdict.judge, verdict.decided_ns)
    return (*of_signal(verdict.signal, seen_ns), *judged)


def of_delivery(delivery: Delivery) -> tuple[Any, ...]:
    """Return the row of `deliveries`."""
    return (
        delivery.alert_id,
        delivery.signal_id,
        delivery.channel,
        delivery.recipient,
        str(delivery.state),
        delivery.attempts,
        delivery.at_ns,
        delivery.message_id,
        delivery.reason,
        str(delivery.origin),
    )


def of_gap(gap: Gap) -> tuple[Any, ...]:
    """Return the row of `gaps`."""
    return (
        gap.venue,
        gap.symbol,
        gap.stream,
        gap.from_ns,
        gap.to_ns,
        gap.event_ns,
        gap.cause,
        gap.recovered,
        str(gap.origin),
    )


def to_signal(row: Any) -> StoredSignal:
    """Return the signal of a row."""
    signal = decode(row["body"])
    assert isinstance(signal, Signal)
    return StoredSignal(
        signal=signal,
        seen_ns=row["seen_ns"],
        decision=Decision(row["decision"]) if row["decision"] else None,
        rationale=row["rationale"],
        judge=row["judge"],
        decided_ns=row["decided_ns"],
    )
