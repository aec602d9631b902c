"""Numbers and times in; the digits that a person reads out. Pure."""

import math
from datetime import UTC, datetime
from decimal import Decimal

from libs.common.events import SECOND_NS


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


def utc(at_ns: int) -> str:
    """Return a time to the second, its zone named: `2026-11-21 08:30:00 UTC`."""
    try:
        return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "unknown"
