"""What the layer `smc` is told."""

from msgspec import Struct


class SmcParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings; distances in ATR(14)."""

    swing_left: int = 20
    swing_right: int = 20
    """Bars on each side of a pivot of the large scale."""
    internal_left: int = 5
    internal_right: int = 5
    peer_pivots: bool = False
    """Pivots as the most used library has them: a bar that is both is a high, and the first bars are left out."""
    most_pivots: int = 40
    """Pivots remembered of each scale."""
    lookback: int = 300
    """Bars in which an order block is looked for."""
    break_margin_atr: float = 0.05
    displacement_atr: float = 1.5
    """Body of a bar that turns a change of character into a market structure shift."""
    displacement_close: float = 0.25
    """Part of its range, at its end, in which that bar must close."""
    min_gap_atr: float = 0.1
    equal_atr: float = 0.1
    reclaim_bars: int = 3
    ote_low: float = 0.62
    ote_high: float = 0.79
    """Optimal trade entry: how much of the last leg was taken back."""
    most_zones: int = 20
    """Live zones of one kind and side."""
    most_levels: int = 24
    watch_bars: int = 200
    """How long a gone zone may still be retested from its other side."""
    sweep_bars: int = 10
    """A sweep counts 1/e after so many bars."""
    reach_atr: float = 3.0
    """Zones farther than this are not shown and do not count."""
    warm_bars: int = 200
    trend_weight: float = 0.35
    internal_weight: float = 0.15
    zone_weight: float = 0.2
    range_weight: float = 0.15
    sweep_weight: float = 0.15
    most_marks: int = 12
