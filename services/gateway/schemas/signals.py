"""Views of signals: in short, with their evidence, and with what their judge said and their alerts became. Pure."""

from msgspec import Struct, structs

from libs.common.events import (
    Absence,
    Calibration,
    Challenger,
    Contribution,
    Decision,
    Delivery,
    DeliveryState,
    Direction,
    Label,
    LayerReading,
    Origin,
    Plan,
    Signal,
    Timeframe,
)
from services.gateway.schemas.times import age_s, rfc3339


class SignalSummary(Struct, frozen=True, kw_only=True):
    """One signal in short; `probability` is what fixed weights imply while it is `unproven`, and no hit rate."""

    signal_id: str
    venue: str
    symbol: str
    timeframe: Timeframe
    origin: Origin
    source: str = "signals"
    direction: Direction
    label: Label
    score: float
    confidence: float
    probability: float | None
    probability_status: str
    calibration: Calibration | None
    """The band and the number of outcomes that prove the probability; null while nothing has."""
    price: float
    plan: Plan | None
    abstained: str | None
    as_of_ns: int
    as_of: str
    known_at_ns: int
    seen_ns: int
    age_s: float
    decision: Decision | None
    """The judge's; absent until judged."""
    judge: str | None
    rationale: str | None
    decided_ns: int | None


class DeliveryView(Struct, frozen=True, kw_only=True):
    """What became of one alert; the recipient's address is masked."""

    alert_id: str
    channel: str
    recipient: str
    state: DeliveryState
    attempts: int
    at_ns: int
    at: str
    message_id: str | None
    reason: str | None


class SignalDetail(SignalSummary, frozen=True, kw_only=True):
    """One signal with its evidence."""

    log_odds: float
    """Of an upward move: `intercept` plus the contributions' log-odds."""
    intercept: float
    model: str
    """What decided: `scorecard`, or a trained network."""
    challenger: Challenger | None
    """What a network says that has not earned the right to decide."""
    conflict: float | None
    """Share of the evidence that speaks against the rest, in [0, 0.5]."""
    regime: str | None
    effective_layers: float | None
    """How many independent voices spoke."""
    contributions: tuple[Contribution, ...]
    absent: tuple[Absence, ...]
    readings: tuple[LayerReading, ...]
    inputs: dict[str, str]
    deliveries: list[DeliveryView]


class Signals(Struct, frozen=True, kw_only=True):
    """A page of signals, newest first."""

    data: list[SignalSummary]
    has_more: bool
    next_cursor: str | None


class StoredSignal(Struct, frozen=True, kw_only=True):
    """A signal and what its judge said, as stored."""

    signal: Signal
    seen_ns: int
    decision: Decision | None = None
    rationale: str | None = None
    judge: str | None = None
    decided_ns: int | None = None


def summary(stored: StoredSignal, now_ns: int) -> SignalSummary:
    """Return the short view."""
    signal = stored.signal
    return SignalSummary(
        signal_id=signal.signal_id,
        venue=signal.venue,
        symbol=signal.symbol,
        timeframe=signal.timeframe,
        origin=signal.origin,
        direction=signal.direction,
        label=signal.label,
        score=signal.score,
        confidence=signal.confidence,
        probability=signal.probability,
        probability_status=signal.probability_status,
        calibration=signal.calibration,
        price=signal.price,
        plan=signal.plan,
        abstained=signal.abstained,
        as_of_ns=signal.as_of_ns,
        as_of=rfc3339(signal.as_of_ns),
        known_at_ns=signal.known_at_ns,
        seen_ns=stored.seen_ns,
        age_s=age_s(stored.seen_ns, now_ns),
        decision=stored.decision,
        judge=stored.judge,
        rationale=stored.rationale,
        decided_ns=stored.decided_ns,
    )


def detail(stored: StoredSignal, deliveries: list[Delivery], now_ns: int) -> SignalDetail:
    """Return the view with evidence."""
    signal = stored.signal
    return SignalDetail(
        **structs.asdict(summary(stored, now_ns)),
        log_odds=signal.log_odds,
        intercept=signal.intercept,
        model=signal.model,
        challenger=signal.challenger,
        conflict=signal.conflict,
        regime=signal.regime,
        effective_layers=signal.effective_layers,
        contributions=signal.contributions,
        absent=signal.absent,
        readings=signal.readings,
        inputs=signal.inputs,
        deliveries=[delivery_view(delivery) for delivery in deliveries],
    )


def delivery_view(delivery: Delivery) -> DeliveryView:
    """Return the view of a delivery."""
    return DeliveryView(
        alert_id=delivery.alert_id,
        channel=delivery.channel,
        recipient=mask(delivery.recipient),
        state=delivery.state,
        attempts=delivery.attempts,
        at_ns=delivery.at_ns,
        at=rfc3339(delivery.at_ns),
        message_id=delivery.message_id,
        reason=delivery.reason,
    )


def mask(address: str) -> str:
    """Return an address of which only its last two characters are shown."""
    return "***" + address[-2:] if len(address) > 4 else "***"
