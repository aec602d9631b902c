"""What people asked to hear, the sentences ready to send, and what became of them."""

from typing import TypeAlias

from msgspec import Struct, field

from libs.common.events.words import DeliveryState, Direction, Label, Origin, Severity, Timeframe


class AlertRule(Struct, frozen=True, kw_only=True, tag_field="type", tag="alert_rule"):
    """A wish: what one recipient wants to hear of. An empty tuple means any.

    Timeframes, directions, labels and the least score and confidence are asked of signals alone.
    """

    rule_id: str
    recipient: str
    """Address in the channel: a Telegram chat id."""
    channel: str = "telegram"
    kind: str = "signal"
    """Of what: `signal`, `outcome`, `liquidation`, `whale`, `funding`, `open_interest`, `spike`, `gap`, `feed`,
    `metric` or `system`; all but signals need a condition.
    """
    symbols: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    timeframes: tuple[Timeframe, ...] = ()
    directions: tuple[Direction, ...] = (Direction.LONG, Direction.SHORT)
    labels: tuple[Label, ...] = ()
    min_score: float = 0.0
    """Least absolute score, in [0, 1]."""
    min_confidence: float = 0.0
    condition: str = ""
    """What must hold besides, in the language of conditions: `abs_score >= 0.6`; empty: nothing."""
    until: str = ""
    """What ends an episode, so that the next may begin; empty: that the condition does not hold."""
    for_s: int = 0
    """How long the condition must have held, in seconds of event time."""
    template: str = ""
    """The template it was made from."""
    cooldown_s: int = 0
    """Least time between two delivered alerts of one (rule, venue, symbol, timeframe)."""
    severity: Severity = Severity.WARNING
    enabled: bool = True
    deleted: bool = False
    """A tombstone, so that a reader of the topic forgets the rule."""


class Alert(Struct, frozen=True, kw_only=True, tag_field="type", tag="alert"):
    """A sentence ready to send to one recipient."""

    alert_id: str
    """Deterministic: from rule and signal, or rule, key and episode; so the same wish is never granted twice."""
    rule_id: str
    signal_id: str
    """What it is about: a signal's id, or the key of something else: `liquidation|okx|BTC-USDT-PERP`."""
    channel: str
    recipient: str
    severity: Severity
    html: str
    """Telegram HTML, escaped by construction, at most 4,096 UTF-16 units."""
    text: str
    """The same in plain words."""
    created_ns: int
    valid_until_ns: int
    """Never sent after this."""
    origin: Origin = Origin.LIVE


class Delivery(Struct, frozen=True, kw_only=True, tag_field="type", tag="delivery"):
    """What became of one alert."""

    alert_id: str
    signal_id: str
    """As in the alert."""
    channel: str
    recipient: str
    state: DeliveryState
    attempts: int
    at_ns: int
    message_id: str | None = None
    """The channel's id of the message, once delivered."""
    reason: str | None = None
    """Why it failed, expired or is ambiguous."""
    venue: str = ""
    symbol: str = ""
    origin: Origin = Origin.LIVE


class Reject(Struct, frozen=True, kw_only=True, tag_field="type", tag="reject"):
    """What could not be processed, parked with its reason."""

    reason: str
    """One word for counting: `decode`, `unknown_channel`, `oversize`, `value`, `handler`."""
    detail: str
    """A sentence for a person."""
    origin_of: str
    """Where it came from: a venue's connection, or topic/partition/offset."""
    at_ns: int
    payload: str
    """The first 4 KiB, as text with escapes."""
    context: dict[str, str] = field(default_factory=dict)


AlertEvent: TypeAlias = AlertRule | Alert | Delivery
