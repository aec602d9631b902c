"""Bars and an oscillator in, divergences between confirmed pivots of both out."""

from msgspec import Struct, field

from services.signals.engine.bars import Bar


class Row(Struct, frozen=True, array_like=True):
    """One bar as the finder sees it; oscillators in its own order, each None before it is warm."""

    number: int
    close_ns: int
    high: float
    low: float
    atr: float | None
    readings: tuple[float | None, ...]


class Divergence(Struct, frozen=True, array_like=True):
    """Price and an oscillator disagree about two pivots of one side."""

    source: int
    """Number of the oscillator."""
    side: int
    """+1 bullish (two lows), -1 bearish (two highs)."""
    hidden: bool
    """Hidden: the oscillator made the new extreme and price did not, which speaks for the trend; else against it."""
    price: float
    formed_ns: int
    """Close of the newer pivot's bar."""
    known_ns: int
    """Close of the bar that confirmed it."""
    number: int
    """Number of that bar in the run."""


class DivergenceFinder(Struct):
    """Compares each newly confirmed pivot with the one before it on its side.

    A high is a bar above the highs of the `wing` bars before it and not below those of the `wing` bars after it; lows
    mirrored. Both bars' readings are taken at the pivots themselves. Only the newest of each oscillator is remembered.
    """

    wing: int
    least_bars: int
    most_bars: int
    least_move_atr: float
    count: int = 0
    rows: list[Row] = field(default_factory=list)
    pivots: dict[int, Row] = field(default_factory=dict)
    """The newest one of each side: -1 high, +1 low."""
    found: dict[int, Divergence] = field(default_factory=dict)

    def add(self, bar: Bar, close_ns: int, atr: float | None, readings: tuple[float | None, ...]) -> None:
        """Take the next bar and the oscillators at its close."""
        self.count += 1
        self.rows.append(Row(self.count, close_ns, bar.high, bar.low, atr, readings))
        if len(self.rows) > 2 * self.wing + 1:
            del self.rows[0]
        if len(self.rows) < 2 * self.wing + 1:
            return
        middle = self.rows[self.wing]
        before, after = self.rows[: self.wing], self.rows[self.wing + 1 :]
        if all(row.high < middle.high for row in before) and all(row.high <= middle.high for row in after):
            self._pivot(middle, -1, close_ns)
        if all(row.low > middle.low for row in before) and all(row.low >= middle.low for row in after):
            self._pivot(middle, 1, close_ns)

    def _pivot(self, row: Row, side: int, known_ns: int) -> None:
        last = self.pivots.get(side)
        self.pivots[side] = row
        if last is None or row.atr is None or not self.least_bars <= row.number - last.number <= self.most_bars:
            return
        price = row.low if side > 0 else row.high
        move = side * (price - (last.low if side > 0 else last.high))
        if abs(move) < self.least_move_atr * row.atr:
            return
        for source, (now, then) in enumerate(zip(row.readings, last.readings, strict=True)):
            if now is None or then is None or move * side * (now - then) >= 0:
                continue
            self.found[source] = Divergence(source, side, move > 0, price, row.close_ns, known_ns, self.count)
