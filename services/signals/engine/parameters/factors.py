"""What the eight factors are told."""

from msgspec import Struct


class FactorsParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""
