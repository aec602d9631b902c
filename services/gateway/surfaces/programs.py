"""Paths for programs beside the registry's own: who asks is known before anything is read, answers are JSON."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from litestar.handlers import HTTPRouteHandler

from services.gateway.access.guard import Guard
from services.gateway.access.principal import NOBODY
from services.gateway.operations.desk import Caller
from services.gateway.problems import field_problem
from services.gateway.surfaces.asking import who_asks
from services.gateway.surfaces.bodies import ClientGone
from services.gateway.surfaces.faults import problem_of
from services.gateway.surfaces.replies import JSON, NO_STORE, lines, refuse, reply
from services.gateway.surfaces.routes import route

Answer: TypeAlias = Callable[[Caller, Any, Any], Awaitable[bytes]]
"""Who asks, ASGI scope and receive to a JSON body."""
Talk: TypeAlias = Callable[[Caller, Any, Any, Any], Awaitable[None]]
"""Who asks, ASGI scope, receive and send: what answers by itself."""


def program(path: str, method: str, guard: Guard, answer: Answer) -> HTTPRouteHandler:
    """Return a handler that answers JSON to whoever is somebody."""

    async def talk(caller: Caller, scope: Any, receive: Any, send: Any) -> None:
        body = await answer(caller, scope, receive)
        head = [(b"content-type", JSON), NO_STORE, *lines(caller.headers)]
        await reply(send, 200, body, head, bare=scope["method"] == "HEAD")

    return conversation(path, method, guard, talk)


def conversation(path: str, method: str, guard: Guard, talk: Talk) -> HTTPRouteHandler:
    """Return a handler of whoever is somebody; nobody is told anything."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        scope["csx.route"] = path
        request_id = str(scope.get("csx.request_id", ""))
        caller = Caller(principal=NOBODY, address=scope.get("csx.address", ""), request_id=request_id)
        try:
            await _enter(caller, scope, guard)
            await talk(caller, scope, receive, send)
        except ClientGone:
            return
        except Exception as e:  # noqa: BLE001 - whatever it was is said as a problem, and logged where it is ours
            problem = problem_of(e, request_id)
            problem.headers = {**caller.headers, **problem.headers}
            await refuse(send, scope, problem)

    return route(path, method, serve)


async def _enter(caller: Caller, scope: Any, guard: Guard) -> None:
    caller.principal = await who_asks(scope, guard, caller.headers)
    if not caller.principal.credential:
        raise field_problem("unauthenticated", "Authorization", "send an API key: Bearer csx_live_...")
