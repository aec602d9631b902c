"""What the plan is told: where entry, stop and targets lie, what a trade costs, and how large it may be."""

from typing import Final

from msgspec import Struct

STOP_KINDS: Final = ("order_block", "fair_value_gap", "swing_low", "swing_high", "equal_lows", "equal_highs")
"""Structures that a stop may lie behind; walls may be pulled and modelled levels are no observation."""


class PlanParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""

    fee_rate: float = 0.0005
    """Taker fee a side, as a fraction of the notional."""
    entry_atr: float = 0.1
    """Half the width of the entry zone."""
    stop_atr: float = 1.5
    """Distance of a stop that no structure supports."""
    stop_min_atr: float = 0.5
    stop_max_atr: float = 3.0
    """A structure counts as a stop's basis only when the stop then lies between these distances."""
    stop_buffer_atr: float = 0.1
    """How far behind the structure the stop lies."""
    stop_kinds: tuple[str, ...] = STOP_KINDS
    swing_bars: int = 2
    """Bars on each side that a swing's extreme must exceed."""
    swing_lookback: int = 60
    """Closed bars in which swings are looked for."""
    target_r: tuple[float, float, float] = (1.0, 2.0, 3.0)
    """Targets, as multiples of the distance to the stop."""
    expiry_bars: int = 12

    risk_fraction: float = 0.01
    """Equity that a stop may cost, fees included."""
    daily_atr: float = 0.03
    """ATR of a day, over price, at which the risk is taken whole; above it the position shrinks in proportion."""
    min_volatility_factor: float = 0.25
    """Least that volatility leaves of the risk; it never adds to it."""
    max_leverage: float = 3.0
    """Most position value over equity that an account may carry."""
    max_notional_fraction: float = 1.0
    """Most position value over equity that one plan may carry."""
    depth_share: float = 0.1
    """Share of the thinner side's depth within 50 basis points that a position may have."""
