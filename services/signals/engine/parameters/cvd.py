"""What the layer `cvd` is told."""

from msgspec import Struct

from libs.common.events import MINUTE_NS


class CvdParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""

    horizon_ns: int = 5 * MINUTE_NS
    stale_ns: int = 2 * MINUTE_NS
    """Without a trade for this long, the tape is silent, and says nothing."""

    pivot_left: int = 5
    pivot_right: int = 5
    most_pivots: int = 32
    least_apart: int = 5
    most_apart: int = 60
    """Bars between the two pivots of a divergence."""
    least_move_atr: float = 0.25
    """Least difference of their prices."""
    least_changes: int = 8
    """Changes of cumulative delta from pivot to pivot that must be known, to say which is unusual."""
    deviations: float = 1.0
    """How many standard deviations of those changes the cumulative delta must differ the other way."""
    divergence_bars: int = 10
    """A divergence counts 1/e after so many bars."""
    bars: int = 5
    """Bars whose delta is looked at together."""
    tick_weight: float = 0.5
    bar_weight: float = 0.3
    divergence_weight: float = 0.2
    minutes_kept: int = 1440
    """Closed minutes of each venue that are remembered for the sum over venues."""
