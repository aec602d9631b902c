"""The newest messages of one kept channel, by position and without holes: what live clients are read from. Pure."""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from services.gateway.stream.envelope import Kept

SIZE: Final = 2000


class Tail:
    """Grows by one position at a time; what is older than its size falls out."""

    def __init__(self, size: int = SIZE) -> None:
        self._items: deque[Kept] = deque(maxlen=size)
        self.head = 0
        """Position of the newest message."""
        self.known = False
        """False until it is known where the channel stands."""

    def begin(self, position: int) -> None:
        """Start after `position`."""
        self._items.clear()
        self.head, self.known = position, True

    def add(self, item: Kept) -> bool:
        """Take the next message; False: it is not the next one, so that what lies between has to be read first."""
        if not self.known or item.position != self.head + 1:
            return False
        self._items.append(item)
        self.head = item.position
        return True

    def since(self, position: int) -> Sequence[Kept] | None:
        """Return everything after `position`, oldest first; None: some of it has fallen out."""
        behind = self.head - position
        if behind <= 0:
            return ()
        if behind > len(self._items):
            return None
        return list(islice(self._items, len(self._items) - behind, None))

    def at_ns(self, position: int) -> int | None:
        """Return when the message at `position` was said; None: it is not here."""
        behind = self.head - position
        return self._items[len(self._items) - 1 - behind].at_ns if 0 <= behind < len(self._items) else None
