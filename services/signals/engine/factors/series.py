"""Values with their times in, the newest that was known at a moment out; bounded, and the order of arrival is free."""

from bisect import bisect_left, bisect_right
from typing import Final

from msgspec import Struct, field

_MOST_SOURCES: Final = 4


class Series(Struct):
    """The newest values by time of the event; one that is said again replaces."""

    most: int
    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    dropped: int = 0

    def put(self, at_ns: int, value: float, known_ns: int) -> None:
        """Take a value; `known_ns`: nobody will ask for a moment before it.

        When there are too many, the oldest goes, unless a younger one than it is still in the future of `known_ns`:
        then what lies furthest in the future goes, for it cannot be used yet.
        """
        place = bisect_left(self.times, at_ns)
        if place < len(self.times) and self.times[place] == at_ns:
            self.values[place] = value
            return
        self.times.insert(place, at_ns)
        self.values.insert(place, value)
        if len(self.times) > self.most:
            out = 0 if self.times[1] <= known_ns else -1
            del self.times[out], self.values[out]
            self.dropped += 1

    def at(self, as_of_ns: int) -> tuple[int, float] | None:
        """Return (time, value) of the newest that is not later than `as_of_ns`."""
        place = bisect_right(self.times, as_of_ns)
        return (self.times[place - 1], self.values[place - 1]) if place else None

    def within(self, from_ns: int, to_ns: int) -> dict[int, float]:
        """Return the values of times in (from_ns, to_ns]."""
        first, last = bisect_right(self.times, from_ns), bisect_right(self.times, to_ns)
        return dict(zip(self.times[first:last], self.values[first:last], strict=True))


class Told(Struct):
    """What vendors say under one name: by vendor and exchange."""

    rows: int
    sources: dict[str, Series] = field(default_factory=dict)
    interval_ns: dict[str, int] = field(default_factory=dict)
    silence_ns: int = -1
    """When a vendor last had no value, and why."""
    cause: str = "not_heard"
    refused: int = 0
    """Numbers of a further source, beyond the most that are kept."""

    def put(self, source: str, at_ns: int, value: float, interval_ns: int | None, known_ns: int) -> None:
        """Take a value of `source`."""
        series = self.sources.get(source)
        if series is None:
            if len(self.sources) >= _MOST_SOURCES:
                self.refused += 1
                return
            series = self.sources[source] = Series(self.rows)
        if interval_ns is not None:
            self.interval_ns[source] = interval_ns
        series.put(at_ns, value, known_ns)

    def silent(self, at_ns: int, cause: str) -> None:
        """Take note that a vendor has no value."""
        if at_ns >= self.silence_ns:
            self.silence_ns, self.cause = at_ns, cause

    def newest(self, as_of_ns: int) -> tuple[int, float, str] | None:
        """Return (time, value, source) of the newest value; among equally new ones, of the source heard first."""
        best: tuple[int, float, str] | None = None
        for source, series in self.sources.items():
            found = series.at(as_of_ns)
            if found is not None and (best is None or found[0] > best[0]):
                best = (*found, source)
        return best

    def why(self, as_of_ns: int) -> str:
        """Return why there is no value at `as_of_ns`: the vendor's words, `stale` or `not_heard`."""
        if 0 <= self.silence_ns <= as_of_ns:
            return self.cause
        return "stale" if self.newest(as_of_ns) is not None else "not_heard"
