"""What the API answers: every datum with its venue, origin, source and age. Pure.

Times are integers of nanoseconds (`*_ns`) and, beside them, RFC 3339 text. `age_s` is the time since the gateway got
the datum, by its own clock: recorded and simulated markets have event times of another day.
"""

import datetime as dt
from typing import Final

from msgspec import Struct, structs

from libs.common.events import (
    Absence,
    Contribution,
    Decision,
    Delivery,
    DeliveryState,
    Direction,
    Fact,
    Label,
    LayerReading,
    Origin,
    Plan,
    Side,
    Signal,
    Source,
    Timeframe,
)

_SECOND_NS: Final = 1_000_000_000


def rfc3339(ns: int) -> str:
    """Return `ns` as RFC 3339 text, UTC, with all nine decimals."""
    seconds, rest = divmod(ns, _SECOND_NS)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def age_s(seen_ns: int, now_ns: int) -> float:
    """Return how long ago `seen_ns` was, in seconds with three decimals; never negative."""
    return round(max(0, now_ns - seen_ns) / _SECOND_NS, 3)


class Price(Struct, frozen=True, kw_only=True):
    """The last trade of a market."""

    venue: str
    symbol: str
    origin: Origin
    source: str = "trades"
    price: float
    size: float
    side: Side
    trade_id: str
    event_ns: int
    event_time: str
    seen_ns: int
    age_s: float = 0.0
    stale: bool = False


class Book(Struct, frozen=True, kw_only=True):
    """The best levels of an order book, as of `sequence`."""

    venue: str
    symbol: str
    origin: Origin
    source: str = "books"
    in_sync: bool
    cause: str | None = None
    """Why there are no levels, when it is not in sync."""
    sequence: int
    bids: tuple[tuple[float, float], ...]
    """(price, size), best first."""
    asks: tuple[tuple[float, float], ...]
    event_ns: int
    event_time: str
    seen_ns: int
    age_s: float = 0.0
    stale: bool = False
    """True: an older view, for instance from before a restart of the gateway; the next snapshot renews it."""


class BookAnswer(Struct, frozen=True, kw_only=True):
    """One venue's book, and by which rule that venue was chosen."""

    chosen_by: str
    book: Book


class Reading(Struct, frozen=True, kw_only=True):
    """What one layer of the engine reads."""

    venue: str
    symbol: str
    origin: Origin
    source: str = "signals"
    layer: str
    timeframe: Timeframe | None
    score: float
    confidence: float
    facts: dict[str, Fact]
    as_of_ns: int
    as_of: str
    seen_ns: int
    age_s: float = 0.0
    stale: bool = False


class Readings(Struct, frozen=True, kw_only=True):
    """The newest reading of every layer."""

    venue: str
    symbol: str
    origin: Origin
    chosen_by: str
    readings: list[Reading]


class Market(Struct, frozen=True, kw_only=True):
    """One symbol at one venue."""

    venue: str
    symbol: str
    origin: Origin
    event_ns: int
    event_time: str
    seen_ns: int
    age_s: float
    stale: bool
    last: Price | None
    """Absent until a trade came."""


class Markets(Struct, frozen=True, kw_only=True):
    """Every known market."""

    data: list[Market]


class Bar(Struct, frozen=True, kw_only=True):
    """One candle; it covers [open_ns, close_ns)."""

    open_ns: int
    open_time: str
    close_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    """Base units."""
    taker_buy_volume: float | None
    trades: int | None
    closed: bool
    complete: bool
    """False: part of its time was not observed; no indicator uses it."""
    source: Source


class Candles(Struct, frozen=True, kw_only=True):
    """Candles of one market and timeframe, oldest first."""

    venue: str
    symbol: str
    timeframe: Timeframe
    origin: Origin
    chosen_by: str
    as_of_ns: int
    age_s: float
    """Of the market: since anything of it came."""
    stale: bool
    has_more: bool
    """There are older ones in the range: ask again with `to_ns` = the first candle's `open_ns`."""
    data: list[Bar]


class SignalSummary(Struct, frozen=True, kw_only=True):
    """One signal in short; `probability` stays absent and `unproven` until outcomes have proven it."""

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


class Feed(Struct, frozen=True, kw_only=True):
    """One stream of one market, as the gateway sees it."""

    venue: str
    symbol: str
    stream: str
    """`trades`, `books`, `candles`, `readings`."""
    origin: Origin
    event_ns: int
    event_time: str
    seen_ns: int
    events: int
    """Records folded since the view began; a record that the log repeats counts again."""
    age_s: float = 0.0
    stale: bool = False
    gaps: int = 0
    open_gaps: int = 0
    """Holes that were not recovered."""


class HealthView(Struct, frozen=True, kw_only=True):
    """How the feeds are."""

    as_of_ns: int
    as_of: str
    stale_after_s: float
    feeds: list[Feed]
    alerts: dict[str, int]
    """Deliveries by state."""


class Ticket(Struct, frozen=True, kw_only=True):
    """Opens one WebSocket, once."""

    ticket: str
    expires_in_s: int


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
        contributions=signal.contributions,
        absent=signal.absent,
        readings=signal.readings,
        inputs=signal.inputs,
        deliveries=[_delivery(delivery) for delivery in deliveries],
    )


def _delivery(delivery: Delivery) -> DeliveryView:
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
