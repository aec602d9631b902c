"""A rule and the verdict it wants in; the alert, in Telegram HTML and in plain words, out. Pure.

Every piece of foreign text is escaped and bounded by `markup.data`; every number has at most some thirty characters;
the counts of targets, evidence and absent layers are bounded. So the whole stays far below 4,096 UTF-16 units.
"""

import hashlib
from typing import Final
from urllib.parse import quote

from libs.common.events import SECOND_NS, Alert, AlertRule, Direction, Origin, Signal, Verdict
from services.alerts.policy import markup, numbers, passages
from services.alerts.policy.markup import MESSAGE_UNITS, Piece, bold, code, data, join, units
from services.alerts.policy.passages import NAME_UNITS

_BANNERS: Final = {
    Origin.SIMULATED: "SIMULATED: invented prices",
    Origin.RECORDED: "RECORDED: replayed from the past",
}
_ARROWS: Final = {Direction.LONG: "▲", Direction.SHORT: "▼", Direction.NEUTRAL: "■"}

_ID_UNITS: Final = 96
_HEADLINE: Final = 100
_LINK: Final = 500
_LATE_NS: Final = 30 * SECOND_NS

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


def compose(rule: AlertRule, verdict: Verdict, words: Piece, created_ns: int) -> Alert:
    """Return the alert that tells `rule`'s recipient the words, as `render` made them of `verdict`."""
    return Alert(
        alert_id=alert_id(rule.rule_id, verdict.signal.signal_id),
        rule_id=rule.rule_id,
        signal_id=verdict.signal.signal_id,
        channel=rule.channel,
        recipient=rule.recipient,
        severity=rule.severity,
        html=words.html,
        text=words.text,
        created_ns=created_ns,
        valid_until_ns=valid_until_ns(verdict),
        origin=verdict.origin,
    )


def render(verdict: Verdict, *, quality: str | None, link: str | None, created_ns: int) -> Piece:
    """Return the message; its HTML at most 3,600 UTF-16 units whatever the fields hold.

    Args:
        verdict: with its signal.
        quality: of its venue's data, from `quality.badge`; None: nobody knows.
        link: to the evidence, from `link_of`; None: there is no page.
        created_ns: when the message is queued.
    """
    signal = verdict.signal
    return markup.lines(
        [
            *banner(verdict.origin),
            headline(signal),
            passages.market(signal),
            passages.probability(signal),
            *passages.levels(signal.plan),
            *passages.evidence(signal.contributions),
            *passages.missing(signal.absent),
            *passages.invalidation(signal.plan),
            passages.known(verdict, created_ns),
            passages.trust(quality, numbers.clock(valid_until_ns(verdict), created_ns)),
            *([] if link is None else [markup.link("Open the evidence", link)]),
            join("Signal ", code(data(signal.signal_id, _ID_UNITS))),
        ]
    )


def link_of(public_url: str, signal_id: str) -> str | None:
    """Return where a browser shows the evidence of a signal; None without a page, or for an id no address has room for.

    The page opens what its fragment names: fragments are not sent to servers, nor logged by them.
    """
    if not public_url.lower().startswith(("https://", "http://")):
        return None
    url = f"{public_url.rstrip('/')}/#signal={quote(signal_id, safe='', errors='replace')}"
    return url if len(url) <= _LINK else None


def mark_repeat(message: Piece) -> Piece:
    """Return the message led by the words that it may have arrived before."""
    return markup.lines([bold(join(REPEAT_MARK)), message])


def delayed(words: Piece, created_ns: int, now_ns: int) -> Piece:
    """Return the words, led by how late they leave when they were queued more than 30 s before.

    A message that has no room for it stays as it is.
    """
    late_ns = now_ns - created_ns
    if late_ns <= _LATE_NS:
        return words
    led = markup.lines([join(f"Sent {numbers.duration(late_ns)} late"), words])
    return led if units(led.html) <= MESSAGE_UNITS else words


def banner(origin: Origin) -> list[Piece]:
    """Return the line that says where the market comes from, unless it is live."""
    return [bold(join(_BANNERS[origin]))] if origin in _BANNERS else []


def headline(signal: Signal) -> Piece:
    """Return direction, label and symbol."""
    return bold(join(f"{_call(signal)} ", data(signal.symbol, NAME_UNITS), f" ({signal.direction})"))


def brief(signal: Signal, step: str = "") -> str:
    """Return the same in plain words for a digest, at most 100 characters, led by what has become of it."""
    words = f"{_call(signal)} {data(signal.symbol, NAME_UNITS).text} {signal.timeframe}"
    return f"{step} {words}".strip()[:_HEADLINE]


def _call(signal: Signal) -> str:
    return f"{_ARROWS[signal.direction]} {signal.label.replace('_', ' ').upper()}"
