"""Closed bars in, the leg between the last two confirmed opposite swings out, as it was known at each bar."""

from typing import Final

from msgspec import Struct, field

from services.signals.engine.bars import Bar

HIGH: Final = 1
LOW: Final = -1


class Swing(Struct, frozen=True, array_like=True):
    """One confirmed extreme; prices in quote currency."""

    side: int
    """+1 a high, -1 a low."""
    price: float
    open_ns: int
    """Of the bar that holds the extreme."""
    known_ns: int
    """Close of the bar that confirmed it."""


class Leg(Struct, frozen=True, array_like=True):
    """The way from one swing to the next opposite one."""

    start: Swing
    end: Swing

    @property
    def direction(self) -> int:
        """+1 for a leg up, -1 for a leg down."""
        return self.end.side

    @property
    def size(self) -> float:
        """Length in quote currency, above 0."""
        return abs(self.end.price - self.start.price)

    def retracement(self, ratio: float) -> float:
        """Return the price at which `ratio` of the leg is taken back, counted from its end."""
        return self.end.price - self.direction * ratio * self.size

    def extension(self, ratio: float) -> float:
        """Return the price at which the leg, counted from its start, has grown to `ratio` of itself."""
        return self.start.price + self.direction * ratio * self.size

    def taken_back(self, price: float) -> float:
        """Return the share of the leg that `price` has taken back: 0 at its end, 1 at its start, negative beyond."""
        return self.direction * (self.end.price - price) / self.size


class Legs(Struct):
    """Swings in alternation, by a state machine that never looks ahead and never changes what it said.

    A high is a bar above the highs of the `wing` bars before it and not below those of the `wing` bars after it; a low
    mirrored. A further swing of one side replaces the last one where it is more extreme, and does not count otherwise;
    one of the other side ends a leg, unless it lies on the wrong side of the last swing.
    """

    wing: int
    recent: list[Bar] = field(default_factory=list)
    """The newest 2 wing + 1 bars, whose middle one is judged."""
    before: Swing | None = None
    last: Swing | None = None

    @property
    def leg(self) -> Leg | None:
        """The leg between the last two opposite swings; None before there are two."""
        return None if self.before is None or self.last is None else Leg(self.before, self.last)

    def add(self, bar: Bar, close_ns: int) -> None:
        """Take the next closed bar, which ends at `close_ns`."""
        self.recent.append(bar)
        if len(self.recent) > 2 * self.wing + 1:
            del self.recent[0]
        if len(self.recent) < 2 * self.wing + 1:
            return
        found = [side for side in (HIGH, LOW) if self._turns(side)]
        if len(found) > 1 and self.last is None:
            return  # which of both came first within the bar cannot be known
        if self.last is not None and found == [HIGH, LOW] and self.last.side == LOW:
            found = [LOW, HIGH]
        for side in found:
            self._take(side, close_ns)

    def _turns(self, side: int) -> bool:
        edges = [bar.high if side > 0 else -bar.low for bar in self.recent]
        middle = edges[self.wing]
        return middle > max(edges[: self.wing]) and middle >= max(edges[self.wing + 1 :])

    def _take(self, side: int, known_ns: int) -> None:
        bar = self.recent[self.wing]
        swing = Swing(side, bar.high if side > 0 else bar.low, bar.open_ns, known_ns)
        if self.last is None:
            self.last = swing
        elif side == self.last.side:
            if side * (swing.price - self.last.price) > 0:
                self.last = swing
        elif side * (swing.price - self.last.price) > 0:
            self.before, self.last = self.last, swing
