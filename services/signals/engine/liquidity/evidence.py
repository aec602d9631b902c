"""What is remembered of profile, liquidations and model in, the levels they stand for out."""

from heapq import nlargest
from typing import Final

from msgspec import Struct

from libs.common.events import DAY_NS
from services.signals.engine.liquidity.grid import Grid
from services.signals.engine.liquidity.levels import Level
from services.signals.engine.liquidity.model import Exposure
from services.signals.engine.liquidity.observed import Observed
from services.signals.engine.liquidity.profile import Control, Profile, Shape
from services.signals.engine.liquidity.walls import Wall
from services.signals.engine.parameters.liquidity import LiquidityParameters

_MOST: Final = 8
"""Liquidation bins, and MODEL bins a side, that become levels."""


class Assumed(Struct, frozen=True, array_like=True):
    """MODEL: one bin of assumed positions."""

    longs: bool
    low: float
    high: float
    share: float
    """Of all that is assumed on this side."""
    known_ns: int


def wall_level(wall: Wall, grid: Grid, sampled_ns: int) -> Level:
    """Return the level of a wall; it formed when its bin came into sight."""
    edges = (grid.at(wall.bin), grid.at(wall.bin + 1))
    low, high = edges if wall.sign > 0 else (-edges[1], -edges[0])
    kind = "ask_wall" if wall.sign > 0 else "bid_wall"
    strength, formed_ns = wall.strength, wall.cell.born_ns
    return Level(kind=kind, low=low, high=high, strength=strength, formed_ns=formed_ns, known_ns=sampled_ns)


def node_levels(profile: Profile, shape: Shape, grid: Grid, told: LiquidityParameters) -> list[Level]:
    """Return the high volume nodes of the day; the one that holds the point of control is called `poc`."""
    heard = min(1.0, (shape.as_of_ns - profile.first_ns) / told.profile_full_ns)
    return [
        Level(
            kind="poc" if node.low - 1 <= shape.control <= node.high + 1 else "high_volume_node",
            low=grid.at(node.low),
            high=grid.at(node.high + 1),
            strength=told.node_weight * node.prominence * heard,
            formed_ns=profile.first_ns,
            known_ns=shape.as_of_ns,
        )
        for node in shape.peaks
    ]


def naked_levels(controls: list[Control], session_ns: int, grid: Grid, told: LiquidityParameters) -> list[Level]:
    """Return the naked points of control; each day halves, thirds ... what it counts."""
    return [
        Level(
            kind="naked_poc",
            low=grid.at(control.bin),
            high=grid.at(control.bin + 1),
            strength=told.node_weight * DAY_NS / max(DAY_NS, session_ns - control.session_ns),
            formed_ns=control.session_ns,
            known_ns=control.session_ns + DAY_NS,
        )
        for control in controls
    ]


def forced_levels(
    observed: Observed, profile: Profile, grid: Grid, as_of_ns: int, told: LiquidityParameters
) -> list[Level]:
    """Return the largest bins of observed liquidations, held against what was traded there today.

    strength = weight x F / (F + T): F liquidated, T traded in the bin, at least the average row; base units.
    """
    average = profile.volume / len(profile.rows) if profile.rows else 0.0
    sums = [(sum(observed.at(number, as_of_ns)), number) for number in observed.bins]
    levels = []
    for forced, number in nlargest(_MOST, sums):
        row = profile.rows.get(number)
        traded = max(average, 0.0 if row is None else row.bought + row.sold)
        at_ns = observed.bins[number].at_ns
        if forced > 0:
            levels.append(
                Level(
                    kind="liquidations",
                    low=grid.at(number),
                    high=grid.at(number + 1),
                    strength=told.liquidation_weight * forced / (forced + traded),
                    formed_ns=at_ns,
                    known_ns=at_ns,
                )
            )
    return levels


def assumed_levels(exposure: Exposure, grid: Grid, most: int = _MOST) -> list[Assumed]:
    """MODEL: return the largest bins of each side, longs first, largest first."""
    found = []
    for longs, levels in ((True, exposure.longs), (False, exposure.shorts)):
        total = sum(levels.values())
        if total > 0:
            for size, number in nlargest(most, ((size, number) for number, size in levels.items())):
                low, high = grid.at(number), grid.at(number + 1)
                found.append(Assumed(longs, low, high, size / total, exposure.last_ns))
    return found
