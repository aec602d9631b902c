"""A rule and the verdict it wants in; the alert, in Telegram HTML and in plain words, out. Pure.

Every piece of foreign text is escaped and bounded by `markup.data`; every number has at most some thirty characters;
the counts of targets, evidence and absent layers are bounded. So the whole stays far below 4,096 UTF-16 units.
"""

import hashlib
from typing import Final

from libs.common.events import Absence, Alert, AlertRule, Contribution, Direction, Origin, Plan, Signal, Verdict
from services.alerts.policy import markup, numbers
from services.alerts.policy.markup import Piece, bold, code, data, join

_BANNERS: Final = {
    Origin.SIMULATED: "SIMULATED: invented prices",
    Origin.RECORDED: "RECORDED: replayed from the past",
}
_ARROWS: Final = {Direction.LONG: "▲", Direction.SHORT: "▼", Direction.NEUTRAL: "■"}

_SCORECARD: Final = "scorecard"
_UNPROVEN: Final = ": fixed weights, no outcomes yet"

_NAME_UNITS: Final = 48
_ID_UNITS: Final = 96
_CAUSE_UNITS: Final = 80
_SENTENCE_UNITS: Final = 240
_TARGETS: Final = 3
_EVIDENCE: Final = 3
_ABSENT: Final = 6

REPEAT_MARK: Final = "(possible repeat)"
"""Leads a message that may already have arrived once."""


def alert_id(rule_id: str, signal_id: str) -> str:
    """Return the id that makes a wish granted once: 128 bits over rule and signal, in hex."""
    joined = f"{len(rule_id)}:{rule_id}{signal_id}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:32]


def valid_until_ns(verdict: Verdict) -> int:
    """Return the wall-clock end of the alert's use: the plan's end, or that of one bar without a plan.

    The clock of a recording or a simulation may be far from the wall's: there the life is counted from the decision. A
    live signal that was judged late is worth no more for it.
    """
    signal = verdict.signal
    life_ns = max(signal.plan.expires_ns - signal.as_of_ns if signal.plan else signal.timeframe.ns, 0)
    begin_ns = verdict.decided_ns
    if verdict.origin is Origin.LIVE:
        begin_ns = min(begin_ns, signal.as_of_ns)
    return begin_ns + life_ns


def compose(rule: AlertRule, verdict: Verdict, created_ns: int) -> Alert:
    """Return the sentence for `rule`'s recipient."""
    message = render(verdict)
    return Alert(
        alert_id=alert_id(rule.rule_id, verdict.signal.signal_id),
        rule_id=rule.rule_id,
        signal_id=verdict.signal.signal_id,
        channel=rule.channel,
        recipient=rule.recipient,
        severity=rule.severity,
        html=message.html,
        text=message.text,
        created_ns=created_ns,
        valid_until_ns=valid_until_ns(verdict),
        origin=verdict.origin,
    )


def render(verdict: Verdict) -> Piece:
    """Return the message; its HTML at most 4,096 UTF-16 units whatever the fields hold."""
    signal = verdict.signal
    rows = [
        *banner(verdict.origin),
        headline(signal),
        join(
            data(signal.venue, _NAME_UNITS),
            f", {signal.timeframe} bars, score {numbers.signed(signal.score)},"
            f" confidence {numbers.signed(signal.confidence).lstrip('+')}",
        ),
        _probability(signal),
        *_levels(signal.plan),
        *_evidence(signal.contributions),
        *_missing(signal.absent),
        *_invalidation(signal.plan),
        join(f"As of {numbers.utc(signal.as_of_ns)}, at {numbers.price(signal.price)}"),
        join(f"Valid until {numbers.utc(valid_until_ns(verdict))}"),
        join("Signal ", code(data(signal.signal_id, _ID_UNITS))),
    ]
    return markup.lines(rows)


def mark_repeat(message: Piece) -> Piece:
    """Return the message led by the words that it may have arrived before."""
    return markup.lines([bold(join(REPEAT_MARK)), message])


def banner(origin: Origin) -> list[Piece]:
    """Return the line that says where the market comes from, unless it is live."""
    return [bold(join(_BANNERS[origin]))] if origin in _BANNERS else []


def headline(signal: Signal) -> Piece:
    """Return direction, label and symbol."""
    label = signal.label.replace("_", " ").upper()
    return bold(
        join(f"{_ARROWS[signal.direction]} {label} ", data(signal.symbol, _NAME_UNITS), f" ({signal.direction})")
    )


def _probability(signal: Signal) -> Piece:
    """Return who says how much, and what it is worth: unproven, it is what fixed weights imply."""
    if signal.probability is None:
        return join("Probability: ", data(signal.probability_status, _NAME_UNITS))
    who = "Scorecard" if signal.model == _SCORECARD else "Model "
    name = "" if signal.model == _SCORECARD else data(signal.model, _NAME_UNITS)
    worth = data(signal.probability_status, _NAME_UNITS)
    why = _UNPROVEN if (signal.model, signal.probability_status) == (_SCORECARD, "unproven") else ""
    return join(who, name, f" {numbers.whole_share(signal.probability)} (", worth, why, ")")


def _levels(plan: Plan | None) -> list[Piece]:
    if plan is None:
        return [join("No plan: no levels to trade were found")]
    return [
        join(f"Entry {numbers.price(plan.entry_low)} to {numbers.price(plan.entry_high)}"),
        join(f"Stop {numbers.price(plan.stop)} (by ", data(plan.stop_basis, _NAME_UNITS), ")"),
        *(
            join(f"Target {number}: {numbers.price(target.price)} ({numbers.ratio(target.reward_to_risk)} after fees)")
            for number, target in enumerate(plan.targets[:_TARGETS], start=1)
        ),
        join(f"Breaks even at a hit rate of {numbers.share(plan.break_even_hit_rate)}"),
    ]


def _evidence(contributions: tuple[Contribution, ...]) -> list[Piece]:
    strongest = sorted(contributions, key=lambda one: (-abs(one.contribution), one.layer))[:_EVIDENCE]
    if not strongest:
        return []
    return [join("Evidence:"), *(_one_evidence(one) for one in strongest)]


def _one_evidence(one: Contribution) -> Piece:
    return join(
        f"{numbers.signed(one.contribution)} ",
        data(one.layer, _NAME_UNITS),
        f" (score {numbers.signed(one.score)}, weight {numbers.share(one.weight)})",
    )


def _missing(absent: tuple[Absence, ...]) -> list[Piece]:
    if not absent:
        return []
    parts: list[Piece | str] = ["Missing: "]
    for number, one in enumerate(absent[:_ABSENT]):
        parts += [", " if number else "", data(one.layer, _NAME_UNITS), " (", data(one.cause, _CAUSE_UNITS), ")"]
    if len(absent) > _ABSENT:
        parts.append(f" and {len(absent) - _ABSENT} more")
    return [join(*parts)]


def _invalidation(plan: Plan | None) -> list[Piece]:
    return [join("Wrong if: ", data(plan.invalidation, _SENTENCE_UNITS))] if plan else []
