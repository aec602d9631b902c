"""A value every five minutes in; where a new one stands among those of seven days out."""

from bisect import bisect_left, bisect_right, insort
from typing import Final

from msgspec import Struct, field

from libs.common.events import DAY_NS, MINUTE_NS

SLOT_NS: Final = 5 * MINUTE_NS
SPAN_NS: Final = 7 * DAY_NS
MOST: Final = SPAN_NS // SLOT_NS
"""2,016 samples."""
FEWEST: Final = 288
"""A day of them: with fewer there is no rank."""


class Ranks(Struct):
    """One sample for each slot of five minutes in which something was said: the slot's last value.

    A slot without a value has no sample; none is made up. The running slot is no sample yet.
    """

    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    """In order of time."""
    ordered: list[float] = field(default_factory=list)
    """The same, ascending."""
    at_ns: int = -1
    value: float = 0.0
    """The newest, of the running slot."""

    def add(self, at_ns: int, value: float) -> None:
        """Take a value that is not older than the newest."""
        if self.at_ns >= 0 and at_ns // SLOT_NS > self.at_ns // SLOT_NS:
            self.times.append(self.at_ns)
            self.values.append(self.value)
            insort(self.ordered, self.value)
            self._forget(at_ns)
        self.at_ns, self.value = at_ns, value

    def rank(self) -> float | None:
        """Return the share of samples below the newest value, equal ones half; absent below `FEWEST` samples."""
        if len(self.ordered) < FEWEST:
            return None
        below, up_to = bisect_left(self.ordered, self.value), bisect_right(self.ordered, self.value)
        return (below + up_to) / (2 * len(self.ordered))

    def before(self, span_ns: int, tolerance_ns: int) -> float | None:
        """Return the newest sample at least `span_ns` older than the value; absent when older by the tolerance."""
        from_ns = self.at_ns - span_ns
        place = bisect_right(self.times, from_ns)
        return self.values[place - 1] if place and self.times[place - 1] >= from_ns - tolerance_ns else None

    def _forget(self, at_ns: int) -> None:
        over = max(bisect_right(self.times, at_ns - SPAN_NS), len(self.times) - MOST)
        for value in self.values[:over]:
            del self.ordered[bisect_left(self.ordered, value)]
        del self.times[:over], self.values[:over]
