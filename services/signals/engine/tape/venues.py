"""Closed minutes of one symbol on several venues in, takers' delta over all of them out, with who is in it."""

from msgspec import Struct, field

from libs.common.events import MINUTE_NS


class Minute(Struct, array_like=True):
    """One closed complete minute, base units."""

    close_ns: int
    delta: float
    volume: float


class Together(Struct, frozen=True):
    """A span over venues."""

    delta: float
    volume: float
    venues: tuple[str, ...]
    """Those of which every minute of the span was closed, complete and heard of by then."""
    missing: tuple[str, ...]
    """Those that are heard, but not for the whole span."""


class Venues(Struct):
    """The newest minutes of every venue, by symbol: the same canonical symbol only, never spot with perpetual."""

    keep: int
    minutes: dict[str, dict[str, list[Minute]]] = field(default_factory=dict)

    def add(self, venue: str, symbol: str, close_ns: int, delta: float, volume: float) -> None:
        """Take a closed complete minute; a venue's come in order."""
        known = self.minutes.setdefault(symbol, {}).setdefault(venue, [])
        known.append(Minute(close_ns, delta, volume))
        if len(known) > self.keep:
            del known[0]

    def forget(self, venue: str, symbol: str) -> None:
        """Drop what one venue said of a symbol."""
        venues = self.minutes.get(symbol, {})
        venues.pop(venue, None)
        if not venues:
            self.minutes.pop(symbol, None)

    def over(self, symbol: str, close_ns: int, span_ns: int) -> Together | None:
        """Return the sum over the span that ends at `close_ns`; None when it is longer than what is kept.

        Only minutes that were folded before now are in it: a venue that is later with its minute is among the missing.
        """
        wanted = span_ns // MINUTE_NS
        if wanted > self.keep:
            return None
        delta = volume = 0.0
        whole: list[str] = []
        missing: list[str] = []
        for venue in sorted(self.minutes.get(symbol, ())):
            rows = self.minutes[symbol][venue]
            end = len(rows)
            while end and rows[end - 1].close_ns > close_ns:
                end -= 1
            part = rows[max(0, end - wanted) : end]
            if len(part) < wanted or part[0].close_ns != close_ns - span_ns + MINUTE_NS:
                missing.append(venue)
                continue
            whole.append(venue)
            delta += sum(row.delta for row in part)
            volume += sum(row.volume for row in part)
        return Together(delta, volume, tuple(whole), tuple(missing))
