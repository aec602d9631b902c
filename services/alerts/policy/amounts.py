"""Amounts, shares and lengths of time in; the few digits that a card shows of them, out. Pure."""

import math

from services.alerts.policy import numbers


def amount(value: float) -> str:
    """Return an amount as people say it, with three or four digits: `950`, `12.4 thousand`, `3.05 million`."""
    if not math.isfinite(value) or abs(value) >= 1e15:
        return "unknown"
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e4, "thousand")):
        if abs(value) >= size * 0.99995:
            scale = 1e3 if word == "thousand" else size
            return f"{numbers.price(float(f'{value / scale:.4g}'))} {word}"
    return numbers.price(float(f"{value:.4g}"))


def score(value: float) -> str:
    """Return a number without a sign of its own and two decimals: `0.62`."""
    return f"{value:.2f}" if abs(value) < 1e6 else "unknown"


def precise_share(value: float) -> str:
    """Return a fraction as a percentage with its sign, two decimals, four below a tenth of a percent: `-0.0125 %`."""
    if not abs(value) < 1e6:
        return "unknown"
    digits = 4 if abs(value) < 0.001 else 2
    return f"{value * 100 + 0.0:+.{digits}f} %"


def span(seconds: float) -> str:
    """Return a length of time in its two largest units: `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if not abs(seconds) < 1e9:
        return "unknown"
    if abs(seconds) < 1:
        return f"{seconds:.2f} s"
    sign, whole = "-" if seconds < 0 else "", round(abs(seconds))
    for size, word, small, small_word in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{sign}{whole // size} {word}" + (f" {rest} {small_word}" if rest else "")
    return f"{sign}{whole} s"
