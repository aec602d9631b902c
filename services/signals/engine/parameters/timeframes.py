"""What the layer `timeframes` is told."""

from msgspec import Struct


class TimeframesParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""
