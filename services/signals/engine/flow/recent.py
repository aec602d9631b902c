"""Times of events in, how many fell into a rolling window out; bounded, and what did not fit is counted."""

from bisect import bisect_right

from msgspec import Struct, field


class Recent(Struct):
    """The newest times of one kind of event, ascending."""

    most: int
    times: list[int] = field(default_factory=list)
    dropped: int = 0
    """Times forgotten because there were too many: counts of longer windows are lower bounds."""

    def add(self, at_ns: int) -> None:
        """Remember one more."""
        self.times.insert(bisect_right(self.times, at_ns), at_ns)
        if len(self.times) > self.most:
            del self.times[0]
            self.dropped += 1

    def within(self, window_ns: int, as_of_ns: int) -> int:
        """Return how many lie in (as_of - window, as_of]."""
        return bisect_right(self.times, as_of_ns) - bisect_right(self.times, as_of_ns - window_ns)
