"""Items and frames in, the summary of a recording out."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from libs.common.events import Gap, MarketEvent, Side, Trade
from services.ingest.recording.recordings import FrameKind
from services.ingest.venues.terms import Checks, Item, Rejected

log = logging.getLogger(__name__)

LOGGED_REJECTS: Final = 10
"""Of each reason; the rest are only counted."""


class Summary(Struct, kw_only=True):
    """What a recording held, and what became of it."""

    venue: str
    files: list[str]
    frames: int = 0
    """Received frames and REST answers; answers with a catalogue are none, for they may lie beside the recording."""
    frames_by_kind: dict[str, int]
    events: dict[str, int]
    """By type."""
    symbols: list[str]
    trades: dict[str, int]
    """By the taker's side."""
    non_market_trades: int = 0
    unsided_trades: int = 0
    """Their taker is not known, or guessed."""
    rejects: dict[str, int]
    """By reason."""
    gaps: int = 0
    gaps_recovered: int = 0
    checksums: dict[str, int]
    books_crossed: int = 0
    absent: list[str]
    """Symbols that were asked for and never seen."""
    books_in_sync: list[str]
    """Books that the recording leaves in sync."""
    stale: int = 0
    ignored: int = 0
    asked: dict[str, int]
    """What a live connection would have been asked: snapshots, resubscriptions, and the like."""
    first_event_ns: int | None = None
    last_event_ns: int | None = None


class Tally:
    """Counts what a recording held, while it is played."""

    def __init__(self) -> None:
        self.symbols: dict[str, None] = {}
        """Every symbol that had an event, in the order of the first ones."""
        self._kinds: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._sides: Counter[str] = Counter()
        self._rejects: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._gaps: Counter[bool] = Counter()
        self._times: tuple[int, int] | None = None

    def frame(self, kind: str) -> None:
        """Count a frame; `kind` is a `FrameKind` or `catalogue`."""
        self._kinds[kind] += 1

    def item(self, item: Item) -> None:
        """Count what a frame led to; the first rejects of each reason are logged."""
        if isinstance(item, MarketEvent):
            self._event(item)
        elif isinstance(item, Rejected):
            self._reject(item)
        else:
            self._asked[type(item).__name__] += 1

    def summary(
        self,
        *,
        venue: str,
        files: Sequence[str],
        wanted: Iterable[str],
        checks: Sequence[Checks],
        in_sync: Sequence[str],
    ) -> Summary:
        """Return the counts up to now.

        Args:
            venue: its name.
            files: their names.
            wanted: symbols that were asked for.
            checks: of all sessions, also those that ended.
            in_sync: symbols whose book is in sync.
        """

        def total(name: str) -> int:
            return sum(getattr(one, name) for one in checks)

        first, last = self._times or (None, None)
        return Summary(
            venue=venue,
            files=list(files),
            frames=self._kinds[FrameKind.RECEIVED.value] + self._kinds[FrameKind.ANSWER.value],
            frames_by_kind=_ordered(self._kinds),
            events=_ordered(self._events),
            symbols=sorted(self.symbols),
            trades={side.value: self._sides[side.value] for side in Side},
            non_market_trades=total("non_market"),
            unsided_trades=total("unsided"),
            rejects=_ordered(self._rejects),
            gaps=self._gaps[False],
            gaps_recovered=self._gaps[True],
            checksums={"verified": total("checksums_verified"), "failed": total("checksums_failed")},
            books_crossed=total("books_crossed"),
            absent=sorted(set(wanted) - self.symbols.keys()),
            books_in_sync=sorted(in_sync),
            stale=total("stale"),
            ignored=total("ignored"),
            asked=_ordered(self._asked),
            first_event_ns=first,
            last_event_ns=last,
        )

    def _event(self, event: MarketEvent) -> None:
        self._events[str(event.__struct_config__.tag)] += 1
        self.symbols[event.symbol] = None
        first, last = self._times or (event.event_ns, event.event_ns)
        self._times = min(first, event.event_ns), max(last, event.event_ns)
        if isinstance(event, Trade):
            self._sides[event.side.value] += 1
        elif isinstance(event, Gap):
            self._gaps[event.recovered] += 1

    def _reject(self, item: Rejected) -> None:
        self._rejects[item.reason] += 1
        count = self._rejects[item.reason]
        if count <= LOGGED_REJECTS:
            log.warning("rejected a frame: %s: %s: %r", item.reason, item.detail, item.payload[:200])
        if count == LOGGED_REJECTS:
            log.warning("more rejects of reason %s are only counted", item.reason)


def _ordered(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items()))
