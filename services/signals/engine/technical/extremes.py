"""A high and a low a bar in, the highest and the lowest of the newest n bars out."""

from msgspec import Struct, field


class Extremes(Struct):
    """Two monotonic queues: each value enters and leaves once, so a bar costs O(1) amortised whatever n is."""

    period: int
    count: int = 0
    highs: list[tuple[int, float]] = field(default_factory=list)
    """(number, value), falling: what may yet be the highest."""
    lows: list[tuple[int, float]] = field(default_factory=list)

    def add(self, high: float, low: float) -> tuple[float, float] | None:
        """Take the next bar; return (highest, lowest), None before the n-th."""
        self.count += 1
        highs, lows, oldest = self.highs, self.lows, self.count - self.period
        while highs and highs[-1][1] <= high:
            highs.pop()
        highs.append((self.count, high))
        if highs[0][0] <= oldest:
            del highs[0]
        while lows and lows[-1][1] >= low:
            lows.pop()
        lows.append((self.count, low))
        if lows[0][0] <= oldest:
            del lows[0]
        return None if self.count < self.period else (highs[0][1], lows[0][1])
