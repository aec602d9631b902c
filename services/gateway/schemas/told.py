"""Views that are said once on the stream: the judge's word, a signal's end, an alert's way. Pure."""

from msgspec import Struct

from libs.common.events import Barrier, Decision, Delivery, Origin, Outcome, Timeframe, Verdict
from services.gateway.schemas.flows import FundingView, LiquidationView
from services.gateway.schemas.signals import DeliveryView, delivery_view
from services.gateway.schemas.times import rfc3339


class VerdictView(Struct, frozen=True, kw_only=True):
    """What a signal's judge said."""

    signal_id: str
    venue: str
    symbol: str
    timeframe: Timeframe
    origin: Origin
    source: str = "signals"
    decision: Decision
    judge: str
    rationale: str
    decided_ns: int
    decided: str
    seen_ns: int


class OutcomeView(Struct, frozen=True, kw_only=True):
    """What became of a signal, after costs."""

    signal_id: str
    venue: str
    symbol: str
    timeframe: Timeframe
    origin: Origin
    source: str = "signals"
    barrier: Barrier
    r_multiple: float | None
    """Profit in units of the risk; absent when unresolved."""
    mfe: float | None
    """Maximum favourable excursion, in units of the risk."""
    mae: float | None
    """Maximum adverse excursion, in units of the risk."""
    resolved_ns: int
    resolved: str
    seen_ns: int


class DeliveryTold(DeliveryView, frozen=True, kw_only=True):
    """What became of one alert, and what it was about."""

    signal_id: str
    venue: str
    """Empty where the alert was about no market."""
    symbol: str
    origin: Origin


class LiveLiquidation(Struct, frozen=True, kw_only=True):
    """A forced closing on the stream."""

    venue: str
    symbol: str
    origin: Origin
    liquidation: LiquidationView


class LiveFunding(Struct, frozen=True, kw_only=True):
    """A funding rate on the stream."""

    venue: str
    symbol: str
    origin: Origin
    funding: FundingView


def verdict_view(verdict: Verdict, seen_ns: int) -> VerdictView:
    """Return the view of a verdict."""
    return VerdictView(
        signal_id=verdict.signal.signal_id,
        venue=verdict.signal.venue,
        symbol=verdict.signal.symbol,
        timeframe=verdict.signal.timeframe,
        origin=verdict.signal.origin,
        decision=verdict.decision,
        judge=verdict.judge,
        rationale=verdict.rationale,
        decided_ns=verdict.decided_ns,
        decided=rfc3339(verdict.decided_ns),
        seen_ns=seen_ns,
    )


def outcome_view(outcome: Outcome, seen_ns: int) -> OutcomeView:
    """Return the view of an outcome."""
    return OutcomeView(
        signal_id=outcome.signal_id,
        venue=outcome.venue,
        symbol=outcome.symbol,
        timeframe=outcome.timeframe,
        origin=outcome.origin,
        barrier=outcome.barrier,
        r_multiple=outcome.r_multiple,
        mfe=outcome.mfe,
        mae=outcome.mae,
        resolved_ns=outcome.resolved_ns,
        resolved=rfc3339(outcome.resolved_ns),
        seen_ns=seen_ns,
    )


def delivery_told(delivery: Delivery) -> DeliveryTold:
    """Return the view of a delivery; the recipient's address is masked."""
    shown = delivery_view(delivery)
    return DeliveryTold(
        alert_id=shown.alert_id,
        channel=shown.channel,
        recipient=shown.recipient,
        state=shown.state,
        attempts=shown.attempts,
        at_ns=shown.at_ns,
        at=shown.at,
        message_id=shown.message_id,
        reason=shown.reason,
        signal_id=delivery.signal_id,
        venue=delivery.venue,
        symbol=delivery.symbol,
        origin=delivery.origin,
    )
