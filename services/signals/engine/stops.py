"""A direction, closed bars and what the layers mark in, the structure that a stop may lie behind out."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from libs.common.events import Direction, Mark
from services.signals.engine.bars import Bar
from services.signals.engine.parameters.plan import PlanParameters
from services.signals.engine.swings import last_swing

_GONE: Final = frozenset({"invalidated", "breaker", "filled", "inverted", "superseded", "broken", "swept", "MODEL"})
"""States in which a structure no longer supports what it did, or never was observed."""


class Support(Struct, frozen=True):
    """A structure between the price and its stop."""

    name: str
    """`the swing low`, `the order block`."""
    edge: float
    """Its side that lies away from the price."""


def find_support(
    direction: Direction, price: float, bars: Sequence[Bar], marks: Sequence[Mark], atr: float, config: PlanParameters
) -> Support | None:
    """Return the structure nearest to `price` that a stop may lie behind; None without one.

    Candidates are the newest standing swing of `bars` and the marks of the configured kinds that support the direction
    and still stand, if a stop behind their far edge is neither too near nor too far. The swing wins a tie.
    """
    sign = direction.sign
    buffer = config.stop_buffer_atr * atr
    nearest = price - sign * (config.stop_min_atr * atr - buffer)
    farthest = price - sign * (config.stop_max_atr * atr - buffer)
    swing = last_swing(bars[-config.swing_lookback :], sign, config.swing_bars, nearest, farthest)
    found = [] if swing is None else [Support(f"the swing {'low' if sign > 0 else 'high'}", swing)]
    for mark in marks:
        edge = mark.low if sign > 0 else mark.high
        fits = sign * farthest <= sign * edge <= sign * nearest
        if fits and mark.side == sign and mark.kind in config.stop_kinds and mark.state not in _GONE:
            found.append(Support(f"the {mark.kind.replace('_', ' ')}", edge))
    return max(found, key=lambda support: sign * support.edge, default=None)
