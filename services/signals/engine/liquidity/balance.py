"""Depth and levels of both sides in, how much heavier the lower side is out, in [-1, 1]; the far counts less."""

from collections.abc import Sequence
from math import exp

from services.signals.engine.liquidity.grid import Grid
from services.signals.engine.liquidity.levels import Zone
from services.signals.engine.liquidity.shelf import Shelf
from services.signals.engine.parameters.liquidity import LiquidityParameters

_BASIS_POINT = 1e-4


def depth_balance(bids: Shelf, asks: Shelf, reach: float, grid: Grid, told: LiquidityParameters) -> float | None:
    """Return (B - A) / (B + A) of averaged depth; None where less than `least_bins` are known on both sides.

    Args:
        bids: below the mid.
        asks: above it.
        reach: how far from the mid both sides are known, quote currency: a side that shows more levels is not heavier.
        grid: the bins.
        told: B and A are sums over the bins up to there of depth x exp(-distance / `fade_bp`).
    """
    inner = told.inner_bins
    count = min(int(reach / grid.width), len(bids.cells) - inner, len(asks.cells) - inner)
    if count < told.least_bins:
        return None
    fade, weight, below, above = exp(-grid.width_bp / told.fade_bp), 1.0, 0.0, 0.0
    for at in range(inner, inner + count):
        below += weight * bids.cells[at].slow
        above += weight * asks.cells[at].slow
        weight *= fade
    return (below - above) / (below + above) if below + above > 0 else None


def level_balance(zones: Sequence[Zone], grid: Grid, told: LiquidityParameters) -> float | None:
    """Return (S - R) / (S + R + floor), sums of strength x exp(-distance / `fade_bp`); None where nothing is near."""
    scale = grid.price * _BASIS_POINT * told.fade_bp
    support = resistance = 0.0
    for zone in zones:
        pull = zone.strength * exp(-zone.distance / scale)
        if zone.side > 0:
            support += pull
        elif zone.side < 0:
            resistance += pull
    total = support + resistance
    return (support - resistance) / (total + told.level_floor) if total > 0 else None
