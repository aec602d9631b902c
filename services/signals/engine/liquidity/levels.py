"""Walls, nodes and liquidations in, support and resistance out: what lies at one price counts together, once a kind."""

from collections.abc import Iterable

from msgspec import Struct

_SLACK = 1e-6
"""Of a bin: what rounding may do to an edge."""


class Level(Struct, frozen=True, kw_only=True):
    """Something observed at a price."""

    kind: str
    """`bid_wall`, `ask_wall`, `poc`, `high_volume_node`, `naked_poc`, `liquidations`."""
    low: float
    high: float
    strength: float
    formed_ns: int
    known_ns: int

    @property
    def middle(self) -> float:
        """Quote currency."""
        return (self.low + self.high) / 2


class Zone(Struct, frozen=True, kw_only=True):
    """One support or resistance."""

    anchor: Level
    """Its strongest part; the zone is where that is."""
    kinds: tuple[str, ...]
    """Strongest first."""
    strength: float
    """1 - product of (1 - strength) over the kinds, each kind by its strongest level."""
    side: int
    """+1 below `mid`, -1 above it, 0 around it."""
    distance: float
    """From `mid` to its nearest edge, quote currency."""
    formed_ns: int
    known_ns: int


def merge(levels: Iterable[Level], mid: float, width: float) -> list[Zone]:
    """Return the zones, nearest to `mid` first.

    Levels of one side whose middles are at most one bin (`width`) from a stronger one belong to it. Nothing of a MODEL
    comes in here, so no model raises what was observed.
    """
    groups: list[tuple[int, list[Level]]] = []
    slack = _SLACK * width
    for level in sorted(levels, key=lambda one: (-one.strength, abs(one.middle - mid), one.kind)):
        inside = level.low + slack < mid < level.high - slack
        side = 0 if inside else (1 if level.middle < mid else -1)
        for other, group in groups:
            if other == side and abs(group[0].middle - level.middle) <= width + slack:
                group.append(level)
                break
        else:
            groups.append((side, [level]))
    zones = [_zone(side, group, mid) for side, group in groups]
    zones.sort(key=lambda zone: (zone.distance, -zone.strength, zone.anchor.low))
    return zones


def _zone(side: int, group: list[Level], mid: float) -> Zone:
    strongest: dict[str, float] = {}
    for level in group:
        strongest.setdefault(level.kind, level.strength)
    weakness = 1.0
    for strength in strongest.values():
        weakness *= 1.0 - strength
    anchor = group[0]
    return Zone(
        anchor=anchor,
        kinds=tuple(strongest),
        strength=1.0 - weakness,
        side=side,
        distance=max(anchor.low - mid, mid - anchor.high, 0.0),
        formed_ns=min(level.formed_ns for level in group),
        known_ns=max(level.known_ns for level in group),
    )
