"""A subject and the rule that fired on it in; the message, in Telegram HTML and in plain words, out. Pure.

Every piece of foreign text is escaped and bounded by `markup.data`, every number has at most some thirty characters,
and a card tells at most six facts: so the whole stays far below 4,096 UTF-16 units.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Final

from libs.common.conditions.catalogue import METRICS
from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import DAY_NS, SECOND_NS, Alert, AlertRule, Origin
from libs.common.events.catalogue import MARKET_WIDE
from services.alerts.policy import amounts, markup, numbers
from services.alerts.policy.labels import label_of
from services.alerts.policy.markup import Piece, bold, code, data, join
from services.alerts.policy.wording import banner

HEADLINE_UNITS: Final = 100
_NAME_UNITS: Final = 48
_FACT_UNITS: Final = 80
_CONDITION_UNITS: Final = 600
_RULE_UNITS: Final = 96
_FACTS: Final = 6
_NOW_NS: Final = 2 * SECOND_NS

_TITLES: Final = {
    Kind.SIGNAL: "SIGNAL",
    Kind.OUTCOME: "OUTCOME",
    Kind.LIQUIDATION: "LIQUIDATIONS",
    Kind.WHALE: "WHALE",
    Kind.FUNDING: "FUNDING",
    Kind.OPEN_INTEREST: "OPEN INTEREST",
    Kind.SPIKE: "SPIKE",
    Kind.GAP: "DATA GAP",
    Kind.FEED: "FEED",
    Kind.METRIC: "MARKET NUMBER",
    Kind.SYSTEM: "SYSTEM",
}
_FLAGS: Final = {
    "radar_alarm": "RADAR",
    "storm": "LIQUIDATION STORM",
    "cluster": "CLUSTER OF LARGE TRADES",
}
"""What a card is called by, where the rule asks for it and it is there."""
_OUTCOMES: Final = {"target": "TARGET MET", "stop": "STOPPED OUT", "expiry": "EXPIRED", "unresolved": "UNRESOLVED"}
_SAID_ABOVE: Final = frozenset({"symbol", "venue", "cap_group", "process"})
_WORD: Final = re.compile(r"[a-z_][a-z0-9_]*")
_QUOTED: Final = re.compile(r'"[^"]*"')


def alert_id(rule: AlertRule, subject: Subject, episode: int) -> str:
    """Return the id that makes an episode told once: 128 bits over rule, kind, key and when it began, in hex."""
    said = f"{len(rule.rule_id)}:{rule.rule_id}subject:{subject.kind}|{subject.key}|{episode}"
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def valid_until_ns(subject: Subject, now_ns: int) -> int:
    """Return the wall-clock end of the subject's use.

    The clock of a recording or a simulation may be far from the wall's: there it counts from now. What is live and was
    heard late is worth no more for it.
    """
    begin_ns = min(now_ns, subject.at_ns) if subject.origin is Origin.LIVE else now_ns
    return begin_ns + subject.valid_s * SECOND_NS


def compose(rule: AlertRule, subject: Subject, episode: int, now_ns: int) -> Alert:
    """Return the card for `rule`'s recipient; its `signal_id` is the subject's key."""
    message = card(rule, subject, now_ns)
    return Alert(
        alert_id=alert_id(rule, subject, episode),
        rule_id=rule.rule_id,
        signal_id=subject.key,
        channel=rule.channel,
        recipient=rule.recipient,
        severity=rule.severity,
        html=message.html,
        text=message.text,
        created_ns=now_ns,
        valid_until_ns=valid_until_ns(subject, now_ns),
        origin=subject.origin,
    )


def card(rule: AlertRule, subject: Subject, now_ns: int) -> Piece:
    """Return the message; its HTML at most 4,096 UTF-16 units whatever the fields hold."""
    rows = [
        *banner(subject.origin),
        bold(join(_title(rule, subject), ": ", _what(subject))),
        *(_fact(name, subject.facts[name]) for name in _names(rule, subject)),
        join("Because: ", code(data(rule.condition, _CONDITION_UNITS)), *_lasting(rule)),
        join(f"At {numbers.utc(subject.at_ns)}{_age(subject, now_ns)}"),
        join("Rule ", code(data(rule.template or rule.rule_id, _RULE_UNITS))),
    ]
    return markup.lines(rows)


def headline(rule: AlertRule, subject: Subject) -> str:
    """Return what a digest says, in plain words, at most a hundred UTF-16 units: `SPIKE BTC-USDT, okx: -3.20 %`."""
    names = _names(rule, subject)
    said = join(_title(rule, subject), " ", _what(subject))
    if names:
        value = subject.facts[names[0]]
        label = label_of(names[0])
        flag = f"{label[:1].lower()}{label[1:]}: " if isinstance(value, bool) else ""
        said = join(said, f": {flag}", _value(names[0], value))
    return _cut(said.text)


def about(rule: AlertRule, subject: Subject) -> tuple[str, ...]:
    """Return what a recipient may have muted."""
    subjects = [f"symbol:{subject.symbol}", f"venue:{subject.venue}", f"rule:{rule.rule_id}"]
    if subject.kind is Kind.OUTCOME:
        subjects.append(f"signal:{subject.key.partition('|')[2]}")
    return tuple(subjects)


def _title(rule: AlertRule, subject: Subject) -> str:
    if subject.kind is Kind.OUTCOME:
        return _OUTCOMES.get(str(subject.facts.get("barrier", "")), _TITLES[subject.kind])
    asked = _asked(rule)
    flags = [title for name, title in _FLAGS.items() if name in asked and subject.facts.get(name) is True]
    return flags[0] if flags else _TITLES[subject.kind]


def _what(subject: Subject) -> Piece:
    if subject.kind is Kind.SYSTEM:
        return data(subject.symbol, _NAME_UNITS)
    if subject.symbol == MARKET_WIDE:
        return join("all markets, " if subject.kind is Kind.METRIC else "", data(subject.venue, _NAME_UNITS))
    return join(data(subject.symbol, _NAME_UNITS), ", ", data(subject.venue, _NAME_UNITS))


def _asked(rule: AlertRule) -> list[str]:
    """Return the names of the condition in its order; what stands in quotes is no name."""
    return list(dict.fromkeys(_WORD.findall(_QUOTED.sub('""', rule.condition))))


def _names(rule: AlertRule, subject: Subject) -> list[str]:
    """Return the facts to tell: those the condition asks about first, then the others in the catalogue's order."""
    known = [name for name in METRICS if name in subject.facts]
    asked = [name for name in _asked(rule) if name in subject.facts and name in METRICS]
    flagged = [name for name in known if name not in _FLAGS]  # which the title says, or which are not so
    told = [name for name in dict.fromkeys([*asked, *flagged]) if name not in _SAID_ABOVE]
    titled = {name for name in _FLAGS if subject.facts.get(name) is True}
    return [name for name in told if name not in titled][:_FACTS]


