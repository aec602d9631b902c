"""Price and cumulative delta at confirmed pivots in, divergences out: each known when its second pivot is.

After peers' definition: regular, price makes a new extreme that the takers' balance does not; hidden, the balance makes
one that price does not. Both pivots must be confirmed, so nothing is ever withdrawn. No controlled study has found that
it predicts anything: a hypothesis.
"""

from math import sqrt

from msgspec import Struct, field

from services.signals.engine.bars import Bar
from services.signals.engine.parameters.cvd import CvdParameters
from services.signals.engine.structure.recent import Recent
from services.signals.engine.structure.swings import Swings
from services.signals.engine.structure.terms import Structure


class Divergence(Struct, frozen=True):
    """One divergence; +1 speaks for higher prices."""

    kind: str
    """`regular` or `hidden`."""
    side: int
    low: float
    high: float
    """Prices of the two pivots."""
    formed_ns: int
    """Open of the bar of the second pivot."""
    known_ns: int
    known_bar: int
    deviations: float
    """By how many deviations of past changes the cumulative delta differs, in absolute terms."""


class Divergences(Struct):
    """The running state of one timeframe, over bars in a row whose delta is known; a bar without one starts anew."""

    told: CvdParameters
    recent: Recent
    swings: Swings
    first: int = 0
    """Number of the first bar of the run with deltas."""
    cumulative: float = 0.0
    at_close: list[float] = field(default_factory=list)
    """Cumulative delta at the newest closes, as many as `recent` keeps."""
    changes: list[float] = field(default_factory=list)
    """Newest changes from one standing pivot to the next of the same side."""
    last: Divergence | None = None

    @classmethod
    def new(cls, told: CvdParameters) -> "Divergences":
        """Return one that has seen nothing."""
        keep = told.most_apart + told.pivot_left + told.pivot_right + 2
        return cls(told, Recent(keep), Swings("pivot", told.pivot_left, told.pivot_right, told.most_pivots))

    def add(self, bar: Bar, close_ns: int, atr: float | None) -> Divergence | None:
        """Take the next closed bar; return the divergence that its close makes known."""
        delta = bar.delta
        self.recent.add(bar)
        if delta is None:
            self.first, self.cumulative = self.recent.last + 1, 0.0
        else:
            self.cumulative += delta
        self.at_close.append(self.cumulative)
        if len(self.at_close) > len(self.recent.bars):
            del self.at_close[: len(self.at_close) - len(self.recent.bars)]
        pivot = self.swings.add(self.recent, close_ns, atr)
        if pivot is None or pivot.state == "superseded" or not atr:
            return None
        before = self._before(pivot)
        if before is None:
            return None
        found = self._compare(before, pivot, atr)
        if found is not None:
            self.last = found
        return found

    def since(self, side: int) -> tuple[float, int] | None:
        """Return (delta since the newest standing high or low, its bar); None where it is unknown."""
        pivot = self.swings.last(side)
        if pivot is None:
            return None
        then = self._at(pivot.bar)
        return None if then is None else (self.cumulative - then, pivot.bar)

    def _before(self, pivot: Structure) -> Structure | None:
        for other in reversed(self.swings.standing[:-1]):
            if other.side == pivot.side:
                return other
        return None

    def _compare(self, before: Structure, pivot: Structure, atr: float) -> Divergence | None:
        told = self.told
        then, now = self._at(before.bar), self._at(pivot.bar)
        if then is None or now is None:
            return None
        change, spread = now - then, self._spread()
        self.changes.append(change)
        if len(self.changes) > told.most_pivots:
            del self.changes[0]
        apart, moved = pivot.bar - before.bar, pivot.high - before.high
        far = told.least_apart <= apart <= told.most_apart and abs(moved) >= told.least_move_atr * atr
        if not far or not spread or abs(change) < told.deviations * spread or moved * change >= 0:
            return None
        # at highs a divergence is bearish, at lows bullish; regular where price went further out
        regular = pivot.side * moved > 0
        return Divergence(
            kind="regular" if regular else "hidden",
            side=-pivot.side,
            low=min(before.high, pivot.high),
            high=max(before.high, pivot.high),
            formed_ns=pivot.formed_ns,
            known_ns=pivot.known_ns,
            known_bar=self.recent.last,
            deviations=abs(change) / spread,
        )

    def _at(self, number: int) -> float | None:
        """Return the cumulative delta at the close of a bar; None before the run of deltas, or when forgotten."""
        back = self.recent.last - number
        if number < self.first or back >= len(self.at_close):
            return None
        return self.at_close[-1 - back]

    def _spread(self) -> float | None:
        """Return the root mean square of the changes before this one; None with too few."""
        if len(self.changes) < self.told.least_changes:
            return None
        return sqrt(sum(change * change for change in self.changes) / len(self.changes)) or None
