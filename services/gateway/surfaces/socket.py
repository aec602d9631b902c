"""/v1/stream: the WebSocket as a session wants it."""

from typing import Any

from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketException
from litestar.handlers import WebsocketRouteHandler

from services.gateway.access.keys import AuthError
from services.gateway.problems import Problem
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


def stream(sessions: Sessions) -> WebsocketRouteHandler:
    """Return the handler of the stream; clients sign in by themselves, see docs/api.md."""

    @websocket("/v1/stream", name="/v1/stream", opt={"plain": True})
    async def stream(socket: WebSocket[Any, Any, Any]) -> None:
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

    return stream
