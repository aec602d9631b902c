"""REST calls that wait in, the next one to send out: the urgent first, majors first, nobody for ever. Pure."""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final, Generic, TypeVar

from msgspec import Struct

from services.ingest.venues.terms import Request

MOST: Final = 1_000
"""Calls that may wait; one more costs the least urgent its place."""
TURN: Final = 8
"""Each such call is the one that has waited longest, by whole `AGE_S`: so the urgent never shut out the rest."""
AGE_S: Final = 60.0
LAST_RANK: Final = 2**31
"""Of whom nobody has ranked."""

T = TypeVar("T")


class Urgency(IntEnum):
    """What a call is for; the smaller goes first."""

    BOOK = 0
    """Without a snapshot the symbol has no book."""
    TRADES = 1
    """Live trades wait behind a hole."""
    CANDLES = 2
    """A bar that somebody waits for live: it just closed, or it holds a hole."""
    HISTORY = 3
    """The past, audits, catalogues: late is as good."""


class Wish(Struct, Generic[T], kw_only=True, eq=False):
    """A call that waits for its turn."""

    request: Request
    answer: T
    """Where its answer goes; not looked at here."""
    urgency: Urgency
    rank: int
    """Place of the symbol among those that are followed; 0 is the first major."""
    since_s: float
    """When it was asked for."""
    number: int = 0
    """In the order in which they came."""
    ready_s: float = 0.0
    """After a failure it waits aside until then."""
    tries: int
    """How often it may be called for."""
    tried: int = 0


def ranks(symbols: Iterable[str]) -> dict[str, int]:
    """Return the place of each symbol in the order in which they are to be followed: the majors stand first."""
    return {symbol: place for place, symbol in enumerate(symbols)}


class Waiting(Generic[T]):
    """The bounded room before the venue's door."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._wishes: list[Wish[T]] = []
        self._taken = 0
        self._number = 0

    def __len__(self) -> int:
        return len(self._wishes)

    def __iter__(self) -> Iterator[Wish[T]]:
        return iter(self._wishes)

    def add(self, wish: Wish[T]) -> Wish[T] | None:
        """Let `wish` wait; return the one, perhaps itself, that has no place any more."""
        if not wish.number:
            self._number += 1
            wish.number = self._number
        self._wishes.append(wish)
        if len(self._wishes) <= self._most:
            return None
        last = max(self._wishes, key=_order)
        self.remove(last)
        return last

    def next(self, now_s: float) -> Wish[T] | None:
        """Return the one whose turn it is, without taking it; None while all are set aside."""
        ready = [wish for wish in self._wishes if wish.ready_s <= now_s]
        if not ready:
            return None
        if (self._taken + 1) % TURN:
            return min(ready, key=_order)
        return min(ready, key=lambda wish: (-int((now_s - wish.since_s) // AGE_S), *_order(wish)))

    def take(self, wish: Wish[T]) -> None:
        """Let `wish` go to the venue."""
        self._taken += 1
        self.remove(wish)

    def remove(self, wish: Wish[T]) -> None:
        """Forget `wish`."""
        self._wishes.remove(wish)

    def wait_s(self, now_s: float) -> float | None:
        """Return the seconds until one of those set aside is ready; 0 where one is, None where nobody waits."""
        return max(min(wish.ready_s for wish in self._wishes) - now_s, 0.0) if self._wishes else None


def _order(wish: Wish[T]) -> tuple[int, int, int]:
    return wish.urgency, wish.rank, wish.number
