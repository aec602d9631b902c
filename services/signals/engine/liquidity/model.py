"""MODEL: growth of open interest in, prices at which assumed positions would be liquidated out; nothing is observed.

For growth dOI at price p and each leverage L of an assumed mix: longs at p (1 - 1/L + m), shorts at p (1 + 1/L - m),
m the maintenance margin (isolated, fees left out). Each contract has one long and one short, so both get weight x dOI.
"""

from msgspec import Struct, field

from libs.common.events import OpenInterest
from services.signals.engine.liquidity.grid import Grid
from services.signals.engine.parameters.liquidity import LiquidityParameters


class Exposure(Struct):
    """Assumed open positions by the bin of their liquidation price, in the unit that the venue counts in."""

    unit: str = ""
    """`base`, `contracts` or `notional`: the first that the venue says, and no other after it."""
    interest: float = 0.0
    longs: dict[int, float] = field(default_factory=dict)
    shorts: dict[int, float] = field(default_factory=dict)
    nearest_long: int | None = None
    """Highest bin of the longs."""
    nearest_short: int | None = None
    """Lowest bin of the shorts."""
    last_ns: int = -1
    dropped: float = 0.0
    """Of the smallest bins, given up where there were too many."""

    def on_interest(self, event: OpenInterest, price: float, grid: Grid, told: LiquidityParameters) -> None:
        """Take the venue's open interest, with the last price: growth adds positions, decline shrinks all alike."""
        interest = self._measure(event)
        if interest is None or event.event_ns <= self.last_ns:
            return
        first = self.last_ns < 0
        before, self.interest, self.last_ns = self.interest, interest, event.event_ns
        if first or interest == before:
            return
        if interest < before:
            keep = interest / before
            for levels in (self.longs, self.shorts):
                for at in levels:
                    levels[at] *= keep
            return
        for leverage, weight in zip(told.leverages, told.leverage_weights, strict=True):
            room = 1.0 / leverage - told.maintenance_margin
            added = weight * (interest - before)
            low, high = grid.bin(price * (1.0 - room)), grid.bin(price * (1.0 + room))
            self.longs[low] = self.longs.get(low, 0.0) + added
            self.shorts[high] = self.shorts.get(high, 0.0) + added
        for levels in (self.longs, self.shorts):
            while len(levels) > told.most_model_bins:
                self.dropped += levels.pop(min(levels, key=lambda at: (levels[at], at)))
        self._fence()

    def touch(self, number: int) -> bool:
        """Take the bin of the price that positions are margined by: levels it has reached are gone; tell if any is."""
        if self.nearest_long is not None and number <= self.nearest_long:
            self.longs = {at: size for at, size in self.longs.items() if at < number}
        elif self.nearest_short is not None and number >= self.nearest_short:
            self.shorts = {at: size for at, size in self.shorts.items() if at > number}
        else:
            return False
        self._fence()
        return True

    def _measure(self, event: OpenInterest) -> float | None:
        for unit, value in (("base", event.base), ("contracts", event.contracts), ("notional", event.notional)):
            if value is not None and self.unit in {"", unit} and value >= 0:
                self.unit = unit
                return value
        return None

    def _fence(self) -> None:
        self.nearest_long = max(self.longs, default=None)
        self.nearest_short = min(self.shorts, default=None)
