"""What the layer `technicals` is told."""

from msgspec import Struct


class TechnicalsParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""