def _fact(name: str, value: Fact) -> Piece:
    return join(f"{label_of(name)}: ", _value(name, value))


def _value(name: str, value: Fact) -> Piece:
    if isinstance(value, bool):
        return join("yes" if value else "no")
    if isinstance(value, str):
        return data(value, _FACT_UNITS)
    return join(_UNITS.get(METRICS[name].unit, numbers.price)(value))


def _lasting(rule: AlertRule) -> list[Piece | str]:
    return [f", for {amounts.span(rule.for_s)}"] if rule.for_s > 0 else []


def _age(subject: Subject, now_ns: int) -> str:
    """Return how old it was when this was written; nothing where the clocks are not comparable."""
    age_ns = now_ns - subject.at_ns
    if subject.origin is Origin.RECORDED or not 0 <= age_ns < DAY_NS:
        return ""
    return ", just now" if age_ns < _NOW_NS else f", {amounts.span(age_ns / SECOND_NS)} ago"


def _cut(text: str) -> str:
    """Return `text` with its end cut to a headline's length."""
    if markup.units(text) <= HEADLINE_UNITS:
        return text
    kept = text
    while markup.units(kept) > HEADLINE_UNITS - 1:
        kept = kept[:-1]
    return f"{kept}…"


def _dollars(value: float) -> str:
    return amounts.amount(value) + " USD"


_UNITS: Final[Mapping[str, Callable[[float], str]]] = {
    "USD": _dollars,
    "usd": _dollars,
    "fraction": amounts.precise_share,
    "0 to 1": amounts.score,
    "0.5 to 1": numbers.share,
    "0 to 1.3": amounts.score,
    "basis points": lambda value: f"{numbers.price(value)} bp",
    "s": amounts.span,
    "count": amounts.amount,
    "coins": amounts.amount,
    "ratio": lambda value: f"{amounts.score(value)} x",
    "R": lambda value: f"{numbers.signed(value)} R",
}
"""By the catalogue's unit; all others as a price, with seven significant digits."""
