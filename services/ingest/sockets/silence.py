"""When each topic of a connection spoke in, the topics that are stalled and what to do about them out. Pure.

A topic is one stream of one symbol. It is stalled when it is quiet for longer than its own rhythm explains, when its
first datum after a subscription does not come, or when fresh frames keep saying the same time. First it is subscribed
to again, where the venue lets that be done alone; then the connection is made anew, once; then it is only flagged.

Times come from a clock that runs only while the connection waits for frames: our own slowness is not the venue's.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from services.ingest.sockets.habits import Habit, Habits, Tried
from services.ingest.sockets.rhythm import LEAST_S
from services.ingest.venues.terms import Plan, Stream

FROZEN_S: Final = 4.0
"""Frames that come for so long with one time of the venue are not news."""
RECYCLE_AFTER_S: Final = 5.0
"""A topic that was subscribed to again has so long to speak."""

_FROZEN_WORDS: Final = 5
_MANY: Final = 10
_PROMPT: Final = frozenset({Stream.TRADES, Stream.BOOKS})
"""Streams that speak soon after a subscription, and whose times move."""
_STEADY: Final = (Stream.TRADES, Stream.BOOKS, Stream.FUNDING)
"""Streams with a rhythm; liquidations have none: nobody may be liquidated for days, and then a hundred a second."""


class Cause(StrEnum):
    """Why a topic counts as stalled."""

    QUIET = "quiet"
    FIRST_DATA = "first_data"
    FROZEN = "frozen"


class Outcome(StrEnum):
    """What is done about it."""

    RESUBSCRIBED = "resubscribed"
    RECYCLED = "recycled"
    FLAGGED = "flagged"


class Stall(Struct, frozen=True, kw_only=True):
    """A topic that should speak and does not."""

    stream: Stream
    symbol: str
    cause: Cause
    outcome: Outcome
    new: bool
    """It is said for the first time; else it is the next step of one that was."""
    silence_s: float
    """Since its last word, or since it was subscribed to."""
    heard_ns: int
    """When its last word came; 0 where none came on this connection."""
    frames: tuple[bytes, ...] = ()
    """To send, where it is subscribed to again."""


class _Watch:
    """One topic on one connection."""

    __slots__ = (
        "asked_s",
        "changed_s",
        "event_ns",
        "flagged",
        "habit",
        "heard_ns",
        "repeats",
        "since_s",
        "spoke",
        "stream",
        "symbol",
    )

    def __init__(self, stream: Stream, symbol: str, habit: Habit) -> None:
        self.stream = stream
        self.symbol = symbol
        self.habit = habit
        self.spoke = False
        self.since_s = 0.0  # of its last word, or of its subscription
        self.asked_s = 0.0
        self.heard_ns = 0
        self.event_ns = -1
        self.changed_s = 0.0
        self.repeats = 0
        self.flagged: Cause | None = None


class Silence:
    """The topics of one connection."""

    def __init__(
        self,
        plan: Plan,
        habits: Habits | None,
        first_data_s: float,
        frames: Callable[[str, Stream], Sequence[bytes]] = lambda _symbol, _stream: (),
        *,
        resyncing: Callable[[str], bool] = lambda _symbol: False,
        halted: Callable[[str], bool] = lambda _symbol: False,
    ) -> None:
        """Take what there is to hear.

        Args:
            plan: of the connection.
            habits: what is known of the venue's topics; without it nobody is judged by pace, only by the first datum.
            first_data_s: how long a topic has for its first word.
            frames: returns what subscribes to one topic again; nothing where that cannot be done alone.
            resyncing: returns whether a symbol's book is being fetched: then it has nothing to say.
            halted: returns whether a symbol does not trade now: its quiet is no fault.
        """
        self.recycling = False
        self._plan = plan
        self._paced = habits is not None
        self._habits = habits = habits or Habits()
        self._first_data_s = first_data_s
        self._frames = frames
        self._resyncing = resyncing
        self._halted = halted
        self._anything = False
        self._watches: dict[tuple[str, str], _Watch] = {
            (stream, symbol): _Watch(stream, symbol, habits.of(stream, symbol))
            for stream in _STEADY
            if stream in plan.streams
            for symbol in plan.symbols
        }

    @property
    def mute(self) -> bool:
        """Whether nothing has been said since the connection began."""
        return not self._anything

    def expects(self) -> bool:
        """Return whether any symbol of the connection trades now."""
        return not all(self._halted(symbol) for symbol in self._plan.symbols)

    def given_up(self, at_s: float) -> bool:
        """Return whether the connection is mute for longer than it may be: no topic of it is worth keeping it for."""
        return self.mute and any(self._cause(watch, at_s) for watch in self._watches.values())

    def spoke(self, stream: str, symbol: str, at_s: float, event_ns: int, received_ns: int) -> bool:
        """Take a topic's word; return True where that ends a stall."""
        self._anything = True
        watch = self._watches.get((stream, symbol))
        if watch is None:
            return False
        if event_ns != watch.event_ns:
            watch.event_ns, watch.changed_s, watch.repeats = event_ns, at_s, 0
        else:
            watch.repeats += 1
        gap_s = at_s - watch.since_s
        watch.since_s, watch.heard_ns = at_s, received_ns
        if watch.spoke and watch.flagged is None:
            watch.habit.rhythm.heard(gap_s, at_s)
            return False
        watch.spoke = True
        if watch.flagged is Cause.FROZEN and watch.repeats:
            return False
        ended = watch.flagged is not None
        watch.flagged = None
        self._habits.spoke(watch.stream, symbol, watch.habit)
        return ended

    def alive(self, stream: Stream, symbol: str | None, at_s: float) -> None:
        """Take a word that makes no event; without a symbol it is for all of them."""
        for one in (symbol,) if symbol is not None else self._plan.symbols:
            watch = self._watches.get((stream, one))
            self.spoke(stream, one, at_s, watch.event_ns + 1 if watch else 0, watch.heard_ns if watch else 0)

    def lost(self, symbol: str, at_s: float) -> None:
        """Note that the book of `symbol` is given up: its next word is a first one."""
        self._anything = True
        if watch := self._watches.get((Stream.BOOKS, symbol)):
            watch.spoke = False
            watch.since_s = at_s

    def judge(self, now_s: float, at_s: float) -> list[Stall]:
        """Return the topics that became stalled, or whose next remedy is due; `now_s` is the clock of all connections.

        Once the connection is to be made anew, nothing of it is judged.
        """
        if self.recycling:
            return []
        silent = [(watch, cause) for watch in self._watches.values() if (cause := self._cause(watch, at_s))]
        spoken = sum(watch.spoke for watch in self._watches.values())
        many = len(silent) >= max(3, min(_MANY, spoken / 2))
        stalls: list[Stall] = []
        for watch, cause in silent:
            alone = all(stall.outcome is not Outcome.RESUBSCRIBED for stall in stalls)
            stalls.append(self._stall(watch, cause, now_s, at_s, many=many, alone=alone))
        if any(stall.outcome is Outcome.RECYCLED for stall in stalls):  # for all that are silent now
            rest = [found for found in silent if found[0].habit.tried is not Tried.RECYCLED]
            stalls += [self._stall(watch, cause, now_s, at_s, many=many, alone=False) for watch, cause in rest]
        return [stall for stall in stalls if stall.new or stall.outcome is not Outcome.FLAGGED]

    def _cause(self, watch: _Watch, at_s: float) -> Cause | None:
        if self._excused(watch, at_s - watch.since_s):
            watch.since_s = at_s
            return None
        quiet_s = at_s - watch.since_s
        limit_s = watch.habit.rhythm.limit_s if quiet_s > LEAST_S else None
        if not watch.spoke:
            rare = watch.habit.rhythm.known and (limit_s is None or quiet_s < limit_s)
            due = watch.stream in _PROMPT and quiet_s >= self._first_data_s and not rare
            return Cause.FIRST_DATA if due else None
        if not self._paced:
            return None
        if limit_s is not None and quiet_s > limit_s:
            return Cause.QUIET
        same_s = watch.since_s - watch.changed_s
        frozen = watch.stream in _PROMPT and watch.repeats >= _FROZEN_WORDS and same_s >= FROZEN_S
        return watch.flagged or (Cause.FROZEN if frozen else None)

    def _excused(self, watch: _Watch, quiet_s: float) -> bool:
        """Return whether a topic that has been quiet has nothing to say: its market rests, or its book is fetched."""
        if quiet_s <= LEAST_S:
            return False
        if self._halted(watch.symbol):
            if watch.flagged is not None:
                watch.flagged = None
                self._habits.spoke(watch.stream, watch.symbol, watch.habit)
            return True
        return watch.stream is Stream.BOOKS and self._resyncing(watch.symbol)

    def _stall(self, watch: _Watch, cause: Cause, now_s: float, at_s: float, *, many: bool, alone: bool) -> Stall:
        new = watch.flagged is None
        silence_s = at_s - (watch.changed_s if cause is Cause.FROZEN else watch.since_s)
        if new:
            watch.flagged = cause
            self._habits.stalled(watch.stream, watch.symbol)
        outcome, frames = self._remedy(watch, now_s, at_s, many=many, alone=alone)
        if new and cause is Cause.QUIET:
            watch.habit.rhythm.taught(silence_s)
        return Stall(
            stream=watch.stream,
            symbol=watch.symbol,
            cause=cause,
            outcome=outcome,
            new=new,
            silence_s=silence_s,
            heard_ns=watch.heard_ns,
            frames=frames,
        )

    def _remedy(
        self, watch: _Watch, now_s: float, at_s: float, *, many: bool, alone: bool
    ) -> tuple[Outcome, tuple[bytes, ...]]:
        habit = watch.habit
        due = True
        if not self.recycling:
            frames: tuple[bytes, ...] = ()
            if habit.tried is Tried.NOTHING and habit.may(now_s) and not many:
                frames = tuple(self._frames(watch.symbol, watch.stream))
            if frames and alone:
                habit.took(Tried.RESUBSCRIBED, now_s)
                watch.asked_s = at_s
                return Outcome.RESUBSCRIBED, frames
            if frames:  # its turn comes with the next judgement: the venue takes so many frames a second
                return Outcome.FLAGGED, ()
            due = self._due(watch, now_s, at_s) and self._habits.may_recycle(self._plan, now_s)
        if not due or habit.tried is Tried.RECYCLED:
            return Outcome.FLAGGED, ()
        self.recycling = True
        habit.took(Tried.RECYCLED, now_s)
        return Outcome.RECYCLED, ()

    def _due(self, watch: _Watch, now_s: float, at_s: float) -> bool:
        """Return whether a new connection is the next thing to try."""
        habit = watch.habit
        if habit.tried is Tried.RESUBSCRIBED:
            return at_s - watch.asked_s >= (RECYCLE_AFTER_S if watch.spoke else self._first_data_s)
        return habit.tried is Tried.NOTHING and habit.may(now_s)
