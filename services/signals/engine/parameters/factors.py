"""What the eight factors are told."""

from typing import TypeAlias

from msgspec import Struct

from libs.common.events import DAY_NS, HOUR_NS, MINUTE_NS

Rungs: TypeAlias = tuple[tuple[float, float], ...]
"""(distance from neutral that must be exceeded, score), ascending; the same on both sides of neutral."""


class FactorsParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings: the thresholds of an earlier system, made symmetric around neutral."""

    least_coverage: float = 0.5
    """Share of the weights that must be present, else the layer abstains."""

    liquidation_rungs: Rungs = ((0.05, 0.4),)
    """By share of liquidated longs minus one half."""
    least_liquidations: int = 5
    """Fewer of the venue's within the window say nothing."""

    funding_rungs: Rungs = ((0.0005, 0.4), (0.002, 0.7))
    """By fraction per eight hours."""
    account_rungs: Rungs = ((0.05, 0.2), (0.15, 0.5))
    """By share of long accounts minus one half."""
    position_rungs: Rungs = ((0.02, 0.2), (0.10, 0.4))
    """By share of long positions of the largest accounts minus one half."""
    interest_rungs: Rungs = ((0.01, 0.2), (0.05, 0.5))
    """By change of open interest in 24 hours, as a fraction."""
    price_flat: float = 0.005
    """Change of price in 24 hours, as a fraction, up to which it has no direction."""
    mood_rungs: Rungs = ((25.0, 0.5),)
    """By points of the index minus 50."""

    liquidations_stale_ns: int = DAY_NS
    momentum_stale_ns: int = 30 * MINUTE_NS
    funding_stale_ns: int = 8 * HOUR_NS
    accounts_stale_ns: int = 8 * HOUR_NS
    interest_stale_ns: int = 2 * HOUR_NS
    vendor_interest_stale_ns: int = 8 * HOUR_NS
    """A vendor tells it by the row, of up to hours."""
    social_stale_ns: int = 6 * HOUR_NS
    mood_stale_ns: int = 2 * DAY_NS
    """The index is said once a day."""
