"""Liquidations in, clusters and cascades of them out, as far as the feed shows them."""

from math import sqrt

from msgspec import Struct, field

from libs.common.events import MINUTE_NS


class Cluster(Struct, frozen=True):
    """A minute in which far more was liquidated than usual."""

    side: int
    """+1 shorts were closed by buying, -1 longs by selling."""
    at_ns: int
    notional: float
    """Quote units of the last 60 s."""
    low: float
    high: float
    sigmas: float
    """Distance from the mean of minutes, in standard deviations."""


class Forced(Struct):
    """One side: the last 60 s, and the mean and spread of minutes before them."""

    side: int
    most: int
    rows: list[tuple[int, float, float]] = field(default_factory=list)
    """(event time, price, quote units), newest last."""
    minute_ns: int = -1
    minute: float = 0.0
    minutes: int = 0
    """Minutes that are over, empty ones included."""
    total: float = 0.0
    squares: float = 0.0
    dropped: int = 0
    told_ns: int = -1

    def add(self, at_ns: int, price: float, notional: float, told: tuple[float, int, int]) -> Cluster | None:
        """Take one; return a cluster at the first moment of each. `told`: sigmas, fewest minutes, trailing minutes."""
        sigmas, fewest, trailing = told
        self._pass(at_ns, trailing)
        self.minute += notional
        self.rows = [row for row in self.rows if row[0] > at_ns - MINUTE_NS]
        self.rows.append((at_ns, price, notional))
        if len(self.rows) > self.most:
            del self.rows[0]
            self.dropped += 1
        if self.minutes < fewest or (self.told_ns >= 0 and at_ns - self.told_ns < MINUTE_NS):
            return None
        mean = self.total / self.minutes
        spread = sqrt(max(0.0, self.squares / self.minutes - mean * mean))
        now = sum(row[2] for row in self.rows)
        if now <= 0 or spread <= 0 or now < mean + sigmas * spread:
            return None
        self.told_ns = at_ns
        prices = [row[1] for row in self.rows]
        return Cluster(self.side, at_ns, now, min(prices), max(prices), (now - mean) / spread)

    def _pass(self, at_ns: int, trailing: int) -> None:
        minute_ns = at_ns - at_ns % MINUTE_NS
        if self.minute_ns < 0:
            self.minute_ns = minute_ns
        over = (minute_ns - self.minute_ns) // MINUTE_NS
        if over <= 0:
            return
        self.minutes += over
        self.total += self.minute
        self.squares += self.minute * self.minute
        if self.minutes > trailing:
            keep = trailing / self.minutes
            self.total, self.squares, self.minutes = self.total * keep, self.squares * keep, trailing
        self.minute_ns, self.minute = minute_ns, 0.0


def cascades(clusters: list[Cluster], as_of_ns: int, told: tuple[int, int]) -> int:
    """Return the side of which `told[0]` clusters lie in the last `told[1]` ns: +1, -1, or 0; of both, the newest's."""
    fewest, window_ns = told
    for newest in reversed(clusters):
        if newest.at_ns <= as_of_ns - window_ns:
            break
        same = [c for c in clusters if c.side == newest.side and as_of_ns - window_ns < c.at_ns <= as_of_ns]
        if len(same) >= fewest:
            return newest.side
    return 0
