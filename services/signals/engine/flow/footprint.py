"""Trades in, taker volume by price row out, and zones where one side outweighs the other row by row."""

from msgspec import Struct, field


class Stack(Struct, frozen=True):
    """Rows in a row that are imbalanced to one side."""

    low: int
    """First row, included."""
    high: int
    """Last row, included."""
    side: int
    """+1 buyers, -1 sellers."""
    volume: float
    """Base units of that side over the rows."""


class Footprint(Struct):
    """Volumes of one span of time. Rows are whole ticks; keys are `round(price / tick)`."""

    most: int
    bought: dict[int, float] = field(default_factory=dict)
    sold: dict[int, float] = field(default_factory=dict)
    dropped: int = 0
    """Trades that found no row, because there are too many."""

    def add(self, row: int, signed: float) -> None:
        """Count `signed` base units of a taker at a row."""
        rows = self.bought if signed > 0 else self.sold
        if row not in rows and len(rows) >= self.most:
            self.dropped += 1
            return
        rows[row] = rows.get(row, 0.0) + abs(signed)

    def stacks(self, ratio: float, least: float, rows: int) -> list[Stack]:
        """Return runs of at least `rows` neighbouring ticks that are imbalanced, lowest first, buyers before sellers.

        Diagonal comparison: buyers at row p against sellers at p - 1, sellers at p against buyers at p + 1. A row is
        imbalanced at `ratio` times the other or more, and at `least` base units or more; a row where nothing was
        traded is not, so it ends a run.
        """
        return [
            *_runs(self.bought, self.sold, 1, (ratio, least, rows)),
            *_runs(self.sold, self.bought, -1, (ratio, least, rows)),
        ]


def _runs(mine: dict[int, float], other: dict[int, float], side: int, told: tuple[float, float, int]) -> list[Stack]:
    ratio, least, fewest = told
    found: list[Stack] = []
    run: list[int] = []
    heavy = sorted(p for p, v in mine.items() if v >= least and v >= ratio * other.get(p - side, 0.0))
    for row in [*heavy, None]:
        if run and (row is None or row != run[-1] + 1):
            if len(run) >= fewest:
                found.append(Stack(run[0], run[-1], side, sum(mine[p] for p in run)))
            run = []
        if row is not None:
            run.append(row)
    return found
