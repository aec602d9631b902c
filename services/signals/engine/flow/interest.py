"""Open interest in, how far it moved over a window out."""

from msgspec import Struct, field

from libs.common.events import OpenInterest

_MOST = 512


class Interest(Struct):
    """What the venue told over the last window, ascending, and the newest before it; in the unit it first told."""

    window_ns: int
    unit: str = ""
    rows: list[tuple[int, float]] = field(default_factory=list)

    def take(self, event: OpenInterest) -> None:
        """Take one; what is not newer than the last, or in another unit alone, is left."""
        for unit, value in (("base", event.base), ("contracts", event.contracts), ("notional", event.notional)):
            if value is not None and value >= 0 and self.unit in {"", unit}:
                self.unit = unit
                if not self.rows or event.event_ns > self.rows[-1][0]:
                    self.rows.append((event.event_ns, value))
                    self._prune(event.event_ns)
                return

    def change(self, as_of_ns: int) -> float | None:
        """Return the change over the window as a share of what stood at its beginning; None where that is unknown."""
        begin_ns = as_of_ns - self.window_ns
        before = [value for at_ns, value in self.rows if at_ns <= begin_ns]
        if not before or before[-1] <= 0:
            return None
        return self.rows[-1][1] / before[-1] - 1

    def _prune(self, now_ns: int) -> None:
        while len(self.rows) > 1 and (self.rows[1][0] <= now_ns - self.window_ns or len(self.rows) > _MOST):
            del self.rows[0]
