"""Sums that forget: what came `horizon` ago counts 1/e."""

from math import exp

from msgspec import Struct


class Decay(Struct):
    """The clock of decaying sums, in event time; it never runs backwards."""

    horizon_ns: int
    last_ns: int = -1

    def step(self, event_ns: int) -> tuple[float, float]:
        """Move to `event_ns`; return (factor for what is old, weight of what is new).

        Something late gets the weight it would have kept had it come in time.
        """
        if self.last_ns < 0:
            self.last_ns = event_ns
        elapsed = event_ns - self.last_ns
        if elapsed < 0:
            return 1.0, exp(elapsed / self.horizon_ns)
        self.last_ns = event_ns
        return exp(-elapsed / self.horizon_ns), 1.0
