"""What the layer `fibonacci` is told."""

from msgspec import Struct


class FibonacciParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""

    wing_bars: int = 5
    """Bars on each side that a swing's extreme must exceed; it is known only so many bars later."""
    retracements: tuple[float, ...] = (0.236, 0.382, 0.5, 0.618, 0.786)
    extensions: tuple[float, ...] = (1.272, 1.618, 2.618)
    """Shares of the leg, the former counted back from its end, the latter on from its start."""
    golden: tuple[float, float] = (0.618, 0.786)
    optimal_entry: tuple[float, float] = (0.62, 0.79)
    """The other school's zone, told as a fact only."""
    approach: float = 0.382
    """The retracement from which on the score grows towards the golden zone."""
    least_leg_atr: float = 2.0
    """A shorter leg is noise."""
    full_leg_atr: float = 6.0
    """The length from which on confidence is full."""
    confluence_atr: float = 0.5
    """How far another layer's mark may lie from a level to count."""
    gain: float = 0.25
    """Most absolute score: the evidence for these ratios is weak and contested."""
    most_confidence: float = 0.5
    level_strength: float = 0.2
    zone_strength: float = 0.3
    """Strengths of the marks: alike for all ratios, for nothing shows that one holds better."""
