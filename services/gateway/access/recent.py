"""Who came by which key a moment ago: the `Authorization` of a request in, a principal out, without asking anybody."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from libs.common.runtime.clock import monotonic_s, now_ns
from services.gateway.access.principal import Principal, Way

_KEEP_S: Final = 1.0
"""The keyring remembers for three seconds more: a revocation that nobody told of is found within four."""
_KEPT: Final = 10_000
_BESIDE: Final = frozenset({"x-api-key", "cookie"})


class Recent:
    """Remembers keys by their hash, never by their text; sessions are not remembered."""

    def __init__(self, *, monotonic: Callable[[], float] = monotonic_s, clock: Callable[[], int] = now_ns) -> None:
        self._monotonic = monotonic
        self._clock = clock
        self._known: dict[bytes, tuple[float, Principal]] = {}

    def keep(self, headers: Mapping[str, str], principal: Principal) -> None:
        """Remember who came by a key in `Authorization` alone."""
        shown = headers.get("authorization")
        if shown is None or principal.way not in {Way.KEY, Way.BOOTSTRAP} or _BESIDE & headers.keys():
            return
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[_digest(shown.encode("latin-1", "replace"))] = (self._monotonic() + _KEEP_S, principal)

    def find(self, shown: bytes) -> Principal | None:
        """Return who came by it within the last second, if the key has not ended since."""
        found = self._known.get(_digest(shown))
        if found is None or self._monotonic() >= found[0]:
            return None
        principal = found[1]
        ended = principal.expires_ns is not None and principal.expires_ns <= self._clock()
        return None if ended else principal

    def clear(self) -> None:
        """Forget all: somebody has changed."""
        self._known.clear()


def _digest(shown: bytes) -> bytes:
    return hashlib.blake2b(shown, digest_size=16).digest()
