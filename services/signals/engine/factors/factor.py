"""What a factor is: what was heard in, a score of one kind of evidence out, or why there is none."""

from bisect import bisect_left
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import Struct, field

from libs.common.events import Fact
from services.signals.engine.factors.heard import Heard
from services.signals.engine.parameters.factors import FactorsParameters, Rungs

_ROUNDING: Final = 1e-12


class Finding(Struct, frozen=True):
    """A factor's answer: score in [-1, 1], confidence in (0, 1], named numbers; or a cause, and no score."""

    score: float | None
    confidence: float = 0.0
    facts: dict[str, Fact] = field(default_factory=dict)
    cause: str | None = None


class Factor(NamedTuple):
    """One row of the table."""

    name: str
    weight: int
    """Of 100 together."""
    judge: Callable[[Heard, int, FactorsParameters], Finding]
    """What was heard, as of when in ns, and the parameters."""


def absent(cause: str, facts: dict[str, Fact] | None = None) -> Finding:
    """Return the finding of a factor that has none, and why."""
    return Finding(None, 0.0, facts or {}, cause)


def climb(distance: float, rungs: Rungs) -> float:
    """Return the score of the highest rung that the size of `distance` exceeds, with its sign: odd, 0 at neutral.

    By more than rounding: 0.55 - 0.5 is a little more than 0.05, and 0.5 - 0.45 a little less.
    """
    passed = bisect_left(rungs, abs(distance) - _ROUNDING, key=lambda rung: rung[0])
    if not passed:
        return 0.0
    score = rungs[passed - 1][1]
    return score if distance > 0 else -score


def freshness(at_ns: int, as_of_ns: int, stale_ns: int) -> float:
    """Return the confidence of a value by its age: 1 up to half of `stale_ns`, then falling to 0 at `stale_ns`."""
    return max(0.0, min(1.0, 2.0 * (1.0 - (as_of_ns - at_ns) / stale_ns)))
