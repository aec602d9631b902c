"""Kept answers: at most so many bytes of them, and the one unused for longest goes first."""

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from services.gateway.operations.operation import Kept

OVERHEAD: Final = 400
"""Bytes that an entry takes beside its body: its key, its place."""


def entry(body: bytes, born_s: float) -> Kept:
    """Return an answer with its strong ETag: equal bodies have equal ones."""
    return Kept(body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"', born_s)


class Entries:
    """A bounded memory of answers."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> Kept | None:
        """Return an answer, and remember that it was used."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: Hashable, new: Kept) -> int:
        """Keep an answer; return how many others made room. One above a quarter of the limit is not kept."""
        old = self._kept.pop(key, None)
        if old is not None:
            self.bytes -= _size(old)
        if _size(new) > self._limit // 4:
            return 0
        self._kept[key] = new
        self.bytes += _size(new)
        gone = 0
        while self.bytes > self._limit:
            _, oldest = self._kept.popitem(last=False)
            self.bytes -= _size(oldest)
            gone += 1
        return gone

    def clear(self) -> int:
        """Forget all; return how many there were."""
        count = len(self._kept)
        self._kept.clear()
        self.bytes = 0
        return count


def _size(one: Kept) -> int:
    return len(one.body) + OVERHEAD
