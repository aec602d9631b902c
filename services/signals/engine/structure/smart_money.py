"""All structures of one timeframe: closed bars in, each structure out at the bar whose close makes it known."""

from msgspec import Struct

from services.signals.engine.bars import Bar
from services.signals.engine.parameters.smc import SmcParameters
from services.signals.engine.structure.blocks import order_block
from services.signals.engine.structure.breaks import Breaks
from services.signals.engine.structure.equal import equal_level
from services.signals.engine.structure.gaps import fair_value_gap
from services.signals.engine.structure.levels import Level, Levels
from services.signals.engine.structure.periods import Periods
from services.signals.engine.structure.recent import Recent
from services.signals.engine.structure.swings import Swings
from services.signals.engine.structure.terms import Structure
from services.signals.engine.structure.zones import BLOCK, GAP, Zones


class SmartMoney(Struct):
    """The whole memory; what it returned goes on to change its state while it lives here."""

    told: SmcParameters
    recent: Recent
    swing: Swings
    internal: Swings
    trend: Breaks
    inner: Breaks
    blocks: Zones
    gaps: Zones
    levels: Levels
    periods: Periods | None = None
    last_ns: int = -1
    sweep_side: int = 0
    sweep_bar: int = -1
    sweep_kind: str = ""

    @classmethod
    def new(cls, told: SmcParameters) -> "SmartMoney":
        """Return one that has seen nothing."""
        swing = Swings("swing", told.swing_left, told.swing_right, told.most_pivots)
        if told.peer_pivots:
            swing.high_first, swing.warm = True, told.swing_left + told.swing_right
        return cls(
            told=told,
            recent=Recent(max(told.lookback, swing.left + swing.right + 1)),
            swing=swing,
            internal=Swings("internal", told.internal_left, told.internal_right, told.most_pivots),
            trend=Breaks("swing", told.break_margin_atr, told.displacement_atr, told.displacement_close),
            inner=Breaks("internal", told.break_margin_atr, told.displacement_atr, told.displacement_close),
            blocks=Zones(BLOCK, told.most_zones, told.watch_bars),
            gaps=Zones(GAP, told.most_zones, told.watch_bars),
            levels=Levels(told.reclaim_bars, told.most_levels),
        )

    def add(self, bar: Bar, close_ns: int, atr: float | None) -> list[Structure]:
        """Take the next closed bar and the ATR at its close; return what has become known with it."""
        recent = self.recent
        recent.add(bar)
        number = recent.last
        if self.periods is None:
            self.periods = Periods(close_ns - bar.open_ns)
        found: list[Structure] = []
        self.blocks.add(bar, number, close_ns)
        self.gaps.add(bar, number, close_ns)
        swept = self.levels.add(bar, number, close_ns)
        if swept:
            found += swept
            newest = swept[-1]
            self.sweep_side, self.sweep_bar, self.sweep_kind = newest.side, number, newest.kind
        for ended in self.periods.add(bar, number, close_ns):
            self.levels.replace(_level(ended))
            found.append(ended)
        gap = fair_value_gap(recent, close_ns, atr, self.told.min_gap_atr)
        gap_side = 0 if gap is None else gap.side
        self._scale(self.swing, self.trend, bar, close_ns, atr, found, gap_side, with_levels=False)
        self._scale(self.internal, self.inner, bar, close_ns, atr, found, gap_side, with_levels=True)
        if gap is not None:
            self.gaps.open(gap)
            found.append(gap)
        self.last_ns = close_ns
        return found

    def position(self, price: float) -> float | None:
        """Return where a price lies between the last standing swing low (0) and high (1); None without both.

        Below 0 and above 1 it has left the dealing range.
        """
        high, low = self.swing.last(1), self.swing.last(-1)
        if high is None or low is None or high.high <= low.low:
            return None
        return (price - low.low) / (high.high - low.low)

    def retracement(self, price: float) -> float | None:
        """Return how much of the leg to the newest standing swing was taken back: 0 none, 1 all; None without a leg."""
        position = self.position(price)
        if position is None:
            return None
        return 1.0 - position if self.swing.standing[-1].side > 0 else position

    @property
    def forgotten(self) -> int:
        """How many live structures fell out because there were too many."""
        return self.blocks.forgotten + self.gaps.forgotten + self.levels.forgotten

    def _scale(
        self,
        swings: Swings,
        breaks: Breaks,
        bar: Bar,
        close_ns: int,
        atr: float | None,
        found: list[Structure],
        gap_side: int,
        *,
        with_levels: bool,
    ) -> None:
        pivot = swings.add(self.recent, close_ns, atr)
        if pivot is not None:
            found.append(pivot)
            if with_levels and pivot.state != "superseded":
                self._level(pivot, atr, found)
        found += breaks.wicks(swings, bar, close_ns, atr)
        broken = breaks.add(swings, bar, self.recent.last, close_ns, atr, gap_side)
        if broken is None:
            return
        found.append(broken)
        block = order_block(broken, self.recent, atr)
        known = self.blocks.supports if broken.side > 0 else self.blocks.resists
        if block is not None and not any(one.formed_ns == block.formed_ns for one in known):
            self.blocks.open(block)
            found.append(block)

    def _level(self, pivot: Structure, atr: float | None, found: list[Structure]) -> None:
        """Watch a new pivot, unless it was passed while it waited for its confirmation; and the cluster it makes."""
        later = self.recent.since(pivot.bar)
        if any(bar.high > pivot.high if pivot.side > 0 else bar.low < pivot.low for bar in later):
            return
        equal = equal_level(pivot, self.internal.standing, atr, self.told.equal_atr)
        if equal is not None:
            found.append(equal)
            self.levels.open(_level(equal))
        else:
            self.levels.open(Level(pivot.kind, pivot.side, pivot.high, pivot.formed_ns, pivot.known_ns))


def _level(born: Structure) -> Level:
    """Return the outer edge of a structure, to be watched."""
    price = born.high if born.side > 0 else born.low
    return Level(born.kind, born.side, price, born.formed_ns, born.known_ns, born=born)
