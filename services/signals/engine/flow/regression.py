"""Pairs in, the slope through them out: Kyle's lambda, with what tells whether it is more than chance.

Source: Kyle (1985), dP_k = lambda x_k + u_k, by ordinary least squares without an intercept.
"""

from collections.abc import Sequence
from math import fsum, sqrt

from msgspec import Struct

_FEWEST = 3


class Slope(Struct, frozen=True):
    """A fitted line."""

    slope: float
    """Units of y for one of x."""
    t: float | None
    """Slope over its standard error; None where nothing is left unexplained."""
    r2: float | None
    """1 - sum u^2 / sum y^2, in [0, 1]; None where y is 0 throughout."""


def through_origin(xs: Sequence[float], ys: Sequence[float]) -> Slope | None:
    """Return the slope without an intercept; None for fewer than three pairs or where every x is 0."""
    if len(xs) < _FEWEST:
        return None
    xx = fsum(x * x for x in xs)
    yy = fsum(y * y for y in ys)
    if xx <= 0:
        return None
    slope = fsum(x * y for x, y in zip(xs, ys, strict=True)) / xx
    rest = fsum((y - slope * x) ** 2 for x, y in zip(xs, ys, strict=True))
    error = sqrt(rest / (len(xs) - 1) / xx)
    return Slope(slope, slope / error if error > 0 else None, max(0.0, 1 - rest / yy) if yy > 0 else None)


def with_intercept(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float] | None:
    """Return (slope, intercept); None for fewer than three pairs or where x does not vary."""
    n = len(xs)
    if n < _FEWEST:
        return None
    x0, y0 = fsum(xs) / n, fsum(ys) / n
    xx = fsum((x - x0) ** 2 for x in xs)
    if xx <= 0:
        return None
    slope = fsum((x - x0) * (y - y0) for x, y in zip(xs, ys, strict=True)) / xx
    return slope, y0 - slope * x0
