"""What the regime is told."""

from msgspec import Struct


class RegimeParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""
