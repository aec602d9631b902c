"""What the layer `liquidity` is told."""

from msgspec import Struct


class LiquidityParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""
