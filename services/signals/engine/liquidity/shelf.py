"""Resting depth of one side of a book by price bin: samples in, averages, persistence and what was pulled out."""

from msgspec import Struct, field

from services.signals.engine.parameters.liquidity import LiquidityParameters


class Cell(Struct, array_like=True):
    """One bin. Amounts in base units; averages weigh time, and are plain means until older than they forget."""

    depth: float
    """At the last sample of it."""
    born_ns: int
    """First sample of it."""
    seen_ns: int
    """Last sample of it."""
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

    def sample(
        self,
        depths: list[float],
        first: int,
        at_ns: int,
        traded: dict[int, float],
        told: LiquidityParameters,
        *,
        whole: bool = True,
    ) -> None:
        """Take what the bins show now; what each showed before stood since its last sample.

        Args:
            depths: base units a bin, from bin `first` outward.
            first: number of the nearest bin.
            at_ns: event time.
            traded: base units that takers took from each bin since the last sample.
            told: half-lives and shares.
            whole: False leaves the bins beyond `depths` as they are; else there are none.
        """
        self._move(depths, first, at_ns, whole=whole)
        share, number, before_ns, keep, slow, fast = told.presence_share, first - 1, -1, 1.0, 0.0, 0.0
        for cell, depth in zip(self.cells, depths, strict=False):
            number += 1
            elapsed_ns = at_ns - cell.seen_ns
            if elapsed_ns <= 0:
                continue
            if elapsed_ns != before_ns:
                before_ns, keep = elapsed_ns, 0.5 ** (elapsed_ns / told.slow_half_life_ns)
                slow, fast = 1.0 - keep, 1.0 - 0.5 ** (elapsed_ns / told.fast_half_life_ns)
            cell.seen_ns = at_ns
            age_ns = cell.age_ns = cell.age_ns + elapsed_ns
            shown, peak = cell.depth, cell.peak * keep
            if shown > peak:
                peak = shown
            elif peak == 0.0:
                cell.depth = depth
                continue
            cell.peak = peak
            gain = elapsed_ns / age_ns
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

    def _move(self, depths: list[float], first: int, at_ns: int, *, whole: bool) -> None:
        """Let go of what left the range, and begin to watch what came into it."""
        cells, shift = self.cells, first - self.first
        self.first = first
        if shift >= len(cells) or -shift >= len(depths):
            cells.clear()
        elif shift > 0:
            del cells[:shift]
        elif shift < 0:
            cells[:0] = [_fresh(depth, at_ns) for depth in depths[:-shift]]
        if whole:
            del cells[len(depths) :]
        cells.extend(_fresh(depth, at_ns) for depth in depths[len(cells) :])


def _fresh(depth: float, at_ns: int) -> Cell:
    return Cell(depth, at_ns, at_ns, depth, depth)
