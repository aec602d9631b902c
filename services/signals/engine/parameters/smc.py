"""What the layer `smc` is told."""

from msgspec import Struct


class SmcParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""
