"""Price changes and turnover in, what trading costs out: Amihud's ratio and Roll's spread."""

from collections.abc import Sequence
from math import fsum, sqrt

_FEWEST = 3


def amihud(returns: Sequence[float], notionals: Sequence[float]) -> float | None:
    """Return mean(|r| / quote volume) over the buckets that traded, per quote unit; None without one (Amihud 2002)."""
    ratios = [abs(r) / q for r, q in zip(returns, notionals, strict=True) if q > 0]
    return fsum(ratios) / len(ratios) if ratios else None


def roll_spread(changes: Sequence[float]) -> float | None:
    """Return 2 sqrt(-cov(dP_t, dP_(t-1))) in units of price; None where the covariance is not negative (Roll 1984)."""
    before, after = changes[:-1], changes[1:]
    n = len(after)
    if n < _FEWEST:
        return None
    mean0, mean1 = fsum(before) / n, fsum(after) / n
    covariance = fsum((a - mean0) * (b - mean1) for a, b in zip(before, after, strict=True)) / n
    return 2 * sqrt(-covariance) if covariance < 0 else None
