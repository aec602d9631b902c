"""The newest bars of a run, numbered from its start, in columns: what every detector looks back at."""

from msgspec import Struct, field

from services.signals.engine.bars import Bar


class Recent(Struct):
    """At least `keep` bars once there were as many, at most twice that."""

    keep: int
    first: int = 0
    """Number of the oldest bar kept."""
    bars: list[Bar] = field(default_factory=list)
    highs: list[float] = field(default_factory=list)
    lows: list[float] = field(default_factory=list)

    @property
    def last(self) -> int:
        """Number of the newest bar."""
        return self.first + len(self.bars) - 1

    def add(self, bar: Bar) -> None:
        """Take the next bar."""
        self.bars.append(bar)
        self.highs.append(bar.high)
        self.lows.append(bar.low)
        if len(self.bars) >= 2 * self.keep:
            del self.bars[: self.keep], self.highs[: self.keep], self.lows[: self.keep]
            self.first += self.keep

    def at(self, number: int) -> Bar:
        """Return bar `number`, which is kept."""
        return self.bars[number - self.first]

    def since(self, number: int) -> list[Bar]:
        """Return the bars after bar `number`, as far as they are kept."""
        return self.bars[max(0, number + 1 - self.first) :]
