"""Numbers and times in; the digits that a person reads out. Pure."""

import math
from datetime import UTC, datetime
from decimal import Decimal

from libs.common.events import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS


def price(value: float) -> str:
    """Return a price with seven significant digits and no exponent: `61234.5`, `0.00001234`."""
    if not math.isfinite(value) or abs(value) >= 1e15:
        return "unknown"
    if 0 < abs(value) < 1e-15:
        return "0"
    return format(Decimal(f"{value:.7g}") + 0, "f")  # + 0 turns -0 into 0


def signed(value: float) -> str:
    """Return a score or contribution with its sign and two decimals: `+0.62`."""
    return f"{value:+.2f}" if abs(value) < 1e6 else "unknown"


def share(value: float) -> str:
    """Return a fraction as a percentage with one decimal: `45.5 %`."""
    return f"{value * 100:.1f} %" if abs(value) < 1e6 else "unknown"


def whole_share(value: float) -> str:
    """Return a fraction as a whole percentage: `58 %`."""
    return f"{value * 100:.0f} %" if abs(value) < 1e6 else "unknown"


def ratio(value: float) -> str:
    """Return a reward-to-risk ratio: `1.52 R`."""
    return f"{value:.2f} R" if abs(value) < 1e6 else "unknown"


def gain(value: float) -> str:
    """Return a profit in units of the risk: `+1.50 R`."""
    return f"{value:+.2f} R" if abs(value) < 1e6 else "unknown"


def duration(length_ns: int) -> str:
    """Return a length of time in its largest whole unit: `45 s`, `12 min`, `3 h`, `2 d`."""
    for unit_ns, word in ((DAY_NS, "d"), (HOUR_NS, "h"), (MINUTE_NS, "min")):
        if length_ns >= 2 * unit_ns:
            return f"{length_ns // unit_ns} {word}"
    return f"{length_ns // SECOND_NS} s"


def clock(at_ns: int, beside_ns: int) -> str:
    """Return a time without its date where it is of the same UTC day as `beside_ns`: `08:30:01 UTC`."""
    whole, beside = utc(at_ns), utc(beside_ns)
    return whole[11:] if whole[:11] == beside[:11] and whole != "unknown" else whole


def utc(at_ns: int) -> str:
    """Return a time to the second, its zone named: `2026-11-21 08:30:00 UTC`."""
    try:
        return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "unknown"
