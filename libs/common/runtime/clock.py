"""The only clock of the system: everything else takes time as an argument."""

import time


def now_ns() -> int:
    """Return the wall clock, integer nanoseconds since the epoch, UTC."""
    return time.time_ns()


def monotonic_s() -> float:
    """Return a clock that never goes back, in seconds; for durations only."""
    return time.monotonic()


def monotonic_ns() -> int:
    """Return the same clock in integer nanoseconds."""
    return time.monotonic_ns()
