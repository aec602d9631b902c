"""Events in, the bounded memory that the factors judge from out."""

from collections.abc import Sequence
from math import isfinite
from typing import Final

from msgspec import Struct, field

from libs.common.events import (
    DAY_NS,
    MINUTE_NS,
    SECOND_NS,
    FundingRate,
    Liquidation,
    Metric,
    OpenInterest,
    PositionSide,
    Timeframe,
)
from libs.common.events.seen import Seen
from services.signals.engine.bars import Bar
from services.signals.engine.factors.series import Series, Told

_FEW: Final = 8
_ROWS: Final = 64
NAMES: Final = {
    "liquidations_long": _ROWS,
    "liquidations_short": _ROWS,
    "funding_rate_oi_weighted": _FEW,
    "accounts_long_short_ratio": _FEW,
    "accounts_long": _FEW,
    "top_positions_long": _FEW,
    "top_positions_long_short_ratio": _FEW,
    "open_interest": _ROWS,
    "galaxy_score": _FEW,
    "social_sentiment": _FEW,
    "fear_greed": _FEW,
}
"""The metrics that are heard, and how many values of each source are kept."""

_SLOT_NS: Final = 15 * MINUTE_NS
_SLOTS: Final = 98
"""A day of quarters of an hour, and the two that its ends cut."""
_IDS: Final = 4_000


class Slot(Struct, array_like=True):
    """What was liquidated within a quarter of an hour, quote currency, and how many orders."""

    open_ns: int
    long: float = 0.0
    short: float = 0.0
    orders: int = 0


class Momentum(Struct, array_like=True):
    """What the technical indicators said at the last close of 15 minutes."""

    at_ns: int
    score: float
    confidence: float
    cause: str | None


class Heard(Struct):
    """Everything the factors remember of one market."""

    slots: list[Slot] = field(default_factory=list)
    first_liquidation_ns: int = -1
    liquidations: Seen = field(default_factory=lambda: Seen(_IDS))
    rates: Series = field(default_factory=lambda: Series(_FEW))
    intervals_s: Series = field(default_factory=lambda: Series(_FEW))
    """Between settlements, of each rate; 0 where the venue does not say."""
    contracts: dict[str, Series] = field(default_factory=dict)
    """Open interest by its measure, one value a quarter of an hour: the newest of it."""
    recent: dict[str, Series] = field(default_factory=dict)
    """Its newest values."""
    momentum: Momentum | None = None
    price_ns: int = -1
    price: float = 0.0
    """Last close of 15 minutes."""
    hours_ns: list[int] = field(default_factory=list)
    hours: list[float] = field(default_factory=list)
    """Closes of the last day's hours."""
    told: dict[str, Told] = field(default_factory=dict)
    known_ns: int = -1
    """Nobody asks for a moment before it."""

    def liquidation(self, event: Liquidation) -> None:
        """Take a forced closing, once."""
        notional = event.notional
        if not (isfinite(notional) and notional > 0):
            return
        if not self.liquidations.add(f"{event.event_ns}|{event.price}|{event.size}|{event.liquidated.value}"):
            return
        if self.first_liquidation_ns < 0 or event.event_ns < self.first_liquidation_ns:
            self.first_liquidation_ns = event.event_ns
        slot = self._slot(event.event_ns // _SLOT_NS * _SLOT_NS)
        slot.orders += 1
        if event.liquidated is PositionSide.LONG:
            slot.long += notional
        else:
            slot.short += notional

    def _slot(self, open_ns: int) -> Slot:
        place = len(self.slots)
        while place and self.slots[place - 1].open_ns > open_ns:
            place -= 1
        if place and self.slots[place - 1].open_ns == open_ns:
            return self.slots[place - 1]
        slot = Slot(open_ns)
        self.slots.insert(place, slot)
        del self.slots[:-_SLOTS]
        return slot

    def funding(self, event: FundingRate) -> None:
        """Take a funding rate, fraction per interval."""
        if isfinite(event.rate):
            self.rates.put(event.event_ns, event.rate, self.known_ns)
            self.intervals_s.put(event.event_ns, float(event.interval_s or 0), self.known_ns)

    def interest(self, event: OpenInterest) -> None:
        """Take the open interest, in each measure that is said; changes are of one measure, coins before money."""
        for measure, value in (("base", event.base), ("contracts", event.contracts), ("notional", event.notional)):
            if value is None or not (isfinite(value) and value > 0):
                continue
            self.recent.setdefault(measure, Series(_FEW)).put(event.event_ns, value, self.known_ns)
            kept = self.contracts.setdefault(measure, Series(_SLOTS + 2))
            quarter_ns = event.event_ns // _SLOT_NS
            if kept.times and kept.times[-1] // _SLOT_NS == quarter_ns and event.event_ns >= kept.times[-1]:
                kept.times[-1], kept.values[-1] = event.event_ns, value
            elif not kept.times or kept.times[-1] // _SLOT_NS < quarter_ns:
                kept.put(event.event_ns, value, self.known_ns)

    def metric(self, event: Metric) -> None:
        """Take a vendor's number, or that there is none."""
        rows = NAMES.get(event.name)
        if rows is None:
            return
        told = self.told.setdefault(event.name, Told(rows))
        if event.value is None:
            told.silent(event.event_ns, event.cause or "no_value")
        elif isfinite(event.value):
            interval_ns = None if event.interval_s is None else event.interval_s * SECOND_NS
            source = f"{event.venue}|{event.exchange or ''}"
            told.put(source, event.event_ns, event.value, interval_ns, self.known_ns)

    def close(self, timeframe: Timeframe, close_ns: int, price: float, run: Sequence[Bar]) -> None:
        """Take the close of a bar, and the complete bars that were known then."""
        self.known_ns = max(self.known_ns, close_ns)
        if timeframe is Timeframe.M15:
            self.price_ns, self.price = close_ns, price
        elif timeframe is Timeframe.H1:
            day = run[-26:]
            self.hours_ns = [bar.open_ns + timeframe.ns for bar in day]
            self.hours = [bar.close for bar in day]

    def price_change(self, as_of_ns: int, span_ns: int = DAY_NS) -> float | None:
        """Return the change of price over `span_ns` up to `as_of_ns`, a fraction, to the hour; None if not known."""
        if not 0 <= self.price_ns <= as_of_ns:
            return None
        from_ns = as_of_ns - span_ns
        for at_ns, price in zip(reversed(self.hours_ns), reversed(self.hours), strict=True):
            if at_ns <= from_ns:
                return self.price / price - 1.0 if from_ns - at_ns < Timeframe.H1.ns else None
        return None
