"""One request on its way through the perimeter: what its head says, and everything that its answer's head must say."""

import secrets
from collections.abc import Callable
from typing import Any, Final

from libs.common.runtime.clock import monotonic_s
from services.gateway.perimeter.deadlines import Deadlines
from services.gateway.perimeter.headers import Header
from services.gateway.perimeter.tracing import request_id, trace_of
from services.gateway.problems import MEDIA_TYPE, Problem

_JSON: Final = b"application/json"
_EVENTS: Final = b"text/event-stream"


class Visit:
    """A request and its answer."""

    __slots__ = (
        "_send",
        "began_s",
        "deadlines",
        "fixed",
        "headers",
        "host",
        "lasting",
        "late",
        "method",
        "on_lasting",
        "origin",
        "scope",
        "status",
    )

    def __init__(self, scope: Any, send: Any) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.method: str = scope.get("method", "GET")
        self.host = self.headers.get(b"host", b"").decode("latin-1").lower()
        self.origin = self.headers.get(b"origin", b"").decode("latin-1").lower()
        self.began_s = monotonic_s()
        self.status = 0
        """Of the answer that was begun; 0: none was."""
        self.lasting = False
        """The answer goes on as long as the client stays."""
        self.on_lasting: Callable[[], None] | None = None
        """Called when the answer turns out to be such."""
        self.late = False
        """Its time was over before an answer began."""
        self.deadlines: Deadlines | None = None
        """Where it has its time."""
        self._send = send
        trace = trace_of(self.headers.get(b"traceparent"))
        scope["csx.request_id"] = found = request_id(self.headers.get(b"x-request-id"), trace)
        self.fixed: list[Header] = [(b"x-request-id", found.encode())]
        if trace:
            scope["csx.trace"] = trace
            self.fixed.append((b"traceparent", f"00-{trace}-{secrets.token_hex(8)}-00".encode()))

    @property
    def json(self) -> bool:
        """Tell whether its body says that it is JSON."""
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == _JSON

    @property
    def preflight(self) -> bool:
        """Tell whether a browser asks whether it may ask."""
        return self.method == "OPTIONS" and bool(self.origin) and b"access-control-request-method" in self.headers

    @property
    def raw_path(self) -> bytes:
        """The path as it was sent."""
        raw: bytes | None = self.scope.get("raw_path")
        return self.scope["path"].encode("utf-8", "replace") if raw is None else raw.partition(b"?")[0]

    async def send(self, message: Any) -> None:
        """Pass on what the application answers; its first word ends the deadline."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.deadlines is not None:
                self.deadlines.end(self)
            for name, value in message["headers"]:
                if name == b"content-type" and value.startswith(_EVENTS):
                    self.lasting = True
                    if self.on_lasting is not None:
                        self.on_lasting()
            message["headers"] = [*message["headers"], *self.fixed]
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem."""
        body = problem.encode(self.scope["path"], self.scope["csx.request_id"])
        own = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in problem.headers.items()]
        head = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *own,
        ]
        await self.answer(problem.status, head, b"" if self.method == "HEAD" else body)

    async def answer(self, status: int, headers: list[Header], body: bytes = b"") -> None:
        """Answer in the perimeter itself."""
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})
