"""What was heard and what was missed in, coverage and staleness by stream out: over a sliding window. Pure.

A symbol's stream is observed from its first event on; one that speaks rarely (liquidations) from the symbol's first
event in any stream. Of the time before that only holes count; the rest is claimed neither as covered nor as missing.
"""

from collections.abc import Collection, Iterable
from typing import Final

from msgspec import Struct, field

from libs.common.events import SECOND_NS, Gap, Origin, StreamQuality
from services.ingest.quality.spans import Spans
from services.ingest.streams import HOLED
from services.ingest.venues.terms import Stream

PROMPT: Final = frozenset({Stream.TRADES, Stream.BOOKS})
"""Streams that speak soon on any market: the others may be quiet for hours on a sound connection."""
REFILLED: Final = frozenset({Stream.TRADES})
"""Streams whose recovered holes were fetched whole. A book is only taken anew: what happened meanwhile is lost."""


class Hole(Struct, frozen=True):
    """A hole that is open."""

    symbol: str
    cause: str
    from_ns: int
    """By our clock, and not before the symbol was followed."""
    said_ns: int
    """As its Gap says it: the one that ends it says the same."""


class _Ear(Struct):
    """What is known of one stream of one symbol; times by our clock."""

    since_ns: int
    """Followed since then."""
    first_ns: int | None = None
    """First event."""
    heard_ns: int | None = None
    """Newest event."""
    hole: Hole | None = None
    """The one that is open."""
    holes: Spans = field(default_factory=Spans)
    """All that are closed."""
    missing: Spans = field(default_factory=Spans)
    """Those of them that were not filled."""


class Measure:
    """One venue's ears. Memory: a few numbers, and at most `spans.MOST` stretches twice, a symbol and stream."""

    def __init__(self, origin: Origin, *, began_ns: int, window_s: float = 3600.0) -> None:
        """`origin`: the venue's times are of now, or, of a recording, of the past."""
        self._recorded = origin is Origin.RECORDED
        self._began_ns = began_ns
        self._window_ns = round(window_s * SECOND_NS)
        self._ears: dict[tuple[str, str], _Ear] = {}
        self._heard: dict[str, int] = {}
        """First event of each symbol in any stream."""

    @property
    def symbols(self) -> int:
        """Followed."""
        return len({symbol for symbol, _ in self._ears})

    def window_s(self, now_ns: int) -> float:
        """Return how far back a report of now reaches."""
        return max(min(self._window_ns, now_ns - self._began_ns), 0) / SECOND_NS

    def follow(self, symbol: str, streams: Iterable[Stream], now_ns: int) -> None:
        """Listen to more streams of a symbol; those that are known stay as they are."""
        for stream in streams:
            self._ears.setdefault((symbol, stream), _Ear(now_ns))

    def forget(self, symbol: str) -> None:
        """Listen no more; what was heard and missed of it counts no more."""
        self._heard.pop(symbol, None)
        for key in [key for key in self._ears if key[0] == symbol]:
            del self._ears[key]

    def hear(self, symbol: str, stream: str, now_ns: int) -> None:
        """Note that an event of `stream` came now."""
        ear = self._ears.get((symbol, stream))
        if ear is None:
            return
        if ear.heard_ns is None:
            ear.first_ns = now_ns
            self._heard.setdefault(symbol, now_ns)
        ear.heard_ns = now_ns

    def note(self, gap: Gap) -> None:
        """Take a hole, or its end, as it is published."""
        ear = self._ears.get((gap.symbol, gap.stream))
        if ear is None:
            return
        since_ns = max(gap.received_ns if self._recorded else gap.from_ns, ear.since_ns)
        if gap.to_ns == gap.from_ns and not gap.recovered:
            ear.hole = ear.hole or Hole(gap.symbol, gap.cause, since_ns, gap.from_ns)
            return
        if ear.hole is not None and (gap.recovered or gap.from_ns == ear.hole.said_ns):
            since_ns = min(since_ns, ear.hole.from_ns)
            ear.hole = None
        until_ns = gap.received_ns if self._recorded else gap.to_ns
        ear.holes.add(since_ns, until_ns)
        if not (gap.recovered and gap.stream in REFILLED):
            ear.missing.add(since_ns, until_ns)

    def oldest_hole(self, stream: str) -> Hole | None:
        """Return the hole of `stream` that is open for the longest time."""
        holes = [ear.hole for (_, name), ear in self._ears.items() if name == stream and ear.hole is not None]
        return min(holes, key=lambda hole: hole.from_ns, default=None)

    def streams(self, now_ns: int, silent: Collection[tuple[str, Stream]] = ()) -> tuple[StreamQuality, ...]:
        """Return how well each stream was heard, up to now; `silent` are those that should speak and do not."""
        followed = {stream for _, stream in self._ears}
        quiet = {stream: tuple(sorted(symbol for symbol, name in silent if name == stream)) for stream in followed}
        return tuple(self._stream(stream, now_ns, quiet[stream]) for stream in Stream if stream in followed)

    def _stream(self, stream: Stream, now_ns: int, silent: tuple[str, ...]) -> StreamQuality:
        start_ns = now_ns - self._window_ns
        observed_ns = gap_ns = missing_ns = open_gaps = 0
        heard_ns: list[int] = []
        for (symbol, name), ear in self._ears.items():
            if name != stream:
                continue
            if ear.heard_ns is not None:
                heard_ns.append(ear.heard_ns)
            still = None if ear.hole is None else (ear.hole.from_ns, now_ns)
            from_ns = max(start_ns, self._observed_from(symbol, stream, ear, now_ns))
            for spans in (ear.holes, ear.missing):
                spans.forget_before(start_ns)
            observed_ns += now_ns - from_ns + ear.missing.within(start_ns, from_ns, still)
            open_gaps += still is not None
            gap_ns += ear.holes.within(start_ns, now_ns, still)
            missing_ns += ear.missing.within(start_ns, now_ns, still)
        return StreamQuality(
            stream=stream,
            coverage=1 - missing_ns / observed_ns if observed_ns and stream in HOLED else None,
            gap_s=gap_ns / SECOND_NS,
            missing_s=missing_ns / SECOND_NS,
            open_gaps=open_gaps,
            staleness_s=max(now_ns - max(heard_ns), 0) / SECOND_NS if heard_ns else None,
            silent=silent,
        )

    def _observed_from(self, symbol: str, stream: Stream, ear: _Ear, now_ns: int) -> int:
        first_ns = ear.first_ns if stream in PROMPT else self._heard.get(symbol)
        return now_ns if first_ns is None else min(first_ns, now_ns)
