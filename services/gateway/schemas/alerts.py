"""Views of rules, templates, recipients and deliveries, to those whose they are. Pure."""

from typing import Final, Literal, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct, structs

from libs.common.conditions.subjects import Kind
from libs.common.conditions.templates import Template
from libs.common.events import AlertRule, Delivery, DeliveryState, Direction, Label, Origin, Severity, Timeframe
from services.gateway.schemas.signals import mask
from services.gateway.schemas.times import rfc3339

_WEBHOOK: Final = "webhook"


class RuleView(Struct, frozen=True, kw_only=True):
    """One rule, and how far it got."""

    rule_id: str
    state: Literal["said", "published", "rejected"]
    """`said`: on its way to alerts; `published`: in force; `rejected`: alerts refused it, see `fault`."""
    fault: str | None
    mine: bool
    """False: it was made in the chat that it tells; it is changed there."""
    template: str | None
    """The template it was made from."""
    channel: str
    recipient: str
    kind: str
    symbols: tuple[str, ...]
    venues: tuple[str, ...]
    timeframes: tuple[Timeframe, ...]
    directions: tuple[Direction, ...]
    labels: tuple[Label, ...]
    min_score: float
    min_confidence: float
    condition: str
    until: str
    for_s: int
    cooldown_s: int
    severity: Severity
    enabled: bool


class RuleList(Struct, frozen=True, kw_only=True):
    """A page of rules, by id."""

    data: list[RuleView]
    has_more: bool
    next_cursor: str | None


class TemplateView(Struct, frozen=True, kw_only=True):
    """A rule without a recipient, ready to be taken over."""

    name: str
    kind: Kind
    condition: str
    until: str
    for_s: int
    cooldown_s: int
    severity: Severity
    meaning: str


class TemplateList(Struct, frozen=True, kw_only=True):
    """All templates, by name."""

    data: list[TemplateView]


class RecipientView(Struct, frozen=True, kw_only=True):
    """An address that rules of its owner may tell, once it is approved."""

    owner: str
    channel: str
    recipient: str
    approved: bool
    created_ns: int
    created: str
    approved_ns: int | None


class RecipientList(Struct, frozen=True, kw_only=True):
    """All of them: each person has at most twenty."""

    data: list[RecipientView]
    has_more: bool
    """There are more than are shown, of all people."""


class SentAlert(Struct, frozen=True, kw_only=True):
    """What became of one alert to an address of yours."""

    alert_id: str
    signal_id: str
    """What it was about: a signal's id, or the key of something else."""
    channel: str
    recipient: str
    state: DeliveryState
    attempts: int
    at_ns: int
    at: str
    message_id: str | None
    reason: str | None
    origin: Origin


class SentAlerts(Struct, frozen=True, kw_only=True):
    """A page of them, newest first."""

    data: list[SentAlert]
    has_more: bool
    next_cursor: str | None


def rule_view(rule: AlertRule, *, state: str, fault: str | None, mine: bool) -> RuleView:
    """Return the view of a rule."""
    fields = structs.asdict(rule)
    del fields["deleted"]
    return RuleView(**{**fields, "template": rule.template or None, "state": state, "fault": fault, "mine": mine})


def template_view(one: Template) -> TemplateView:
    """Return the view of a template."""
    return TemplateView(**structs.asdict(one))


def sent_alert(delivery: Delivery) -> SentAlert:
    """Return the view of what became of an alert."""
    return SentAlert(
        alert_id=delivery.alert_id,
        signal_id=delivery.signal_id,
        channel=delivery.channel,
        recipient=delivery.recipient,
        state=delivery.state,
        attempts=delivery.attempts,
        at_ns=delivery.at_ns,
        at=rfc3339(delivery.at_ns),
        message_id=delivery.message_id,
        reason=delivery.reason,
        origin=delivery.origin,
    )


def recipient_view(
    *, owner: str, channel: str, recipient: str, created_ns: int, approved_ns: int | None
) -> RecipientView:
    """Return the view of an address."""
    return RecipientView(
        owner=owner,
        channel=channel,
        recipient=recipient,
        approved=approved_ns is not None,
        created_ns=created_ns,
        created=rfc3339(created_ns),
        approved_ns=approved_ns,
    )


Addressed = TypeVar("Addressed", RuleView, RecipientView)


def for_the_audit(view: Addressed) -> Addressed:
    """Return a view as the audit keeps it, for years and for others than its owner."""
    return structs.replace(view, recipient=public_address(view.channel, view.recipient))


def public_address(channel: str, address: str) -> str:
    """Return an address without its secret: whoever knows a webhook's path may post there."""
    if channel != _WEBHOOK:
        return address
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}/{mask(address.partition(parts.netloc)[2])}"
