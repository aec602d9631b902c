"""Seconds of the tape in, what trading costs out: Kyle's lambda, Amihud's ratio, Roll's spread."""

from collections.abc import Sequence
from itertools import pairwise
from math import log

from msgspec import Struct

from services.signals.engine.flow.buckets import Bucket
from services.signals.engine.flow.illiquidity import amihud, roll_spread
from services.signals.engine.flow.regression import Slope, through_origin, with_intercept


class Costs(Struct, frozen=True):
    """What could be computed; None where it could not."""

    kyle: Slope | None = None
    """Price for one base unit of net taker volume, over seconds that traded."""
    drift: float | None = None
    """Units of price a second beside the flow: the intercept, where the line may have one."""
    amihud: float | None = None
    """Mean |log return| for a million of quote currency."""
    roll_bp: float | None = None
    """Basis points of the last price."""


def measured(rows: Sequence[Bucket], least: int) -> Costs:
    """Return the costs over `rows`, oldest first; nothing with fewer than `least`."""
    if len(rows) < least:
        return Costs()
    later = rows[1:]
    changes = [row.close - before.close for before, row in pairwise(rows)]
    returns = [log(row.close / before.close) for before, row in pairwise(rows)]
    flows = [row.bought - row.sold for row in later]
    line = with_intercept(flows, changes)
    ratio = amihud(returns, [(row.bought + row.sold) * row.close for row in later])
    spread = roll_spread(changes)
    return Costs(
        kyle=through_origin(flows, changes),
        drift=None if line is None else line[1],
        amihud=None if ratio is None else ratio * 1e6,
        roll_bp=None if spread is None else spread / rows[-1].close * 1e4,
    )
