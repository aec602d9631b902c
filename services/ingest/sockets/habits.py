"""What is known of a venue's topics beyond one connection: their rhythms, the remedies tried, who is silent. Pure."""

from collections.abc import Hashable
from enum import IntEnum
from typing import Final

from services.ingest.sockets.pace import Pace
from services.ingest.sockets.rhythm import Rhythm
from services.ingest.venues.terms import Plan, Stream

FIRST_REST_S: Final = 60.0
"""After a remedy no silence of the topic has another one for so long; doubled with each, up to an hour."""
LONGEST_REST_S: Final = 3_600.0
RECYCLES: Final = 3
"""Connections of one plan that may be made anew for silent topics, in ten minutes."""

_WINDOW_S: Final = 600.0


class Tried(IntEnum):
    """What was done about the present silence; it ends with the topic's next word."""

    NOTHING = 0
    RESUBSCRIBED = 1
    RECYCLED = 2


class Habit:
    """One topic, over all its connections."""

    __slots__ = ("_rest_s", "_rested_s", "rhythm", "tried")

    def __init__(self) -> None:
        self.rhythm = Rhythm()
        self.tried = Tried.NOTHING
        self._rest_s = 0.0
        self._rested_s = 0.0

    def may(self, now_s: float) -> bool:
        """Return whether a silence that begins now may have a remedy."""
        return now_s >= self._rested_s

    def took(self, tried: Tried, now_s: float) -> None:
        """Note a remedy; an hour without one, beyond the rest, makes the next rest short again."""
        if now_s >= self._rested_s + LONGEST_REST_S:
            self._rest_s = 0.0
        if self.tried is Tried.NOTHING:
            self._rest_s = min(max(2 * self._rest_s, FIRST_REST_S), LONGEST_REST_S)
        self.tried = tried
        self._rested_s = now_s + self._rest_s


class Habits:
    """All topics of one venue, by stream and symbol."""

    def __init__(self) -> None:
        self._habits: dict[tuple[str, str], Habit] = {}
        self._recycles: dict[Hashable, Pace] = {}
        self._silent: set[tuple[str, Stream]] = set()

    @property
    def silent(self) -> frozenset[tuple[str, Stream]]:
        """The topics, as (symbol, stream), that are stalled now."""
        return frozenset(self._silent)

    def of(self, stream: Stream, symbol: str) -> Habit:
        """Return what is known of one topic."""
        return self._habits.setdefault((stream, symbol), Habit())

    def stalled(self, stream: Stream, symbol: str) -> None:
        """Note that a topic should speak and does not."""
        self._silent.add((symbol, stream))

    def spoke(self, stream: Stream, symbol: str, habit: Habit) -> None:
        """Note that a stalled topic speaks again."""
        habit.tried = Tried.NOTHING
        self._silent.discard((symbol, stream))

    def forget(self, symbol: str) -> None:
        """Forget a symbol that is followed no more."""
        for stream in Stream:
            self._habits.pop((stream, symbol), None)
            self._silent.discard((symbol, stream))

    def may_recycle(self, plan: Plan, now_s: float) -> bool:
        """Return whether a connection of `plan` may be made anew now, which is thereby booked."""
        key = (plan.url, plan.symbols, plan.streams)
        pace = self._recycles.setdefault(key, Pace(spacing_s=0, most=RECYCLES, window_s=_WINDOW_S))
        return pace.ask(now_s) is not None
