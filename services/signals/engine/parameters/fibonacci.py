"""What the layer `fibonacci` is told."""

from msgspec import Struct


class FibonacciParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""
