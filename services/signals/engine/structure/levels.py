"""Levels where stops are thought to rest: pivots and the ends of past periods; swept, or broken.

A level is swept when a bar goes beyond it and that bar, or one of the next `reclaim_bars` - 1, closes back inside;
when none of them does, it was a break.
"""

from msgspec import Struct, field

from services.signals.engine.bars import Bar
from services.signals.engine.structure.terms import Moment, Structure, structure_id


class Level(Struct):
    """One level above (+1) or below (-1) the market."""

    kind: str
    side: int
    price: float
    formed_ns: int
    known_ns: int
    pierced: int = -1
    """Number of the bar that first went beyond it."""
    extreme: float = 0.0
    """How far beyond the market has been since."""
    born: Structure | None = None
    """The structure whose history ends with it: `swept`, `broken` or `superseded`; a pivot's own goes on elsewhere."""

    @property
    def structure_id(self) -> str:
        """That of the structure that it is the level of."""
        return structure_id(self.kind, self.side, self.formed_ns, self.known_ns)

    def end(self, state: str, at_ns: int) -> None:
        """Tell the structure what became of it."""
        if self.born is not None:
            self.born.become(state, at_ns)


class Levels(Struct):
    """The levels that nobody has gone through yet, at most `most` a side, and those being tried."""

    reclaim_bars: int
    most: int
    above: list[Level] = field(default_factory=list)
    below: list[Level] = field(default_factory=list)
    tried: list[Level] = field(default_factory=list)
    forgotten: int = 0

    def open(self, level: Level) -> None:
        """Begin to watch a level; a cluster that has grown replaces itself."""
        side = self.above if level.side > 0 else self.below
        for at, one in enumerate(side):
            if one.formed_ns == level.formed_ns and one.kind == level.kind:
                one.end("superseded", level.known_ns)
                del side[at]
                break
        side.append(level)
        if len(side) > self.most:
            del side[0]
            self.forgotten += 1

    def replace(self, level: Level) -> None:
        """Watch a level in place of the one of its kind."""
        for side in (self.above, self.below, self.tried):
            for at, one in enumerate(side):
                if one.kind == level.kind:
                    one.end("superseded", level.known_ns)
                    del side[at]
                    break
        self.open(level)

    def add(self, bar: Bar, number: int, close_ns: int) -> list[Structure]:
        """Take a bar later than every level; return the sweeps that its close completes."""
        if self.above and bar.high > min([level.price for level in self.above]):
            self.above = self._pierce(self.above, bar.high, number)
        if self.below and bar.low < max([level.price for level in self.below]):
            self.below = self._pierce(self.below, bar.low, number)
        if not self.tried:
            return []
        swept: list[Structure] = []
        kept: list[Level] = []
        for level in self.tried:
            inside = bar.close < level.price if level.side > 0 else bar.close > level.price
            if level.side > 0:
                level.extreme = max(level.extreme, bar.high)
            else:
                level.extreme = min(level.extreme, bar.low)
            if inside:
                swept.append(_sweep(level, bar, number, close_ns))
                level.end("swept", close_ns)
            elif number - level.pierced + 1 < self.reclaim_bars:
                kept.append(level)
            else:
                level.end("broken", close_ns)
        self.tried = kept
        return swept

    def _pierce(self, levels: list[Level], reached: float, number: int) -> list[Level]:
        kept: list[Level] = []
        for level in levels:
            if level.side * (reached - level.price) > 0:
                level.pierced, level.extreme = number, reached
                self.tried.append(level)
            else:
                kept.append(level)
        return kept


def _sweep(level: Level, bar: Bar, number: int, close_ns: int) -> Structure:
    """Return the sweep of a level: one above speaks for lower prices."""
    return Structure(
        kind=f"sweep_of_{level.kind}",
        side=-level.side,
        low=min(level.price, level.extreme),
        high=max(level.price, level.extreme),
        formed_ns=level.formed_ns,
        known_ns=close_ns,
        volume=bar.volume,
        delta=bar.delta,
        history=[Moment("swept", close_ns)],
        bar=number,
    )
