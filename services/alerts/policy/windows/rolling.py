"""Amounts with their times in; sums, counts and the largest of the last seconds out, exact whatever the order."""

from bisect import bisect_right, insort
from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct, field

MILLIONTHS: Final = 1_000_000
_LARGEST: Final = 1e15
"""Quote units; beyond it a float has no cents any more, and no market such a trade."""

Row: TypeAlias = tuple[int, int, int]
"""(event time, millionths of a quote unit, side: 0 or 1)."""


class Sums(NamedTuple):
    """What is in a window: millionths of a quote unit, and how many rows."""

    first: int
    """Of side 0."""
    second: int
    first_count: int
    second_count: int
    largest: int | None
    """The largest row of both sides; absent when there is none."""


_NONE: Final = Sums(0, 0, 0, 0, None)


def millionths(amount: float) -> int | None:
    """Return `amount` as an integer, whose sums have no rounding; None when it is none, not above zero, or absurd."""
    return round(amount * MILLIONTHS) if 0.0 < amount < _LARGEST else None


class Rolling(Struct):
    """The rows within (now - span_ns, now], `now` being the newest time it was brought to.

    Rows are kept in order of (time, amount, side), so the state does not depend on the order of arrival. O(1)
    amortised; a row that is late costs a binary search.
    """

    span_ns: int
    most: int
    """Rows; when there are more, the oldest goes."""
    now_ns: int = -1
    rows: list[Row] = field(default_factory=list)
    totals: list[int] = field(default_factory=lambda: [0, 0])
    counts: list[int] = field(default_factory=lambda: [0, 0])
    peaks: list[tuple[int, int]] = field(default_factory=list)
    """(time, amount) of the rows that no later one reaches: the first is the largest."""

    def holds(self, row: Row) -> bool:
        """Return whether exactly this row is in the window."""
        place = bisect_right(self.rows, row)
        return place > 0 and self.rows[place - 1] == row

    def add(self, row: Row) -> bool:
        """Take a row that is newer than now - span_ns; return whether the oldest had to go for it."""
        self.bring(row[0])
        if self.rows and self.rows[-1] > row:
            insort(self.rows, row)
        else:
            self.rows.append(row)
        self.totals[row[2]] += row[1]
        self.counts[row[2]] += 1
        self._peak(row[0], row[1])
        if len(self.rows) <= self.most:
            return False
        gone = self.rows.pop(0)
        self._forget(gone)
        if self.peaks[0] == gone[:2] and self.rows[0][:2] != gone[:2]:
            del self.peaks[0]
        return True

    def bring(self, at_ns: int) -> None:
        """Let time pass up to `at_ns`; it never runs backwards."""
        if at_ns <= self.now_ns:
            return
        self.now_ns = at_ns
        edge_ns, over = at_ns - self.span_ns, 0
        for row in self.rows:
            if row[0] > edge_ns:
                break
            self._forget(row)
            over += 1
        del self.rows[:over]
        while self.peaks and self.peaks[0][0] <= edge_ns:
            del self.peaks[0]

    def sums(self, as_of_ns: int) -> Sums:
        """Return what is in the window as of `as_of_ns`, after bringing it there.

        A stream that lags behind another one by less than the span loses nothing by it; by more, and the window stays
        where it is, for its rows are still to come.
        """
        if as_of_ns >= self.now_ns + self.span_ns:
            return _NONE
        self.bring(as_of_ns)
        largest = self.peaks[0][1] if self.peaks else None
        return Sums(self.totals[0], self.totals[1], self.counts[0], self.counts[1], largest)

    def _forget(self, row: Row) -> None:
        self.totals[row[2]] -= row[1]
        self.counts[row[2]] -= 1

    def _peak(self, at_ns: int, amount: int) -> None:
        place = bisect_right(self.peaks, at_ns, key=_time)
        if place < len(self.peaks) and self.peaks[place][1] >= amount:
            return
        first = place
        while first and self.peaks[first - 1][1] <= amount:
            first -= 1
        if first and self.peaks[first - 1][0] == at_ns:
            return
        self.peaks[first:place] = [(at_ns, amount)]


def _time(peak: tuple[int, int]) -> int:
    return peak[0]
