"""What is served beside the registry, by name: probes, documents, metrics, the page, the stream's socket."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from services.gateway.access.guard import Guard
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Desk
from services.gateway.problems import Problem, field_problem
from services.gateway.schemas.probes import Liveness, Readiness
from services.gateway.surfaces.asking import who_asks
from services.gateway.surfaces.faults import problem_of
from services.gateway.surfaces.replies import NO_STORE, refuse, reply
from services.gateway.surfaces.routes import route

Answer = Callable[[Any, Any], Awaitable[None]]
"""ASGI scope and send, of a GET or a HEAD."""

_JSON: Final = b"application/json"


def plain(path: str, answer: Answer) -> HTTPRouteHandler:
    """Return a handler of one path outside the registry."""

    async def serve(scope: Any, _receive: Any, send: Any) -> None:
        scope["csx.route"] = path
        try:
            await answer(scope, send)
        except Exception as e:  # noqa: BLE001 - whatever it was is said as a problem, and logged where it is ours
            await refuse(send, scope, problem_of(e, scope.get("csx.request_id", "")))

    return route(path, "GET", serve)


def probes(desk: Desk, guard: Guard) -> list[HTTPRouteHandler]:
    """Return what tells machines how this process is."""

    async def livez(scope: Any, send: Any) -> None:
        await _json(scope, send, 200, Liveness())

    async def readyz(scope: Any, send: Any) -> None:
        faults = await desk.faults()
        await _json(scope, send, 503 if faults else 200, Readiness(not faults, faults))

    async def metrics(scope: Any, send: Any) -> None:
        await _check(scope, guard, Scope.ADMIN_SYSTEM)
        head = [(b"content-type", CONTENT_TYPE_LATEST.encode()), NO_STORE]
        await reply(send, 200, generate_latest(REGISTRY), head, bare=scope["method"] == "HEAD")

    return [plain("/livez", livez), plain("/readyz", readyz), plain("/metrics", metrics)]


async def _check(scope: Any, guard: Guard, needed: Scope) -> None:
    principal = await who_asks(scope, guard)
    if not principal.may(needed):
        if not principal.credential:
            raise field_problem("unauthenticated", "Authorization", "send an API key: Bearer csx_live_...")
        raise Problem("forbidden", f"this needs the scope {needed}")


async def _json(scope: Any, send: Any, status: int, answer: Struct) -> None:
    head = [(b"content-type", _JSON), NO_STORE]
    await reply(send, status, msgspec.json.encode(answer), head, bare=scope["method"] == "HEAD")
