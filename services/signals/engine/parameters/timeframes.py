"""What the layer `timeframes` is told."""

from msgspec import Struct


class TimeframesParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""

    stack_share: float = 0.6
    """Share of the averages in a timeframe's trend; the rest is the MACD histogram's."""
    macd_gain: float = 4.0
    """A histogram of 1 / `macd_gain` ATR counts tanh(1)."""
    nearness: float = 0.7
    """A timeframe counts this to the power of its steps from the one that is judged."""
    least_others: int = 2
    """Fewer other timeframes than these are no agreement."""
    warm_bars: int = 200
    """Bars after which every average of a timeframe speaks."""
