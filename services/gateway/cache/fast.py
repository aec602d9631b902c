"""The way of reads that were asked before: path and query in, the same operation and parameters out, without a router.

A read whose answer may be shared is remembered by its raw path and query when it was first served. Who asks again by a
key that was checked a moment ago is counted, at the door and before the operation at once, and has the kept answer.
"""

from typing import Any, Final, Protocol

from litestar.types import ASGIApp
from msgspec import Struct

from services.gateway.access.guard import Guard
from services.gateway.access.principal import Principal
from services.gateway.access.scopes import Scope

KNOW: Final = "csx.know"
"""Where a request's scope holds what takes a read to remember."""

_READS: Final = 4_096
_LONGEST: Final = 300


class Reader(Protocol):
    """An operation that is read over HTTP."""

    async def again(self, scope: Any, send: Any, params: Struct, principal: Principal) -> None:
        """Answer with parameters that were parsed before."""


class FastReads:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard
        self._reads: dict[tuple[str, bytes], tuple[Reader, Struct, Scope]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a read that is known to who is known, or pass the request on."""
        if scope["type"] == "http" and scope["method"] == "GET":
            found = self._reads.get((scope["path"], scope["query_string"]))
            if found is None:
                scope[KNOW] = self._know
            else:
                reader, params, needed = found
                principal = self._guard.recall(scope["headers"])
                if principal is not None and principal.may(needed):
                    await reader.again(scope, send, params, principal)
                    return
        await self._app(scope, receive, send)

    def _know(self, scope: Any, reader: Reader, params: Struct, needed: Scope) -> None:
        key = (scope["path"], scope["query_string"])
        if len(key[0]) + len(key[1]) > _LONGEST:
            return
        if len(self._reads) >= _READS:
            self._reads.clear()
        self._reads[key] = (reader, params, needed)
