"""Trades in, runs of one aggressor out: what one taker order, or several at once, took from the book."""

from msgspec import Struct


class Run(Struct):
    """Trades of one side, each within `pause` of the first one."""

    side: int
    """+1 buyers."""
    open_ns: int
    last_ns: int
    first: float
    """Price of the first trade."""
    last: float
    size: float
    """Base units."""
    notional: float
    """Quote units."""
    levels: int = 1
    """Distinct prices, each worse for the taker than the one before."""

    def take(self, at_ns: int, price: float, size: float) -> None:
        """Add a trade."""
        if (price - self.last) * self.side > 0:
            self.levels += 1
            self.last = price
        self.last_ns = at_ns
        self.size += size
        self.notional += price * size

    @property
    def slippage(self) -> float:
        """Average price against the first, in units of price; positive is worse for the taker."""
        return self.side * (self.notional / self.size - self.first)


def joins(run: Run, at_ns: int, side: int, pause_ns: int) -> bool:
    """Tell whether a trade belongs to `run`; one that comes late in time does not."""
    return side == run.side and 0 <= at_ns - run.open_ns <= pause_ns
