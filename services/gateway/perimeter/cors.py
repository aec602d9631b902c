"""Which web pages may ask, and what browsers are told of it: origins in, yes or no and headers out. Pure.

Origins are compared whole: scheme, name and port. `*` lets any page read what needs no cookie.
"""

from collections.abc import Collection
from typing import Final

Header = tuple[bytes, bytes]

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing: a page of another origin may send them, and reads the answer where it is listed."""

_VARY: Final[Header] = (b"vary", b"Origin")
_METHODS: Final[Header] = (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE")
_HEADERS: Final[Header] = (
    b"access-control-allow-headers",
    (
        b"Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Traceparent, X-API-Key, "
        b"X-CSRF-Token, X-Request-Id"
    ),
)
_EXPOSED: Final[Header] = (
    b"access-control-expose-headers",
    (
        b"Content-Disposition, Deprecation, ETag, Idempotent-Replayed, Link, RateLimit, RateLimit-Policy, Retry-After, "
        b"Sunset, X-Request-Id"
    ),
)
_MAX_AGE: Final[Header] = (b"access-control-max-age", b"600")


class Cors:
    """The pages of other origins that may ask."""

    def __init__(self, origins: Collection[str] = (), *, credentials: bool = False) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origins) - {"*"}
        assert not (self._any and credentials), "settings have refused it"
        self._credentials = credentials

    def listed(self, origin: str) -> bool:
        """Tell whether pages of an origin, in lower case, may ask."""
        return self._any or origin in self._origins

    def headers(self, origin: str) -> list[Header]:
        """Return what an answer to a page of `origin` says; empty: none asked."""
        if self._any:
            return [(b"access-control-allow-origin", b"*"), _EXPOSED] if origin else []
        if not self._origins:
            return []
        if origin not in self._origins:
            return [_VARY]
        found = [_VARY, (b"access-control-allow-origin", origin.encode("latin-1")), _EXPOSED]
        if self._credentials:
            found.append((b"access-control-allow-credentials", b"true"))
        return found

    def preflight(self) -> list[Header]:
        """Return what, beside `headers`, a browser is told that asks before it asks."""
        return [_METHODS, _HEADERS, _MAX_AGE]


def same_origin(origin: str, host: str, *, scheme: str | None) -> bool:
    """Tell whether a page came from us; `scheme` is ours, or None where a proxy's cannot be known."""
    theirs, found, name = origin.partition("://")
    return bool(found) and name == host and scheme in {None, theirs}
