"""Where the tape is known to miss trades: gaps in, and whether a span of time is whole."""

from typing import Final

from msgspec import Struct, field

from libs.common.events import Gap

_OPEN: Final = -1
"""End of a hole that nobody has seen the end of."""
_LIMIT: Final = 64
"""More holes than this are merged, oldest first: a merged hole covers more, never less."""


class Hole(Struct, array_like=True):
    """Trades may be missing after `from_ns` and before `to_ns`."""

    from_ns: int
    to_ns: int


class Holes(Struct):
    """The unrecovered holes of one market's tape, oldest first."""

    items: list[Hole] = field(default_factory=list)

    def add(self, gap: Gap) -> None:
        """Open, close or, when `gap` was recovered, forget a hole."""
        self.items = [hole for hole in self.items if hole.from_ns != gap.from_ns]
        if gap.recovered:
            inside = [hole for hole in self.items if gap.from_ns <= hole.from_ns and _OPEN < hole.to_ns <= gap.to_ns]
            self.items = [hole for hole in self.items if hole not in inside]
            return
        self.cut(gap.from_ns, gap.to_ns if gap.to_ns > gap.from_ns else _OPEN)

    def cut(self, from_ns: int, to_ns: int) -> None:
        """Note a hole between two times."""
        self.items.append(Hole(from_ns, to_ns))
        self.items.sort(key=lambda hole: hole.from_ns)
        if len(self.items) > _LIMIT:
            first, second = self.items[:2]
            to_ns = _OPEN if _OPEN in {first.to_ns, second.to_ns} else max(first.to_ns, second.to_ns)
            self.items[:2] = [Hole(first.from_ns, to_ns)]

    def heard(self, event_ns: int) -> None:
        """End open holes at a trade that came after them."""
        for hole in self.items:
            if hole.to_ns == _OPEN and event_ns > hole.from_ns:
                hole.to_ns = event_ns

    def touch(self, from_ns: int, to_ns: int) -> bool:
        """Tell whether trades may be missing in [from_ns, to_ns)."""
        return any(hole.from_ns < to_ns and (hole.to_ns == _OPEN or hole.to_ns > from_ns) for hole in self.items)

    def prune(self, before_ns: int) -> None:
        """Forget holes that end before `before_ns`."""
        self.items = [hole for hole in self.items if hole.to_ns == _OPEN or hole.to_ns > before_ns]
