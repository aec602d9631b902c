"""What the regime is told."""

from msgspec import Struct


class RegimeParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings; ranks are shares of the window that lie below, in [0, 1]."""

    window_bars: int = 200
    """Bars that volatility and band width are ranked among."""
    least_bars: int = 60
    """Values ranked before the regime has a word."""
    confirm_bars: int = 3
    """Bars in a row that must ask for another word."""
    trend_enter_adx: float = 25.0
    trend_leave_adx: float = 20.0
    volatile_enter_rank: float = 0.9
    volatile_leave_rank: float = 0.75
    """Of ATR(14) over close."""
    quiet_enter_rank: float = 0.25
    quiet_leave_rank: float = 0.4
    """Of ATR(14) over close, and of the Bollinger width, both."""
