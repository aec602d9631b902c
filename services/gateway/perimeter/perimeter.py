"""What holds for every request before any route: where it came from and how, what it may weigh, how long it may take.

The outermost ASGI application, so that answers to unknown routes, and its own refusals, carry the same headers.
"""

import asyncio
from typing import Any, Final

from litestar.types import ASGIApp
from msgspec import Struct

from libs.common.runtime.clock import monotonic_s
from services.gateway.perimeter import metrics
from services.gateway.perimeter.bodies import READ_S, Bodies, Gone, replayed
from services.gateway.perimeter.cors import SAFE, Cors, same_origin
from services.gateway.perimeter.deadlines import Deadlines
from services.gateway.perimeter.headers import HEADERS, STRICT_TRANSPORT, oversize
from services.gateway.perimeter.hosts import Hosts
from services.gateway.perimeter.proxies import Proxies
from services.gateway.perimeter.transport import PROBES, Transport, insecure, location
from services.gateway.perimeter.visit import Visit
from services.gateway.problems import Problem

ANSWER_S: Final = 20.0
"""An answer begins within so many seconds; operations have less."""
MAX_IN_FLIGHT: Final = 512

_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Rules(Struct, frozen=True, kw_only=True):
    """What is let in."""

    hosts: frozenset[str] = frozenset()
    """Names that requests may give us; none: any."""
    origins: frozenset[str] = frozenset()
    """Origins of other pages that may ask."""
    credentials: bool = False
    """Their browsers may send cookies."""
    proxies: tuple[str, ...] = ()
    """Networks of the proxies whose word is taken."""
    transport: Transport = Transport.PLAIN
    max_in_flight: int = MAX_IN_FLIGHT
    answer_s: float = ANSWER_S
    read_s: float = READ_S
    """A body is whole within so many seconds."""


class Perimeter:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, rules: Rules | None = None) -> None:
        rules = rules or Rules()
        self._app = app
        self._hosts = Hosts(rules.hosts)
        self._cors = Cors(rules.origins, credentials=rules.credentials)
        self._proxies = Proxies(rules.proxies)
        self._transport = rules.transport
        self._bodies = Bodies(read_s=rules.read_s)
        self._max_in_flight = rules.max_in_flight
        self._deadlines = Deadlines(rules.answer_s)
        self._in_flight = 0
        metrics.IN_FLIGHT.set_function(lambda: self._in_flight)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        visit = Visit(scope, send)
        peer = (scope.get("client") or ("",))[0]
        scope["csx.address"] = self._proxies.client(peer, scope["headers"])
        secure = self._secure(peer, scope)
        visit.fixed += HEADERS
        visit.fixed += self._cors.headers(visit.origin)
        if secure:
            visit.fixed.append(STRICT_TRANSPORT)
        problem = self._refusal(visit, secure=secure)
        if problem is not None:
            metrics.REFUSED.labels(problem.code).inc()
        if scope["type"] == "websocket":
            await self._connect(visit, receive, send, problem)
            return
        try:
            await self._serve(visit, receive, problem)
        finally:
            route = str(scope.get("csx.route", "none"))
            metrics.answered(visit.method, route, visit.status, monotonic_s() - visit.began_s)

    async def _connect(self, visit: Visit, receive: Any, send: Any, problem: Problem | None) -> None:
        if problem is None:
            await self._app(visit.scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 4403, "reason": problem.code})

    async def _serve(self, visit: Visit, receive: Any, problem: Problem | None) -> None:
        if problem is not None:
            if problem.code == "https_required" and visit.method in SAFE:
                to = location(visit.host, visit.raw_path, visit.scope["query_string"])
                await visit.answer(308, [(b"location", to.encode("latin-1")), (b"content-length", b"0")])
            else:
                await visit.refuse(problem)
        elif visit.preflight:
            await visit.answer(204, self._cors.preflight())
        elif self._in_flight >= self._max_in_flight and visit.scope["path"] not in PROBES:
            metrics.REFUSED.labels("too_many_connections").inc()
            await visit.refuse(Problem("too_many_connections", "too many requests are being answered; try again"))
        else:
            await self._admit(visit, receive)

    async def _admit(self, visit: Visit, receive: Any) -> None:
        self._in_flight += 1
        visit.on_lasting = self._leave  # a stream of events is bounded elsewhere
        try:
            await self._enter(visit, receive)
        finally:
            if not visit.lasting:
                self._leave()

    def _leave(self) -> None:
        self._in_flight -= 1

    async def _enter(self, visit: Visit, receive: Any) -> None:
        scope = visit.scope
        if visit.method not in _BODILESS:
            try:
                body = await self._bodies.whole(receive, scope["csx.address"], json=visit.json)
            except Gone:
                return
            except Problem as e:
                metrics.REFUSED.labels(e.code).inc()
                await visit.refuse(e)
                return
            receive = replayed(body, receive)
        visit.deadlines = self._deadlines
        self._deadlines.begin(visit)
        try:
            await self._app(scope, receive, visit.send)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not visit.late or task is None or task.uncancel():
                raise
            detail = f"there was no answer within {self._deadlines.seconds:g} s; try again"
            await visit.refuse(Problem("time_exceeded", detail))
        finally:
            self._deadlines.end(visit)

    def _secure(self, peer: str, scope: Any) -> bool:
        if self._transport is Transport.PROXY:
            return self._proxies.trusted(peer) and self._proxies.secure(scope["headers"])
        return self._transport is Transport.TLS

    def _refusal(self, visit: Visit, *, secure: bool) -> Problem | None:
        scope = visit.scope
        if problem := oversize(scope["headers"], visit.raw_path, scope["query_string"]):
            return problem
        if not self._hosts.serve(visit.host):
            return Problem("host_not_allowed", "this host name is not served here")
        if not secure and self._transport is not Transport.PLAIN and scope["path"] not in PROBES:
            return insecure(visit.method)
        if visit.origin and (problem := self._foreign(visit)):
            return problem
        return self._bodies.announced(visit.headers) if scope["type"] == "http" else None

    def _foreign(self, visit: Visit) -> Problem | None:
        changes = visit.scope["type"] == "websocket" or visit.method not in SAFE or b"upgrade" in visit.headers
        if not changes and not visit.preflight:
            return None
        scheme = None if self._transport is Transport.PLAIN else "https"
        if same_origin(visit.origin, visit.host, scheme=scheme) or self._cors.listed(visit.origin):
            return None
        return Problem("origin_not_allowed", "pages of this origin may not ask")
