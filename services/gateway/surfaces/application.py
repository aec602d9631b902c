"""The HTTP application: a handler for each path of the registry and the plain ones beside it; nothing else."""

from functools import cache
from typing import Any, Final

from litestar import Litestar, Request, Response
from litestar.types import ControllerRouterHandler

from services.gateway.access.guard import Guard
from services.gateway.contracts.asyncapi import asyncapi_document
from services.gateway.contracts.openapi import document
from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.desk import Desk
from services.gateway.problems import MEDIA_TYPE
from services.gateway.stream.opening import Sessions
from services.gateway.surfaces.documents import document_at, explanations
from services.gateway.surfaces.faults import problem_of
from services.gateway.surfaces.gpt import gpt_routes
from services.gateway.surfaces.page import ASSETS, PAGE
from services.gateway.surfaces.plain import probes
from services.gateway.surfaces.rest import handlers
from services.gateway.surfaces.routes import options
from services.gateway.surfaces.rpc import rpc_route
from services.gateway.surfaces.socket import stream_routes
from services.gateway.surfaces.sse import events
from services.gateway.surfaces.tools import mcp_route

LOCAL: Final = "http://127.0.0.1:8080"
"""Where it is served unless the settings say otherwise."""


PLAIN: Final = frozenset(
    {
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/asyncapi.json",
        "/problems",
        "/gpt/openapi.json",
        "/v1/rpc",
        "/mcp",
        "/v1/stream",
        "/v1/stream/sse",
        *ASSETS,
    }
)
"""Every path beside those of the registry and of `/v1/gpt/`; the route walk compares."""


def program_routes(desk: Desk, guard: Guard, *, public_url: str, mcp_writes: bool) -> list[ControllerRouterHandler]:
    """Return the registry's other surfaces: calls by name, actions and tools of assistants."""
    return [
        rpc_route(OPERATIONS, desk, guard),
        *gpt_routes(OPERATIONS, desk, guard, public_url=public_url or LOCAL),
        mcp_route(OPERATIONS, desk, guard, writes=mcp_writes),
    ]


@cache
def _openapi() -> dict[str, Any]:
    return document(OPERATIONS)


def plain_routes(desk: Desk, guard: Guard, sessions: Sessions) -> list[ControllerRouterHandler]:
    """Return everything served outside the registry."""
    return [
        *probes(desk, guard),
        document_at("/openapi.json", _openapi),
        document_at("/asyncapi.json", asyncapi_document),
        explanations(),
        *stream_routes(sessions),
        events(sessions, guard),
        *PAGE,
    ]


def build(desk: Desk, *, guard: Guard, sessions: Sessions, public_url: str = "", mcp_writes: bool = False) -> Litestar:
    """Return the HTTP application over its collaborators; tests pass their own."""
    routes = [
        *handlers(OPERATIONS, desk, guard),
        *program_routes(desk, guard, public_url=public_url, mcp_writes=mcp_writes),
        *plain_routes(desk, guard, sessions),
    ]
    return Litestar(
        route_handlers=[*options(routes), *routes],  # else Litestar makes its own, of a path's first handler
        exception_handlers={Exception: _problem},
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def _problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    scope: Any = request.scope
    request_id = str(scope.get("csx.request_id", ""))
    problem = problem_of(error, request_id)
    return Response(
        problem.encode(request.url.path, request_id),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **problem.headers},
    )
