"""Operations on the stream: what opens it for clients that cannot send headers."""

from typing import Final

from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Example, Nothing, Operation, Surface
from services.gateway.problems import Problem
from services.gateway.schemas.system import Ticket


async def _ticket(desk: Desk, caller: Caller, _wanted: Nothing) -> Ticket:
    if desk.sessions is None:
        raise Problem("dependency_down", "there is no stream in this process")
    return await desk.sessions.ticket(caller.principal)


STREAM: Final = (
    Operation(
        name="stream.ticket",
        method="POST",
        path="/v1/stream/tickets",
        params=Nothing,
        answer=Ticket,
        read=_ticket,
        scope=Scope.STREAM,
        summary="A word that opens one stream, once",
        detail="For clients that cannot send headers: connect to `/v1/stream?ticket=...` within half a minute.",
        tag="stream",
        example=Example({}),
        surfaces=Surface.REST,
        status=201,
    ),
)
