"""A volume profile in, its high and low volume nodes out: extrema of the smoothed rows that stand out enough."""

from collections.abc import Sequence

from msgspec import Struct


class Node(Struct, frozen=True, array_like=True):
    """Rows [low, high] of equal smoothed volume, higher (or lower) than what surrounds them."""

    low: int
    high: int
    prominence: float
    """As a share of the largest smoothed row, in (0, 1]."""


def smoothed(volumes: Sequence[float]) -> list[float]:
    """Return (a + 2 b + c) / 4 of each row with its neighbours; beyond the ends nothing was traded."""
    padded = [0.0, *volumes, 0.0]
    return [(a + c + 2.0 * b) / 4.0 for a, b, c in zip(padded, padded[1:], padded[2:], strict=False)]


def high_nodes(rows: Sequence[float], least: float) -> list[Node]:
    """Return the maxima of `rows` (a plateau is one) whose prominence is at least `least` of the largest, in order.

    Prominence of a maximum: its height above the higher of the two lowest points that part it from a higher row, or
    from the end, beyond which there is nothing.
    """
    top = max(rows, default=0.0)
    if top <= 0:
        return []
    lefts, rights = _passes(rows), _passes(rows[::-1])[::-1]
    nodes, at, size = [], 0, len(rows)
    while at < size:
        end = at
        while end + 1 < size and rows[end + 1] == rows[at]:
            end += 1
        before = rows[at - 1] if at else 0.0
        after = rows[end + 1] if end + 1 < size else 0.0
        if rows[at] > before and rows[at] > after:
            prominence = (rows[at] - max(lefts[at], rights[end])) / top
            if prominence >= least:
                nodes.append(Node(at, end, prominence))
        at = end + 1
    return nodes


def low_nodes(rows: Sequence[float], least: float) -> list[Node]:
    """Return the minima between two rows that are higher by at least `least` of the largest row, in order."""
    top = max(rows, default=0.0)
    if top <= 0:
        return []
    return [node for node in high_nodes([top - row for row in rows], 0.0) if _inner(node, rows, least * top)]


def _inner(node: Node, rows: Sequence[float], height: float) -> bool:
    """Tell whether both sides rise by `height` from the node, before they fall below it again."""
    floor = rows[node.low]

    def rises(steps: range) -> bool:
        for at in steps:
            if rows[at] < floor:
                return False
            if rows[at] - floor >= height:
                return True
        return False

    return rises(range(node.low - 1, -1, -1)) and rises(range(node.high + 1, len(rows)))


def _passes(rows: Sequence[float]) -> list[float]:
    """Return, for each row, the lowest row between it and the next strictly higher one before it; 0 without one."""
    passes: list[float] = []
    higher: list[tuple[float, float]] = []
    for row in rows:
        lowest = row
        while higher and higher[-1][0] <= row:
            lowest = min(lowest, higher.pop()[1])
        passes.append(lowest if higher else 0.0)
        higher.append((row, lowest))
    return passes
