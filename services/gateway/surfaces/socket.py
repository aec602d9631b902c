"""/v1/stream: a WebSocket to a session; clients sign in by header, ticket or first message, see docs/api.md."""

from typing import Any, Final
from urllib.parse import parse_qs

from litestar import WebSocket, websocket
from litestar.handlers import HTTPRouteHandler, WebsocketRouteHandler
from websockets.utils import accept_key

from services.gateway.access.keys import AuthError
from services.gateway.access.principal import Principal
from services.gateway.access.scopes import Scope
from services.gateway.problems import Problem
from services.gateway.stream.closing import Close
from services.gateway.stream.opening import Sessions
from services.gateway.stream.relayed import relay
from services.gateway.stream.taking import CannotTake, Wire, take
from services.gateway.surfaces.faults import problem_of
from services.gateway.surfaces.replies import refuse
from services.gateway.surfaces.routes import route

PATH: Final = "/v1/stream"
_VERSION: Final = b"13"
_KEY_LENGTH: Final = 24
_TOO_MANY: Final = 429


def stream_routes(sessions: Sessions) -> tuple[HTTPRouteHandler, WebsocketRouteHandler]:
    """Return the handlers of the stream: of handshakes that become ours, and of those that the server keeps."""

    async def serve(scope: Any, _receive: Any, send: Any) -> None:
        scope["csx.route"] = PATH
        try:
            await _upgrade(sessions, scope, send)
        except Exception as e:  # noqa: BLE001 - whatever it was is said as a problem, and logged where it is ours
            await refuse(send, scope, problem_of(e, scope.get("csx.request_id", "")))

    @websocket(PATH, name=PATH, opt={"plain": True})
    async def kept(socket: WebSocket[Any, Any, Any]) -> None:  # the server speaks TLS: it alone can read the connection
        scope: Any = socket.scope
        await socket.accept()
        principal, refusal = await _who(sessions, scope)
        await relay(sessions, principal, scope.get("csx.address", ""), socket.receive, socket.send, refusal)

    return route(PATH, "GET", serve), kept


async def _upgrade(sessions: Sessions, scope: Any, send: Any) -> None:
    headers = dict(scope["headers"])
    key = headers.get(b"sec-websocket-key", b"")
    if headers.get(b"upgrade", b"").lower() != b"websocket" or len(key) != _KEY_LENGTH:
        raise Problem("bad_request", "this is a WebSocket: connect by ws:// or wss://, or take /v1/stream/sse")
    if headers.get(b"sec-websocket-version") != _VERSION:
        raise Problem("bad_request", "the version of WebSockets is 13", headers={"Sec-WebSocket-Version": "13"})

    proof = accept_key(key.decode("latin-1")).encode()

    async def answer() -> None:
        head = [(b"upgrade", b"websocket"), (b"connection", b"upgrade"), (b"sec-websocket-accept", proof)]
        await send({"type": "http.response.start", "status": 101, "headers": head})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    principal, refusal = await _who(sessions, scope)
    wire = Wire()
    (host, port), (_, own_port) = scope["client"], scope["server"]
    try:
        await take((str(host), int(port)), int(own_port), answer, wire)
    except CannotTake as e:
        raise Problem("internal", "the connection could not become a stream") from e
    welcome(sessions, wire, principal, scope.get("csx.address", ""), refusal)


def welcome(
    sessions: Sessions, wire: Wire, principal: Principal | None, address: str, refusal: tuple[int, str] | None
) -> None:
    """Begin a session on a connection that is ours, or close it with the reason."""
    if refusal is None and (full := sessions.hub.refusal(address)) is not None:
        refusal = full, full.name.lower()
    if refusal is not None:
        wire.end(*refusal)
        return
    session = sessions.open(wire, principal, address)
    wire.listen(session.hear, session.client.room, session.gone)


async def _who(sessions: Sessions, scope: Any) -> tuple[Principal | None, tuple[int, str] | None]:
    headers = dict(scope["headers"])
    header = headers.get(b"authorization")
    tickets = parse_qs(scope["query_string"].decode("latin-1")).get("ticket")
    try:
        principal = await sessions.who(
            None if header is None else header.decode("latin-1"),
            tickets[0] if tickets else None,
            scope.get("csx.address", ""),
        )
    except (AuthError, Problem) as e:
        limited = isinstance(e, Problem) and e.status == _TOO_MANY
        return None, (Close.RATE if limited else Close.UNAUTHENTICATED, str(e))
    if principal is not None and not principal.may(Scope.STREAM):
        return None, (Close.REVOKED, f"this needs the scope {Scope.STREAM}")
    return principal, None
