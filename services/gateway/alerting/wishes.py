"""What somebody wishes to be told in; a rule that alerts will take, or the fields at fault, out. Pure.

The language of conditions is imported by the first wish: it and its library take 12 MiB.
"""

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from libs.common.bus.codec import encode
from libs.common.conditions.subjects import Kind
from libs.common.conditions.templates import TEMPLATES
from libs.common.events import AlertRule, Direction, Label, Severity, Timeframe
from libs.common.events.symbols import SymbolError, format_symbol, parse
from services.gateway.problems import FieldError, Problem

MOST_BYTES: Final = 4096
"""Of a rule on the topic: as much as is parked of one that is refused, so that it is known again."""
_YEAR_S: Final = 366 * 86_400

_Symbol: TypeAlias = Annotated[str, Meta(min_length=1, max_length=80)]
_Venue: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")]
_Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
_Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=_YEAR_S)]

Symbols: TypeAlias = Annotated[
    tuple[_Symbol, ...], Meta(max_length=20, description="Canonical symbols; none: of any market")
]
Venues: TypeAlias = Annotated[tuple[_Venue, ...], Meta(max_length=20, description="Venues; none: any")]
ChannelName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=32, pattern=r"^[a-z]+$", description="`telegram` or `webhook`")
]
Address: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        pattern=r"^[!-~]+$",
        description="A Telegram chat id, or the https URL of a webhook; one of your own, see `/v1/alerts/recipients`",
    ),
]
_Text: TypeAlias = Annotated[str, Meta(max_length=512)]


class Wish(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a rule says, but its id."""

    recipient: Address
    channel: ChannelName = "telegram"
    kind: Annotated[Kind, Meta(description="Of what; all but signals need a condition")] = Kind.SIGNAL
    symbols: Symbols = ()
    venues: Venues = ()
    timeframes: Annotated[tuple[Timeframe, ...], Meta(max_length=7, description="Of signals; none: any")] = ()
    directions: Annotated[tuple[Direction, ...], Meta(max_length=3, description="Of signals; none: any")] = (
        Direction.LONG,
        Direction.SHORT,
    )
    labels: Annotated[tuple[Label, ...], Meta(max_length=5, description="Of signals; none: any")] = ()
    min_score: Annotated[_Share, Meta(description="Least absolute score of a signal")] = 0.0
    min_confidence: Annotated[_Share, Meta(description="Least confidence of a signal")] = 0.0
    condition: Annotated[
        _Text, Meta(description="What must hold besides, in the language of conditions: `abs_score >= 0.6`")
    ] = ""
    until: Annotated[_Text, Meta(description="What ends an episode; none: that the condition does not hold")] = ""
    for_s: Annotated[_Seconds, Meta(description="How long the condition must have held")] = 0
    cooldown_s: Annotated[_Seconds, Meta(description="Least time between two alerts of one market")] = 0
    severity: Annotated[Severity, Meta(description="How much it may disturb")] = Severity.WARNING
    enabled: Annotated[bool, Meta(description="False keeps it, and tells nothing")] = True


def rule_of(rule_id: str, wish: Wish) -> AlertRule:
    """Return the rule.

    Raises:
        Problem: `invalid_body` with every field at fault; a condition's says the column.
    """
    rule = AlertRule(
        rule_id=rule_id,
        **{name: getattr(wish, name) for name in Wish.__struct_fields__ if name != "kind"},
        kind=wish.kind.value,
    )
    check(rule)
    return rule


def subscription_of(
    rule_id: str, template: str, channel: str, recipient: str, symbols: tuple[str, ...], venues: tuple[str, ...]
) -> AlertRule:
    """Return the rule of a template.

    Raises:
        Problem: `invalid_body`; there is no such template, or a symbol is none.
    """
    one = TEMPLATES.get(template)
    if one is None:
        raise _refused(FieldError("template", f"there is none of that name: there are {', '.join(sorted(TEMPLATES))}"))
    rule = AlertRule(
        rule_id=rule_id,
        recipient=recipient,
        channel=channel,
        kind=one.kind.value,
        symbols=symbols,
        venues=venues,
        condition=one.condition,
        until=one.until,
        for_s=one.for_s,
        cooldown_s=one.cooldown_s,
        severity=one.severity,
        template=one.name,
    )
    check(rule)
    return rule


def check(rule: AlertRule) -> None:
    """Let pass what alerts will take.

    Raises:
        Problem: `invalid_body` with the fields at fault.
    """
    from libs.common.conditions.language import Fault  # noqa: PLC0415  (12 MiB that only who makes rules pays)
    from libs.common.conditions.proper import proper  # noqa: PLC0415  (the same)

    faults = [
        FieldError(f"symbols[{at}]", f"{text!r} is no canonical symbol: BTC-USDT, or BTC-USDT-PERP for the perpetual")
        for at, text in enumerate(rule.symbols)
        if not _canonical(text)
    ]
    if faults:
        raise _refused(*faults)
    try:
        proper(rule)
    except Fault as e:
        raise _refused(FieldError("condition", str(e))) from e
    except ValueError as e:
        field, _, words = str(e).partition(": ")
        raise _refused(FieldError(field.partition(",")[0], words)) from e
    if len(encode(rule)) > MOST_BYTES:
        raise _refused(FieldError("body", f"a rule has at most {MOST_BYTES} bytes: make two of it"))


def known_again(payload: str) -> AlertRule | None:
    """Return the rule that was parked as `payload`; None where it is none, or only its beginning is left."""
    try:
        return msgspec.json.decode(payload, type=AlertRule)
    except (msgspec.DecodeError, UnicodeError):
        return None


def _canonical(text: str) -> bool:
    try:
        return format_symbol(parse(text)) == text
    except SymbolError:
        return False


def _refused(*errors: FieldError) -> Problem:
    return Problem("invalid_body", "; ".join(f"{one.field}: {one.message}" for one in errors), *errors)
