"""Liquidations that a venue told in, base units by price bin and by who lost out, forgetting; a lower bound."""

from msgspec import Struct, field

from libs.common.events import Liquidation, PositionSide
from libs.common.events.seen import Seen


class Forced(Struct, array_like=True):
    """One bin, base units as of `at_ns`."""

    at_ns: int
    longs: float = 0.0
    """Of longs that were closed: forced selling."""
    shorts: float = 0.0


class Observed(Struct):
    """Forced closings by bin, halved every half-life. Bounded: the smallest bin goes, and is counted."""

    half_life_ns: int
    most: int
    seen: Seen
    bins: dict[int, Forced] = field(default_factory=dict)
    heard: int = 0
    dropped: int = 0
    repeated: int = 0

    def add(self, liquidation: Liquidation, number: int) -> None:
        """Take one; what a topic says again is known by time, price, size and side.

        Leverage is not guessed: nothing in the event tells it.
        """
        key = f"{liquidation.event_ns}|{liquidation.price!r}|{liquidation.size!r}|{liquidation.liquidated.value}"
        if not self.seen.add(key):
            self.repeated += 1
            return
        self.heard += 1
        at_ns = liquidation.event_ns
        forced = self.bins.get(number)
        if forced is None:
            forced = self.bins[number] = Forced(at_ns)
        weight = 1.0
        if at_ns >= forced.at_ns:
            keep = self.keep(at_ns - forced.at_ns)
            forced.longs, forced.shorts, forced.at_ns = forced.longs * keep, forced.shorts * keep, at_ns
        else:
            weight = self.keep(forced.at_ns - at_ns)
        if liquidation.liquidated is PositionSide.LONG:
            forced.longs += weight * liquidation.size
        else:
            forced.shorts += weight * liquidation.size
        if len(self.bins) > self.most:
            self.dropped += 1
            del self.bins[min(self.bins, key=lambda at: (sum(self.at(at, at_ns)), at))]

    def keep(self, elapsed_ns: int) -> float:
        """Return what is left of an amount after `elapsed_ns`."""
        return float(0.5 ** (elapsed_ns / self.half_life_ns))

    def at(self, number: int, as_of_ns: int) -> tuple[float, float]:
        """Return (longs, shorts) of one bin in base units, as they count at `as_of_ns`."""
        forced = self.bins[number]
        keep = self.keep(max(0, as_of_ns - forced.at_ns))
        return forced.longs * keep, forced.shorts * keep
