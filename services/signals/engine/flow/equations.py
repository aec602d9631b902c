"""A square system of linear equations in, its solution out; in plain floats, so that the bits are the same anywhere."""

from collections.abc import Sequence

_SINGULAR = 1e-12
"""A pivot smaller than this share of the largest entry is none."""


def solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float] | None:
    """Return x with `matrix` x = `right`, by elimination with row pivoting; None where the rows do not determine it."""
    n = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    least = _SINGULAR * max((abs(entry) for row in matrix for entry in row), default=0.0)
    for at in range(n):
        best = max(range(at, n), key=lambda r: abs(rows[r][at]))
        if abs(rows[best][at]) <= least:
            return None
        rows[at], rows[best] = rows[best], rows[at]
        pivot = rows[at]
        for row in rows[at + 1 :]:
            factor = row[at] / pivot[at]
            if factor:
                row[at:] = [a - factor * b for a, b in zip(row[at:], pivot[at:], strict=True)]
    found = [0.0] * n
    for at in reversed(range(n)):
        row = rows[at]
        found[at] = (row[n] - sum([a * x for a, x in zip(row[at + 1 : n], found[at + 1 :], strict=True)])) / row[at]
    return found
