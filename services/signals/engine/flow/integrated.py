"""Flows of the levels in, one flow out: their first principal component, with weights from the past.

Source: Cont, Cucuringu, Zhang (2023), "Cross-impact of order flow imbalance in equity markets": w1' ofi / ||w1||_1.
"""

from math import exp, fsum, sqrt

from msgspec import Struct, field

from libs.common.events import SECOND_NS

_ROUNDS = 200
_ENOUGH = 1e-12


def principal(matrix: list[list[float]], start: list[float]) -> list[float] | None:
    """Return the unit vector of the largest eigenvalue of a covariance, by power iteration; None of a zero matrix.

    Its sign makes the sum of the weights positive: buying stays positive.
    """
    vector = start
    for _ in range(_ROUNDS):
        turned = [fsum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]
        length = sqrt(fsum(x * x for x in turned))
        if length <= 0:
            return None
        turned = [x / length for x in turned]
        step = max(abs(a - b) for a, b in zip(turned, vector, strict=True))
        vector = turned
        if step < _ENOUGH:
            break
    return vector if sum(vector) >= 0 else [-x for x in vector]


class Integrated(Struct):
    """Decaying moments of the flows of each level, a row a second, and the weights last taken from them."""

    levels: int
    horizon_ns: int
    every_ns: int
    least: int
    """Seconds."""
    second_ns: int = -1
    solved_ns: int = -1
    seconds: int = 0
    weight: float = 0.0
    sums: list[float] = field(default_factory=list)
    products: list[list[float]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    """Of unit length; empty while unknown."""
    explained: float = 0.0
    """Share of the variance that lies along them, in [0, 1]."""

    @classmethod
    def new(cls, levels: int, times_ns: tuple[int, int], least: int) -> "Integrated":
        """Return one that knows nothing; `times_ns`: horizon of the memory, and time between two sets of weights."""
        zeros = [0.0] * levels
        return cls(levels, *times_ns, least, sums=[*zeros], products=[[*zeros] for _ in zeros])

    def due(self, at_ns: int) -> bool:
        """Tell whether a new second has begun."""
        return at_ns >= self.second_ns + SECOND_NS

    def take(self, at_ns: int, flows: list[float]) -> None:
        """Take the flows of the levels, in average depths, as they stand at the beginning of a second."""
        second_ns = at_ns - at_ns % SECOND_NS
        keep = exp(-(second_ns - self.second_ns) / self.horizon_ns) if self.second_ns >= 0 else 0.0
        self.second_ns = second_ns
        self.weight = self.weight * keep + 1
        self.seconds += 1
        self.sums = [a * keep + x for a, x in zip(self.sums, flows, strict=True)]
        self.products = [
            [a * keep + x * y for a, y in zip(row, flows, strict=True)]
            for row, x in zip(self.products, flows, strict=True)
        ]
        if self.seconds >= self.least and second_ns - self.solved_ns >= self.every_ns:
            self.solved_ns = second_ns
            self._solve()

    def value(self, flows: list[float]) -> float | None:
        """Return the weighted flow, in average depths; None while the weights are unknown."""
        if not self.weights:
            return None
        norm = fsum(abs(w) for w in self.weights)
        return fsum(w * x for w, x in zip(self.weights, flows, strict=True)) / norm

    def _solve(self) -> None:
        means = [a / self.weight for a in self.sums]
        covariance = [
            [a / self.weight - means[i] * means[j] for j, a in enumerate(row)] for i, row in enumerate(self.products)
        ]
        total = fsum(covariance[i][i] for i in range(self.levels))
        found = principal(covariance, self.weights or [1 / sqrt(self.levels)] * self.levels)
        if found is None or total <= 0:
            return
        along = fsum(found[i] * covariance[i][j] * found[j] for i in range(self.levels) for j in range(self.levels))
        self.weights, self.explained = found, along / total
