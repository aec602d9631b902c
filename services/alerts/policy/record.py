"""What became of signals in; how often they were right, with its uncertainty, out. Pure; nothing is guessed."""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from libs.common.events import Barrier, Outcome

_Z: Final = 1.959963984540054
"""Of the standard normal distribution: 95 % lie within."""


class Record(Struct, frozen=True, kw_only=True):
    """Of some signals; what nothing is known of is absent."""

    outcomes: int
    """All of them."""
    resolved: int
    """Of which it is known how they ended."""
    hits: int
    """That reached the first target before the stop and the end of their time."""
    stops: int
    hit_rate: float | None
    low: float | None
    """Lower bound of the hit rate, by Wilson, at 95 %."""
    high: float | None
    mean_r: float | None
    """Mean profit in units of the risk, after fees."""
    with_r: int
    """So many outcomes told their profit."""

    @property
    def coverage(self) -> float | None:
        """Share of the outcomes that were resolved."""
        return self.resolved / self.outcomes if self.outcomes else None


def fold(outcomes: Iterable[Outcome]) -> Record:
    """Return the record of `outcomes`."""
    known = list(outcomes)
    resolved = [one for one in known if one.barrier is not Barrier.UNRESOLVED]
    hits = sum(one.barrier is Barrier.TARGET for one in resolved)
    profits = [one.r_multiple for one in resolved if one.r_multiple is not None and math.isfinite(one.r_multiple)]
    low, high = wilson(hits, len(resolved)) if resolved else (None, None)
    return Record(
        outcomes=len(known),
        resolved=len(resolved),
        hits=hits,
        stops=sum(one.barrier is Barrier.STOP for one in resolved),
        hit_rate=hits / len(resolved) if resolved else None,
        low=low,
        high=high,
        mean_r=_mean(profits),
        with_r=len(profits),
    )


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927); `of` is at least 1."""
    share, square = hits / of, _Z * _Z
    middle = share + square / (2 * of)
    half = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    scale = 1 + square / of
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
