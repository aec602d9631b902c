"""/v1/stream: the WebSocket, and tickets that open it."""

from typing import Any

from litestar import Request, WebSocket, post, websocket
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketException

from services.gateway.access.guard import PUBLIC, READ, problems
from services.gateway.access.keys import AuthError
from services.gateway.problems import Problem
from services.gateway.schemas.system import Ticket
from services.gateway.stream.hub import Close
from services.gateway.stream.opening import Sessions


class _Wire:
    def __init__(self, socket: WebSocket[Any, Any, Any]) -> None:
        self._socket = socket

    async def receive(self) -> str | None:
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            return None
        text = message.get("text")
        return text if text is not None else (message.get("bytes") or b"").decode("utf-8", "replace")

    async def send(self, text: str) -> None:
        await self._socket.send_data(text, mode="text")

    async def close(self, code: int, reason: str) -> None:
        await self._socket.close(code=code, reason=reason)


@websocket("/v1/stream", opt=PUBLIC | {"query": ("ticket",)})
async def stream(socket: WebSocket[Any, Any, Any], sessions: NamedDependency[Sessions]) -> None:
    """Price, book, candles, readings, signals and health, live; signs in by itself, see docs/api.md."""
    await socket.accept()
    wire = _Wire(socket)
    try:
        try:
            principal = await sessions.who(socket.headers.get("authorization"), socket.query_params.get("ticket"))
        except (AuthError, Problem) as e:
            await wire.close(Close.UNAUTHENTICATED, str(e))
            return
        await sessions.open(wire).run(principal)
    except WebSocketException:
        return  # the client has gone while we spoke


@post(
    "/v1/stream/tickets",
    opt=READ,
    operation_id="createStreamTicket",
    summary="A word that opens one stream, once",
    tags=["stream"],
    responses=problems(),
)
async def ticket(request: Request[Any, Any, Any], sessions: NamedDependency[Sessions]) -> Ticket:
    """For clients that cannot send headers: connect to `/v1/stream?ticket=...` within half a minute."""
    scope: Any = request.scope
    return await sessions.ticket(scope["csx.principal"])
