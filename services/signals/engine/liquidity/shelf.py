"""Resting depth of one side of a book by price bin: samples in, averages, persistence and what was pulled out."""

from msgspec import Struct, field

from services.signals.engine.parameters.liquidity import LiquidityParameters


class Cell(Struct, array_like=True):
    """One bin. Amounts in base units; averages weigh time, and are plain means until older than they forget."""

    depth: float
    """At the last sample."""
    born_ns: int
    """First sample of it."""
    fast: float = 0.0
    slow: float = 0.0
    peak: float = 0.0
    """Most it showed, halved every slow half-life."""
    present: float = 0.0
    """Share of the time in which it showed at least half its peak."""
    pulled: float = 0.0
    """Withdrawn, net of what was added between two samples: a lower bound. Forgotten like `slow`."""
    taken: float = 0.0
    """Executed by takers in it."""
    age_ns: int = 0

    def persistence(self, told: LiquidityParameters) -> float:
        """Return the time-weighted presence in [0, 1], earned over the first minute of watching."""
        return self.present * min(1.0, self.age_ns / told.earn_ns)

    def pulled_share(self) -> float | None:
        """Return cancelled / (cancelled + executed); None while nothing left the bin."""
        gone = self.pulled + self.taken
        return self.pulled / gone if gone > 0 else None

    def credit(self, told: LiquidityParameters) -> float:
        """Return how far the depth may be believed, in [0, 1]: absence by withdrawal counts twice, by trades once."""
        persistence = self.persistence(told)
        return persistence * (1.0 - (self.pulled_share() or 0.0) * (1.0 - persistence))


class Shelf(Struct):
    """The bins of one side, nearest first; bin numbers are those of the side's keys."""

    first: int = 0
    cells: list[Cell] = field(default_factory=list)

    def sample(  # noqa: C901  # one loop over the bins, each second: a call a bin would double its cost
        self,
        depths: list[float],
        first: int,
        at_ns: int,
        elapsed_ns: int,
        traded: dict[int, float],
        told: LiquidityParameters,
    ) -> None:
        """Take what the bins show now; what they showed before stood for `elapsed_ns`.

        Args:
            depths: base units a bin, from bin `first` outward.
            first: number of the nearest bin.
            at_ns: event time.
            elapsed_ns: since the last sample.
            traded: base units that takers took from each bin since then.
            told: half-lives and shares.
        """
        self._move(depths, first, at_ns)
        if elapsed_ns <= 0:
            for cell, depth in zip(self.cells, depths, strict=True):
                cell.depth = depth
            return
        keep = 0.5 ** (elapsed_ns / told.slow_half_life_ns)
        slow, fast = 1.0 - keep, 1.0 - 0.5 ** (elapsed_ns / told.fast_half_life_ns)
        share, number = told.presence_share, first - 1
        for cell, depth in zip(self.cells, depths, strict=True):
            number += 1
            if cell.born_ns == at_ns:
                continue
            age = cell.age_ns = cell.age_ns + elapsed_ns
            shown, peak = cell.depth, cell.peak * keep
            if shown > peak:
                peak = shown
            elif peak == 0.0:
                cell.depth = depth
                continue
            cell.peak = peak
            gain = elapsed_ns / age
            if gain > slow:
                cell.fast += (shown - cell.fast) * max(gain, fast)
            else:
                cell.fast += (shown - cell.fast) * fast
                gain = slow
            cell.slow += (shown - cell.slow) * gain
            cell.present += ((shown >= share * peak) - cell.present) * gain
            lost = shown - depth
            if lost > 0.0:
                lost -= traded.get(number, 0.0)
                cell.pulled = cell.pulled * keep + max(0.0, lost)
            else:
                cell.pulled *= keep
            cell.taken *= keep
            cell.depth = depth
        for number, size in traded.items():
            if 0 <= number - first < len(self.cells):
                self.cells[number - first].taken += size

    def _move(self, depths: list[float], first: int, at_ns: int) -> None:
        """Let go of what left the range, and begin to watch what came into it."""
        cells, shift, count = self.cells, first - self.first, len(depths)
        if not cells or abs(shift) >= count:
            cells[:] = [Cell(depth, at_ns, depth, depth) for depth in depths]
        elif shift > 0:
            del cells[:shift]
        elif shift < 0:
            cells[:0] = [Cell(depth, at_ns, depth, depth) for depth in depths[:-shift]]
        del cells[count:]
        cells.extend(Cell(depth, at_ns, depth, depth) for depth in depths[len(cells) :])
        self.first = first
