"""The registry over HTTP: a handler for each operation; requests in, bytes out."""

from collections.abc import Iterable
from email.utils import formatdate
from typing import Any, Final

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from services.gateway.access.guard import Guard
from services.gateway.access.principal import NOBODY, Principal
from services.gateway.access.scopes import Scope
from services.gateway.cache.fast import KNOW
from services.gateway.operations.call import call, call_encoded, check_scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Download, Operation, P, Surface, status_of
from services.gateway.surfaces.asking import shown
from services.gateway.surfaces.bodies import ClientGone, check_kind, idempotency_key, read_body
from services.gateway.surfaces.faults import problem_of
from services.gateway.surfaces.given import QUERIED, of_body, of_query
from services.gateway.surfaces.replies import (
    JSON,
    NO_STORE,
    CutShort,
    Header,
    download,
    lines,
    nothing,
    refuse,
    reply,
    tag,
    unchanged,
)
from services.gateway.surfaces.routes import route

_JSON_HEADER: Final = (b"content-type", JSON)
_SECOND_NS: Final = 1_000_000_000


def handlers(operations: Iterable[Operation[Any, Any]], desk: Desk, guard: Guard) -> list[HTTPRouteHandler]:
    """Return a handler for every operation that REST offers."""
    return [
        route(operation.path, operation.method, Served(operation, desk, guard))
        for operation in operations
        if Surface.REST in operation.surfaces
    ]


class Served:
    """One operation as an ASGI application."""

    def __init__(self, operation: Operation[Any, Any], desk: Desk, guard: Guard) -> None:
        reads = operation.method == "GET" and not operation.secret_reply
        self._operation = operation
        self._desk = desk
        self._guard = guard
        self._tagged = reads and operation.answer not in {None, Download}
        self._fixed: tuple[Header, ...] = (_cache_control(operation) if self._tagged else NO_STORE, *_ends(operation))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        scope["csx.route"] = self._operation.path
        caller = Caller(
            principal=NOBODY,
            address=scope.get("csx.address", ""),
            request_id=scope.get("csx.request_id", ""),
        )
        try:
            await self._answer(caller, scope, receive, send)
        except ClientGone:
            return
        except CutShort:
            raise
        except Exception as e:  # noqa: BLE001 - whatever it was is said as a problem, and logged where it is ours
            await self._fail(e, caller, scope, send)

    async def again(self, scope: Any, send: Any, params: Struct, principal: Principal) -> None:
        """Answer a read that was served before, to somebody whom the door has not counted yet."""
        scope["csx.route"] = self._operation.path
        caller = Caller(
            principal=principal, address=scope["csx.address"], request_id=scope["csx.request_id"], at_door=True
        )
        try:
            await self._read(caller, scope, send, params)
        except Exception as e:  # noqa: BLE001 - as above
            await self._fail(e, caller, scope, send)

    async def _fail(self, error: Exception, caller: Caller, scope: Any, send: Any) -> None:
        problem = problem_of(error, caller.request_id)
        problem.headers = caller.headers | problem.headers
        await refuse(send, scope, problem, cookies(caller))

    async def _answer(self, caller: Caller, scope: Any, receive: Any, send: Any) -> None:
        operation = self._operation
        caller.shown = shown(scope["headers"])
        if operation.scope is not Scope.PUBLIC:
            caller.principal = await self._guard.who(
                caller.shown, method=scope["method"], address=caller.address, answer=caller.headers
            )
            check_scope(caller, operation)
        else:
            caller.at_door = True  # what needs nobody is counted by address alone
        params = await _params(operation, scope, receive)
        if operation.write is not None:
            caller.idempotency_key = idempotency_key(scope["headers"])
        if operation.answer is None or operation.answer is Download:
            answer = await call(self._desk, caller, operation, params)
            if isinstance(answer, Download):
                await download(send, answer, self._head(caller), bare=scope["method"] == "HEAD")
            else:
                await nothing(send, status_of(operation), self._head(caller))
            return
        await self._read(caller, scope, send, params)
        if operation.freshness is not None and (know := scope.get(KNOW)) is not None:
            know(scope, self, params, operation.scope)

    async def _read(self, caller: Caller, scope: Any, send: Any, params: Any) -> None:
        operation, bare = self._operation, scope["method"] == "HEAD"
        kept = await call_encoded(self._desk, caller, operation, params)
        head = self._head(caller)
        if self._tagged:
            etag = kept.etag or tag(kept.body)
            head.append((b"etag", etag.encode()))
            if unchanged(scope["headers"], etag):
                await nothing(send, 304, head)
                return
        await reply(send, operation.status, kept.body, [_JSON_HEADER, *head], bare=bare)

    def _head(self, caller: Caller) -> list[Header]:
        return [*self._fixed, *lines(caller.headers), *cookies(caller)]


def cookies(caller: Caller) -> list[Header]:
    """Return what an answer sets."""
    return [(b"set-cookie", line.encode("latin-1")) for line in caller.cookies]


async def _params(operation: Operation[P, Any], scope: Any, receive: Any) -> P:
    if operation.method in QUERIED:
        return of_query(operation, scope["path_params"], scope["query_string"])
    body = await read_body(receive)
    check_kind(body, scope["headers"])
    return of_body(operation, scope["path_params"], scope["query_string"], body)


def _cache_control(operation: Operation[Any, Any]) -> Header:
    fresh_s = int(operation.freshness.fresh_s) if operation.freshness else 0
    return (b"cache-control", b"private, max-age=%d" % fresh_s if fresh_s else b"private, no-cache")


def _ends(operation: Operation[Any, Any]) -> list[Header]:
    """Return what tells of the operation's end: RFC 9745 and RFC 8594."""
    if operation.deprecated_ns is None:
        return []
    found = [
        (b"deprecation", b"@%d" % (operation.deprecated_ns // _SECOND_NS)),
        (b"link", b'</openapi.json>; rel="deprecation"; type="application/json"'),
    ]
    if operation.sunset_ns is not None:
        found.append((b"sunset", formatdate(operation.sunset_ns / _SECOND_NS, usegmt=True).encode()))
    return found
