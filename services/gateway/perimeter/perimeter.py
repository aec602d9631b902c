"""What holds for every request before any route: host, origin, request id, security headers, metrics.

The outermost ASGI application, so that answers to unknown routes carry it all too.
"""

import re
import secrets
from collections.abc import Collection
from typing import Any, Final

from litestar.types import ASGIApp, Send

from libs.common.runtime.clock import monotonic_s
from services.gateway import metrics
from services.gateway.problems import MEDIA_TYPE, Problem

HEADERS: Final = (
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=()"),
)

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_MAX_BODY: Final = 64 * 1024


class Perimeter:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        sent_id = headers.get(b"x-request-id", b"")
        request_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else secrets.token_hex(8).encode()
        scope["csx.request_id"] = request_id.decode()
        began_s, status = monotonic_s(), 0

        async def send_marked(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name for name, _ in message["headers"]}
                extra = [(name, value) for name, value in HEADERS if name not in present]
                message["headers"] = [*message["headers"], *extra, (b"x-request-id", request_id)]
            await send(message)

        problem = self._refusal(scope, headers)
        if problem is None:
            await self._app(scope, receive, send_marked)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4403, "reason": problem.code})
        else:
            await _answer(problem, scope, send_marked)
        if scope["type"] == "http":
            route = str(scope.get("csx.route", "none"))
            metrics.REQUESTS.labels(scope["method"], route, str(status)).inc()
            metrics.REQUEST_SECONDS.labels(route).observe(monotonic_s() - began_s)

    def _refusal(self, scope: Any, headers: dict[bytes, bytes]) -> Problem | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._hosts and _name(host) not in self._hosts:
            return Problem("host_not_allowed", "this host name is not served here")
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        changes = scope["type"] == "websocket" or scope["method"] not in {"GET", "HEAD", "OPTIONS"}
        if origin and changes and origin.partition("://")[2] != host and origin not in self._origins:
            return Problem("origin_not_allowed", "pages of this origin may not ask")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > _MAX_BODY:
            return Problem("too_large", f"a request's body has at most {_MAX_BODY} bytes")
        return None


async def _answer(problem: Problem, scope: Any, send: Send) -> None:
    body = problem.encode(scope["path"], scope["csx.request_id"])
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
