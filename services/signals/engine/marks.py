"""Marks in, those nearest to a price out."""

from collections.abc import Sequence

from libs.common.events import Mark


def marks_near(marks: Sequence[Mark], price: float, most: int) -> tuple[Mark, ...]:
    """Return the `most` marks that lie nearest to `price`, nearest first; a zone that holds it is at distance 0."""
    return tuple(sorted(marks, key=lambda mark: (max(mark.low - price, price - mark.high, 0.0), mark.low))[:most])
