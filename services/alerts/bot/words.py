"""Values in; the words in which the bot says them, out."""

import html
from typing import Final

from libs.common.events import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, AlertRule
from services.alerts.policy import numbers
from services.alerts.policy.markup import Piece, code, data, join

TEXT_UNITS: Final = 600
"""Of one line that holds what somebody wrote."""
_FOREVER_NS: Final = 3650 * DAY_NS
_STEPS: Final = ((DAY_NS, "d"), (HOUR_NS, "h"), (MINUTE_NS, "min"), (SECOND_NS, "s"))


def pre(text: str) -> Piece:
    """Return lines in a fixed-width font, as they stand."""
    return Piece(f"<pre>{html.escape(text, quote=True)}</pre>", text)


def line(*parts: Piece | str) -> Piece:
    """Return one line; a plain `str` is our own wording."""
    return join(*parts)


def given(text: str) -> Piece:
    """Return somebody's own words."""
    return data(text, TEXT_UNITS)


def key(text: str) -> Piece:
    """Return what is to be copied: an id, a command."""
    return code(data(text, TEXT_UNITS))


def length(ns: int) -> str:
    """Return a length of time in its two largest units: `2 d 3 h`, `45 s`."""
    left, found = max(0, ns), list[str]()
    for unit_ns, name in _STEPS:
        count, left = divmod(left, unit_ns)
        if count or found:
            found.append(f"{count} {name}" if count else "")
        if len(found) == 2:
            break
    return " ".join(part for part in found if part) or "0 s"


def until(until_ns: int, now_ns: int) -> str:
    """Return when something ends."""
    return "until you say otherwise" if until_ns - now_ns > _FOREVER_NS else f"until {numbers.utc(until_ns)}"


def rule(one: AlertRule, name: str) -> Piece:
    """Return a rule in one line, led by its id."""
    what = "every signal" if one.kind == "signal" and not one.condition else one.kind.replace("_", " ")
    parts: list[Piece | str] = [key(name), " ", given(what)]
    for label, values in (
        ("", one.symbols),
        ("on ", one.venues),
        ("bars ", tuple(map(str, one.timeframes))),
        ("labels ", tuple(map(str, one.labels))),
    ):
        if values:
            parts += [f", {label}", given(", ".join(values))]
    if one.template:
        parts += [", template ", given(one.template)]
    elif one.condition:
        parts += [": ", code(given(one.condition))]
    if one.min_score:
        parts.append(f", score {numbers.signed(one.min_score)} at least, up or down")
    if one.for_s:
        parts.append(f", for {one.for_s} s")
    if not one.enabled:
        parts.append(" (off)")
    return join(*parts, f"; {one.severity}")
