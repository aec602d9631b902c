"""Closed bars in, confirmed swing highs and lows out: each is known only some bars after it formed."""

from collections.abc import Sequence

from services.signals.engine.bars import Bar


def last_swing(bars: Sequence[Bar], sign: int, wing: int, nearest: float, farthest: float) -> float | None:
    """Return the price of the newest standing swing whose price lies in [nearest, farthest]; None without one.

    `sign` +1 looks for lows, -1 for highs. A low is a bar below the lows of the `wing` bars before it and not above
    those of the `wing` bars after it, all closed; it stands while no later bar went below it. `nearest` and `farthest`
    are prices, the latter further from the market.
    """
    edges = [sign * (bar.low if sign > 0 else bar.high) for bar in bars]
    low, high = sorted((sign * nearest, sign * farthest))
    after = float("inf")
    for at in range(len(edges) - 1, wing - 1, -1):
        edge = edges[at]
        confirmed = at + wing < len(edges)
        if confirmed and edge <= after and edge < min(edges[at - wing : at]) and low <= edge <= high:
            return sign * edge
        after = min(after, edge)
    return None
