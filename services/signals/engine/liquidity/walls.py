"""Bins of both sides in, walls out: those that show far more than others at the same distance do."""

from math import ceil

from msgspec import Struct

from services.signals.engine.liquidity.shelf import Cell, Shelf
from services.signals.engine.parameters.liquidity import LiquidityParameters


class Wall(Struct, frozen=True):
    """A bin that stands out."""

    sign: int
    """-1 of bids, +1 of asks."""
    bin: int
    """Of its side's keys."""
    cell: Cell
    ratio: float
    """Its average depth over that of its equals' quantile."""
    strength: float
    """(1 - 1 / ratio) times how far its depth may be believed, in [0, 1)."""


def walls(bids: Shelf, asks: Shelf, told: LiquidityParameters) -> list[Wall]:
    """Return the walls, nearest first.

    Equals are the other bins of both sides whose distance from the mid falls into the same class of `class_bins` bins.
    E2.29 asks for the 99th percentile of one distance over time; but a wall that stands is its own 99th percentile,
    so it is left out here, and held against `wall_ratio` times a quantile that one or two other walls do not move.
    """
    found = []
    inner, size = told.inner_bins, told.class_bins
    for start in range(inner, max(len(bids.cells), len(asks.cells)), size):
        rows = [(1, n, c) for n, c in enumerate(asks.cells[start : start + size], start)]
        rows += [(-1, n, c) for n, c in enumerate(bids.cells[start : start + size], start)]
        depths = sorted(cell.slow for _, _, cell in rows)
        rank = ceil(told.wall_quantile * (len(depths) - 1)) - 1
        if rank < 0 or depths[rank] <= 0.0:
            continue
        level = depths[rank]
        for sign, at, cell in rows:
            ratio = cell.slow / level
            if ratio >= told.wall_ratio and cell.depth > 0.0:
                first = asks.first if sign > 0 else bids.first
                found.append(Wall(sign, first + at, cell, ratio, (1.0 - 1.0 / ratio) * cell.credit(told)))
    found.sort(key=lambda wall: wall.bin - (asks.first if wall.sign > 0 else bids.first))
    return found
