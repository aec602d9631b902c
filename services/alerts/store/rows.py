"""Alerts as the outbox keeps them: what goes in as a row, what a sender holds of one, what is told of its end."""

from typing import Any, Final, Literal

from msgspec import Struct

from libs.common.events import Alert, Delivery, DeliveryState, Origin, Severity
from services.alerts.channels.channel import Button

ANSWER: Final = "answer"
"""Kind of what the bot says to who asked: told whatever the asker's wishes are."""
DIGEST: Final = "digest"
"""Kind of what tells many in one."""
URGENCY: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 3}
_ANSWER_URGENCY: Final = 2
_DIGEST_URGENCY: Final = -1
"""What can still be told by itself comes first, and does not become one more digest."""
_ALERT_COLUMNS: Final = Alert.__struct_fields__


class Entry(Struct, frozen=True, kw_only=True):
    """An alert, and the market it is about."""

    alert: Alert
    venue: str
    symbol: str
    timeframe: str
    cooldown_s: int = 0
    edits: str | None = None
    """The alert whose message this one changes."""
    told_version: int = 0
    """Which step of its signal's life it shows."""
    kind: str = "signal"
    """A kind of subject, `answer` or `digest`."""
    headline: str = ""
    """In a few plain words, for a digest."""
    about: tuple[str, ...] = ()
    """What a recipient may have muted: `symbol:BTC-USDT-PERP`, `layer:cvd`, `rule:<id>`, `signal:<id>`."""
    action: Literal["send", "photo", "document"] = "send"
    keyboard: tuple[tuple[Button, ...], ...] = ()
    """Buttons of an answer; those of a signal are made when it is sent."""
    blob: bytes | None = None
    """The picture or the document, where `action` sends one."""


class Told(Struct, frozen=True, kw_only=True):
    """A published verdict, as far as its life needs it."""

    signal_id: str
    venue: str
    symbol: str
    timeframe: str
    direction: str
    as_of_ns: int
    valid_until_ns: int
    event: bytes


class Placed(Struct, frozen=True, kw_only=True):
    """What one record of a topic led to, and where it stood."""

    partition: int
    offset: int
    entries: list[Entry]
    told: Told | None = None
    """The verdict, where it was published."""


class Claim(Struct, frozen=True, kw_only=True):
    """One alert that this sender, and no other, may send until its lease ends."""

    alert_id: str
    signal_id: str
    channel: str
    recipient: str
    address: str
    """Where the recipient is now."""
    severity: Severity
    urgency: int
    html: str
    text: str
    origin: Origin
    venue: str
    symbol: str
    cooldown_s: int
    valid_until_ns: int
    created_ns: int
    attempts: int
    """With this one."""
    repeated: bool
    """An earlier attempt may have arrived."""
    token: int
    edits: str | None
    edits_message_id: str | None
    """The message that it changes, where it is an edit."""
    kind: str
    timeframe: str
    action: Literal["send", "photo", "document"]
    keyboard: str | None
    """Rows of buttons, as JSON."""
    blob: bytes | None
    silent: bool
    last_delivered_ns: int | None
    """When the same rule last reached its recipient about the same venue, symbol and timeframe."""


def delivery_of(row: Any) -> Delivery:
    """Return what is told of an alert that stands in `row`."""
    return Delivery(
        alert_id=row["alert_id"],
        signal_id=row["signal_id"],
        channel=row["channel"],
        recipient=row["recipient"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        at_ns=row["updated_ns"],
        message_id=row["message_id"],
        reason=row["reason"],
        venue=row["venue"],
        symbol=row["symbol"],
        origin=Origin(row["origin"]),
    )


def row_of(entry: Entry, now_ns: int) -> dict[str, Any]:
    """Return the row of an alert that is new at `now_ns`."""
    alert = entry.alert
    return {
        **{name: getattr(alert, name) for name in _ALERT_COLUMNS},
        "urgency": _urgency(entry),
        "venue": entry.venue,
        "symbol": entry.symbol,
        "timeframe": entry.timeframe,
        "cooldown_s": entry.cooldown_s,
        "edits": entry.edits,
        "told_version": entry.told_version,
        "kind": entry.kind,
        "headline": entry.headline,
        "action": entry.action,
        "keyboard": entry.keyboard or None,
        "blob": None if entry.blob is None else "\\x" + entry.blob.hex(),
        "silent": False,
        "state": DeliveryState.PENDING.value,
        "reason": None,
        "due_ns": None,
        "updated_ns": now_ns,
        "next_attempt_ns": now_ns,
    }


def _urgency(entry: Entry) -> int:
    if entry.kind == ANSWER:
        return _ANSWER_URGENCY
    if entry.kind == DIGEST and entry.alert.severity is not Severity.CRITICAL:
        return _DIGEST_URGENCY
    return URGENCY[entry.alert.severity]
