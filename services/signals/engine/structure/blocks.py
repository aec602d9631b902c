"""Order blocks: the bar from which a move that broke structure began."""

from services.signals.engine.structure.recent import Recent
from services.signals.engine.structure.terms import Moment, Structure


def order_block(broken: Structure, recent: Recent, atr: float | None) -> Structure | None:
    """Return the block behind a break: of the bars after the pivot up to the break the one with the lowest low.

    For a break downwards the one with the highest high; the later one on a tie. The zone is its full range. None when
    it has no height or the pivot is older than what is remembered.
    """
    bars = recent.since(broken.bar)
    if recent.first > broken.bar + 1 or not bars:
        return None
    if broken.side > 0:
        at = len(bars) - 1 - _first_least([bar.low for bar in reversed(bars)])
    else:
        at = len(bars) - 1 - _first_least([-bar.high for bar in reversed(bars)])
    bar = bars[at]
    if bar.high <= bar.low:
        return None
    return Structure(
        kind="order_block",
        side=broken.side,
        low=bar.low,
        high=bar.high,
        formed_ns=bar.open_ns,
        known_ns=broken.known_ns,
        size_atr=(bar.high - bar.low) / atr if atr else None,
        volume=bar.volume,
        delta=bar.delta,
        history=[Moment("fresh", broken.known_ns)],
        bar=recent.last - (len(bars) - 1 - at),
    )


def _first_least(values: list[float]) -> int:
    return values.index(min(values))
