"""Our closed candle and the venue's in, whether they agree out. Pure.

Prices must be equal to the digit. Volumes are sums of decimals in binary: half a lot apart counts as equal.
"""

from enum import StrEnum, unique
from typing import Final

from libs.common.events import Candle

_RELATIVE: Final = 1e-9
_FIELDS: Final = ("open", "high", "low", "close")


@unique
class Agreement(StrEnum):
    """What came of a comparison."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNLISTED = "unlisted"
    """The venue lists no such bar, although we saw trades in it."""


def compared(ours: Candle, theirs: Candle | None, lot: float) -> tuple[Agreement, str]:
    """Return whether the two agree, and what differs: `close 84.89, the venue's 85.75`.

    A minute without trades is a flat bar of ours; venues that list none agree. `lot` is the step of volumes, base
    units; 0 or NaN where the venue names none.
    """
    if theirs is None:
        return (Agreement.EQUAL, "") if ours.volume == 0 else (Agreement.UNLISTED, f"volume {ours.volume:.10g}")
    differing = [name for name in _FIELDS if getattr(ours, name) != getattr(theirs, name)]
    if ours.volume == theirs.volume == 0:
        differing = []  # without trades there is no price; whose last one stands there is a convention
    slack = max(_RELATIVE * max(ours.volume, theirs.volume), lot / 2 if lot > 0 else 0.0)
    if abs(ours.volume - theirs.volume) > slack:
        differing.append("volume")
    if not differing:
        return Agreement.EQUAL, ""
    said = (f"{name} {getattr(ours, name):.10g}, the venue's {getattr(theirs, name):.10g}" for name in differing)
    return Agreement.DIFFERENT, "; ".join(said)
