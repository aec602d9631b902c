"""/v1/stream/sse: the stream as server-sent events, for programs that speak no WebSockets; it resumes by itself."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from services.gateway.access.guard import Guard
from services.gateway.access.keys import AuthError
from services.gateway.access.principal import Principal
from services.gateway.access.scopes import Scope
from services.gateway.operations.parsing import parse
from services.gateway.problems import Problem, field_problem
from services.gateway.stream.channels import CHANNELS
from services.gateway.stream.closing import Close
from services.gateway.stream.cursors import Spot, read, write
from services.gateway.stream.lines import QueuedLine
from services.gateway.stream.opening import Sessions
from services.gateway.stream.requests import Request, topics_of
from services.gateway.stream.words import Closing, told
from services.gateway.surfaces.asking import who_asks
from services.gateway.surfaces.faults import problem_of
from services.gateway.surfaces.given import query_fields
from services.gateway.surfaces.replies import NO_STORE, Header, refuse
from services.gateway.surfaces.routes import route

PATH: Final = "/v1/stream/sse"
_HEAD: Final[tuple[Header, ...]] = ((b"content-type", b"text/event-stream"), NO_STORE, (b"x-accel-buffering", b"no"))


class Wanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"since": "from"}):
    """What a stream of events is to hold."""

    channels: Annotated[str, Meta(max_length=200, description="Names of channels, commas between")]
    symbols: Annotated[str, Meta(max_length=2000, description="Canonical symbols, commas between; else all")] = ""
    venue: Annotated[str, Meta(max_length=64, description="One venue; else all")] = ""
    since: Annotated[str, Meta(max_length=2000, description="`id` of the last event; `Last-Event-ID` counts more")] = ""
    ticket: Annotated[str, Meta(max_length=200, description="In place of a header")] = ""


class _Head(Struct, frozen=True):
    type: str
    channel: str = ""
    cursor: str | None = None
    cursors: dict[str, str] = {}


_head: Final = msgspec.json.Decoder(_Head).decode


def events(sessions: Sessions, guard: Guard) -> HTTPRouteHandler:
    """Return the handler of the stream of events."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        scope["csx.route"] = PATH
        try:
            wanted = parse(Wanted, query_fields(Wanted, {}, scope["query_string"]), texts=True)
            principal = await _who(sessions, guard, scope, wanted.ticket)
            requests, spots = await _requests(sessions, scope, wanted, principal)
        except Exception as e:  # noqa: BLE001 - whatever it was is said as a problem, and logged where it is ours
            await refuse(send, scope, problem_of(e, scope.get("csx.request_id", "")))
            return
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEAD)})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await _stream(
            sessions, principal, scope.get("csx.address", ""), requests, Events(sessions, spots, send), receive
        )

    return route(PATH, "GET", serve)


class Events:
    """Messages to events; an event's id says where the client is in every kept channel."""

    def __init__(self, sessions: Sessions, spots: dict[str, Spot], send: Any) -> None:
        self._cursors = sessions.cursors
        self._spots = spots
        self._send = send

    async def write(self, payload: bytes) -> None:
        """Send one message."""
        await self._send({"type": "http.response.body", "body": self.event(payload), "more_body": True})

    async def goodbye(self, code: int, reason: str) -> None:
        """Say why it ends, and end."""
        last = b"event: closing\ndata: %b\n\n" % told(Closing(code=int(code), reason=reason))
        await self._send({"type": "http.response.body", "body": last, "more_body": False})

    def event(self, payload: bytes) -> bytes:
        """Return a message as an event."""
        head = _head(payload)
        moved = dict(head.cursors)
        if head.cursor is not None and head.type != "snapshot":  # a snapshot goes back; where it ends was said before
            moved[head.channel] = head.cursor
        for word in moved.values():
            self._spots.update(read(self._cursors, word))
        if not moved:
            return b"event: %b\ndata: %b\n\n" % (head.type.encode(), payload)
        where = write(self._cursors, self._spots).encode()
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (where, head.type.encode(), payload)


async def _who(sessions: Sessions, guard: Guard, scope: Any, ticket: str) -> Principal:
    if ticket:
        try:
            principal = await sessions.who(None, ticket)
        except AuthError as e:
            raise field_problem("unauthenticated", "ticket", str(e)) from e
        assert principal is not None, "a ticket speaks for somebody"
    else:
        principal = await who_asks(scope, guard)
    if principal.may(Scope.STREAM):
        return principal
    if not principal.credential:
        raise field_problem("unauthenticated", "Authorization", "send an API key: Bearer csx_live_...")
    raise Problem("forbidden", f"this needs the scope {Scope.STREAM}")


async def _requests(
    sessions: Sessions, scope: Any, wanted: Wanted, principal: Principal
) -> tuple[list[Request], dict[str, Spot]]:
    if (full := sessions.hub.refusal(scope.get("csx.address", ""))) is not None:
        if full is Close.DRAIN:
            raise Problem("dependency_down", "this process ends; try again")
        raise Problem("too_many_connections", "there are too many streams; close one")
    last = next((value for name, value in scope["headers"] if name == b"last-event-id"), b"").decode("latin-1")
    word = last or wanted.since
    spots = read(sessions.cursors, word) if word else {}
    symbols = tuple(symbol for symbol in wanted.symbols.split(",") if symbol)
    requests = []
    for name in dict.fromkeys(wanted.channels.split(",")):
        since = write(sessions.cursors, {name: spots[name]}) if name in spots else ""
        request = Request(op="subscribe", id=name, channel=name, symbols=symbols, venue=wanted.venue, since=since)
        for topic in topics_of(request, principal):
            if topic.symbol:
                await sessions.board.choose(topic.symbol, topic.venue or None)
        requests.append(request)
    kept = {request.channel for request in requests if CHANNELS[request.channel].kept}
    return requests, {channel: spot for channel, spot in spots.items() if channel in kept}


async def _stream(
    sessions: Sessions, principal: Principal, address: str, requests: list[Request], to: Events, receive: Any
) -> None:
    line = QueuedLine(to.write, to.goodbye, send_s=sessions.send_s)
    session = sessions.open(line, principal, address)
    line.room = session.client.room
    for request in requests:
        session.hear(msgspec.json.encode(request))

    async def until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        line.abort()

    waiting = asyncio.create_task(until_gone(), name="stream listener")
    try:
        await line.pump()
    finally:
        waiting.cancel()
        session.gone()
        await asyncio.gather(waiting, return_exceptions=True)
