"""Swing highs and lows on one scale: bars in, pivots out once enough later bars confirm them, alternating for good.

A pivot is a bar whose high is the highest of `left` bars before and `right` bars after it, ties included (a low
mirrored). Of pivots of one side in a row the more extreme one stands, the earlier one on a tie; the one that it
replaces becomes `superseded`, and is never deleted. A bar that
is both counts as the opposite of the pivot before it, and as none without one.
"""

from msgspec import Struct, field

from services.signals.engine.structure.recent import Recent
from services.signals.engine.structure.terms import Moment, Structure

HIGH = 1
LOW = -1


class Swings(Struct):
    """The pivots of one scale; `standing` alternate, oldest first, at most `most` of them."""

    scale: str
    left: int
    right: int
    most: int
    high_first: bool = False
    """A bar that is both counts as a high instead: one-sided, as the peer library has it."""
    warm: int = 0
    """Bars that must lie before a pivot beyond `left`."""
    standing: list[Structure] = field(default_factory=list)

    def add(self, recent: Recent, close_ns: int, atr: float | None) -> Structure | None:
        """Look at the bar that has just got its last confirming bar; return the pivot it is."""
        size = len(recent.bars)
        middle = size - 1 - self.right
        if middle < self.left or recent.first + middle < self.warm:
            return None
        low, high = recent.lows[middle], recent.highs[middle]
        before = self.standing[-1] if self.standing else None
        highest = high == max(recent.highs[middle - self.left :])
        lowest = low == min(recent.lows[middle - self.left :])
        if highest and lowest and not self.high_first:
            if before is None:
                return None
            highest = before.side == LOW
        if highest:
            side, price = HIGH, high
        elif lowest:
            side, price = LOW, low
        else:
            return None
        beaten = before is not None and before.side == side
        bar = recent.bars[middle]
        # drawn as a high or a low; as a level it stands against the move that would break it
        pivot = Structure(
            kind=f"{self.scale}_{'high' if side == HIGH else 'low'}",
            side=side,
            low=price,
            high=price,
            formed_ns=bar.open_ns,
            known_ns=close_ns,
            volume=bar.volume,
            delta=bar.delta,
            bar=recent.first + middle,
        )
        if beaten and before is not None and side * price <= side * before.high:
            pivot.history.append(Moment("superseded", close_ns))
            return pivot
        pivot.history.append(Moment(self._label(side, price, beaten=beaten), close_ns))
        if beaten and before is not None:
            before.become("superseded", close_ns)
            self.standing[-1] = pivot
        else:
            self.standing.append(pivot)
            if len(self.standing) > self.most:
                del self.standing[0]
        other = self.standing[-2] if len(self.standing) > 1 else None
        if other is not None and atr:
            pivot.size_atr = abs(price - other.high) / atr
        return pivot

    def last(self, side: int) -> Structure | None:
        """Return the newest standing pivot of a side."""
        for pivot in reversed(self.standing[-2:]):
            if pivot.side == side:
                return pivot
        return None

    def _label(self, side: int, price: float, *, beaten: bool) -> str:
        """Return HH, LH, HL or LL against the standing pivot of the same side before; `first` without one."""
        at = len(self.standing) - (3 if beaten else 2)
        if at < 0:
            return "first"
        before = self.standing[at].high
        if side == HIGH:
            return "HH" if price > before else "LH"
        return "LL" if price < before else "HL"
