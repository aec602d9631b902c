"""Weights of REST calls in, waiting times out: a venue's limit a minute, spent evenly. No clock of its own."""

from collections.abc import Callable
from typing import Final

from libs.common.runtime.clock import monotonic_s
from services.ingest.calls.usage import Neighbours, Spent

BURST_S: Final = 2.0
"""Some venues count by two seconds."""


class Budget:
    """A venue's weight a minute, spent evenly: `burst_s` seconds' worth at once, one heavier call may run into debt."""

    def __init__(
        self, weight_per_minute: float, clock: Callable[[], float] = monotonic_s, *, burst_s: float = BURST_S
    ) -> None:
        self._weight_per_minute = weight_per_minute
        self._rate = weight_per_minute / 60
        self._most = burst_s * self._rate
        self._spent = Spent()
        self._neighbours = Neighbours(weight_per_minute)
        self._left = self._most
        self._at = clock()
        self._clock = clock

    def spend(self, weight: float) -> float:
        """Take `weight` and return 0, or return the seconds to wait before asking again."""
        now = self._clock()
        rate = self._rate * self.pace
        self._left = min(self._most, self._left + (now - self._at) * rate)
        self._at = now
        if self._left < min(weight, self._most):
            return (min(weight, self._most) - self._left) / rate
        self._left -= weight
        self._spent.add(weight, now)
        return 0.0

    def hear(self, venue_weight: float) -> None:
        """Take the venue's own count of the running minute: what others spend from our address slows us down."""
        now = self._clock()
        self._neighbours.hear(venue_weight, self._spent.total(now), now)

    @property
    def used(self) -> float:
        """Share of the budget that was spent in the last minute."""
        return self._spent.total(self._clock()) / self._weight_per_minute

    @property
    def pace(self) -> float:
        """Share of the budget that may be spent now."""
        return self._neighbours.pace(self._clock())

    @property
    def venue_weight(self) -> float | None:
        """The venue's own count of the running minute, where it says one."""
        return self._neighbours.weight(self._clock())
