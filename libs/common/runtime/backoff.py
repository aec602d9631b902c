"""Waiting times between attempts: exponential with full jitter, without a limit of attempts."""

import random


class Backoff:
    """Seconds to wait before each next attempt.

    Full jitter: uniform in [0, min(cap, initial * 2**attempts)], so that many clients never meet again at one
    moment. It never gives up: who needs an end watches a deadline.
    """

    def __init__(self, initial_s: float = 0.5, cap_s: float = 30.0, *, seed: int | None = None) -> None:
        self._initial_s = initial_s
        self._cap_s = cap_s
        self._chance = random.Random(seed)  # noqa: S311  (jitter, not a secret)
        self.attempts = 0

    @property
    def bound_s(self) -> float:
        """The longest that the next wait can be."""
        return float(min(self._cap_s, self._initial_s * 2 ** min(self.attempts, 62)))

    def next_s(self) -> float:
        """Return the next wait and count the attempt."""
        wait_s = self._chance.uniform(0.0, self.bound_s)
        self.attempts += 1
        return wait_s

    def reset(self) -> None:
        """Begin again: the last attempt succeeded for good."""
        self.attempts = 0
