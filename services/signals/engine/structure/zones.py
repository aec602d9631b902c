"""Order blocks and fair-value gaps while they live: touched, half gone, gone, and what becomes of them then."""

from msgspec import Struct, field

from services.signals.engine.bars import Bar
from services.signals.engine.structure.terms import Structure


class Life(Struct, frozen=True):
    """The words of one kind's life."""

    touched: str
    half: str
    gone: str
    turned: str
    """Retested from the other side after it was gone."""
    by_close: bool
    """Gone when a bar closes beyond the far edge; else when a wick reaches it."""


BLOCK = Life("touched", "mitigated", "invalidated", "breaker", by_close=True)
GAP = Life("touched", "half_filled", "filled", "inverted", by_close=False)


class Zones(Struct):
    """The live zones of one kind, oldest first; what is more than `most` a side falls out, and is counted.

    A gone zone is watched for `watch_bars` more bars for a retest from its other side, then forgotten.
    """

    life: Life
    most: int
    watch_bars: int
    supports: list[Structure] = field(default_factory=list)
    resists: list[Structure] = field(default_factory=list)
    gone: list[tuple[int, Structure]] = field(default_factory=list)
    """(number of the bar at which it went, zone)"""
    fills: dict[str, float] = field(default_factory=dict)
    """How deep each live zone was entered, from 0 at the near edge to 1 at the far one."""
    forgotten: int = 0

    def open(self, zone: Structure) -> None:
        """Begin to watch a zone that has just become known."""
        side = self.supports if zone.side > 0 else self.resists
        side.append(zone)
        self.fills[zone.structure_id] = 0.0
        if len(side) > self.most:
            self.fills.pop(side.pop(0).structure_id)
            self.forgotten += 1

    def add(self, bar: Bar, number: int, close_ns: int) -> None:
        """Take a bar that is later than every zone here."""
        if self.supports and bar.low <= max([zone.high for zone in self.supports]):
            self.supports = [zone for zone in self.supports if not self._enter(zone, bar, number, close_ns)]
        if self.resists and bar.high >= min([zone.low for zone in self.resists]):
            self.resists = [zone for zone in self.resists if not self._enter(zone, bar, number, close_ns)]
        if self.gone:
            self._watch(bar, number, close_ns)

    def fill(self, zone: Structure) -> float:
        """Return how deep a live zone was entered, in [0, 1]."""
        return self.fills[zone.structure_id]

    def _enter(self, zone: Structure, bar: Bar, number: int, close_ns: int) -> bool:
        """Move a zone along its life; True when it is gone."""
        height = zone.high - zone.low
        reached = zone.high - bar.low if zone.side > 0 else bar.high - zone.low
        if reached < 0:
            return False
        name = zone.structure_id
        depth = min(1.0, reached / height) if height > 0 else 1.0
        beyond = bar.close < zone.low if zone.side > 0 else bar.close > zone.high
        ended = beyond if self.life.by_close else depth >= 1.0
        before, self.fills[name] = self.fills[name], max(self.fills[name], depth)
        if ended:
            zone.become(self.life.gone, close_ns)
            del self.fills[name]
            self.gone.append((number, zone))
            return True
        if depth >= 0.5 > before:
            zone.become(self.life.half, close_ns)
        elif zone.state == "fresh":
            zone.become(self.life.touched, close_ns)
        return False

    def _watch(self, bar: Bar, number: int, close_ns: int) -> None:
        """Look for retests: from below into what was support, closing below it again; and mirrored."""
        kept: list[tuple[int, Structure]] = []
        for went, zone in self.gone:
            if number > went:
                back = bar.high >= zone.low > bar.close if zone.side > 0 else bar.low <= zone.high < bar.close
                if back:
                    zone.become(self.life.turned, close_ns)
                    continue
            if number - went < self.watch_bars:
                kept.append((went, zone))
        self.forgotten += max(0, len(kept) - self.most)
        self.gone = kept[-self.most :]
