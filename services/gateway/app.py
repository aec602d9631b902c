"""The gateway service: topics in through two folds, HTTP and WebSocket out; the only file that wires side effects."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from libs.common.bus.admin import ensure_topics
from libs.common.bus.kafka import connect, fold
from libs.common.bus.topics import GATEWAY_REJECTS, TOPICS
from libs.common.events import Direction, Origin, Timeframe
from libs.common.runtime.errors import ConfigurationError, DependencyDown
from libs.common.runtime.migrations import migrate
from libs.common.runtime.process import Process
from services.gateway import __doc__ as about
from services.gateway.access.guard import Guard, guard
from services.gateway.access.keyring import Keyring
from services.gateway.board import Board
from services.gateway.outages import OUTAGES
from services.gateway.perimeter.perimeter import Perimeter
from services.gateway.problems import MEDIA_TYPE, FieldError, Problem
from services.gateway.projections.history import HISTORY_TOPICS, History
from services.gateway.projections.live import LIVE_TOPICS, Live
from services.gateway.routes import ROUTES
from services.gateway.server import serve
from services.gateway.settings import Settings
from services.gateway.store.latest import Latest
from services.gateway.store.store import Store
from services.gateway.stream.announcing import announce
from services.gateway.stream.hub import Hub, Message, update
from services.gateway.stream.opening import Sessions

log = logging.getLogger(__name__)

Faults = Callable[[], Awaitable[dict[str, str]]]

_VERSION = "1.0.0"
_FLUSH_S = 0.1
_HEALTH_S = 2.0
_END_S = 2.0
_MISSING = re.compile(r"Missing required query parameter '(\w+)'")
_ALLOWED = {"timeframe": Timeframe, "direction": Direction, "origin": Origin}


def build(*, board: Board, access: Guard, sessions: Sessions, faults: Faults) -> Litestar:
    """Return the HTTP application over its collaborators; tests pass their own."""
    return Litestar(
        route_handlers=list(ROUTES),
        guards=[guard],
        dependencies={
            "board": Provide(lambda: board, sync_to_thread=False),
            "sessions": Provide(lambda: sessions, sync_to_thread=False),
        },
        state=State({"guard": access, "faults": faults}),
        exception_handlers={
            Problem: _problem,
            HTTPException: _http_error,
            Exception: _fault,
        },
        openapi_config=OpenAPIConfig(
            title="CryptoSatX gateway",
            version=_VERSION,
            description=f"{about}\n\nEvery operation under /v1 needs an API key. Problems are RFC 9457 documents.",
            components=Components(
                security_schemes={
                    "key": SecurityScheme(type="http", scheme="bearer", description="An API key: csx_live_...")
                }
            ),
            security=[{"key": []}],
            use_handler_docstrings=True,
        ),
        logging_config=None,
        request_max_body_size=64 * 1024,
        debug=False,
    )


async def main(process: Process, settings: Settings) -> None:
    """Wire the service to its environment and start it."""
    dsn = settings.postgres_dsn.get_secret_value()
    if not dsn:
        raise ConfigurationError("CSX_POSTGRES_DSN is missing: the gateway keeps its history in PostgreSQL")
    await ensure_topics(settings.kafka_bootstrap, TOPICS)
    await migrate(dsn, "services.gateway.migrations", "gateway")
    store = Store(dsn)
    latest = Latest.at(settings.redis_url.get_secret_value(), stale_after_s=settings.stale_after_s)
    await store.start()
    process.on_stop(store.stop)
    process.on_stop(latest.stop)
    if fault := await latest.fault():
        raise DependencyDown(f"{fault}: nothing answers at CSX_REDIS_URL")
    process.check("postgres", store.fault)
    process.check("redis", latest.fault)

    history, live = History(store, latest), Live(store, latest)
    await live.restore()
    process.on_stop(lambda: live.flush(everything=True))
    bus = connect(settings, "csx-gateway", process)
    fold(bus, *HISTORY_TOPICS, group="gateway.history", handler=history, rejects=GATEWAY_REJECTS)
    fold(bus, *LIVE_TOPICS, group="gateway.live", handler=live, rejects=GATEWAY_REJECTS)

    board = Board(store, latest, stale_after_s=settings.stale_after_s)
    hub = Hub(max_clients=settings.max_clients, queue_size=settings.queue_size)
    keyring = Keyring(store, bootstrap=settings.bootstrap_key.get_secret_value())
    access = Guard(keyring, anonymous=settings.anonymous)
    sessions = Sessions(hub, board, access, latest, heartbeat_s=settings.heartbeat_s)
    app = build(board=board, access=access, sessions=sessions, faults=process.health.faults)
    beside = [
        process.spawn(hub.relay(latest.redis), name="stream relay"),
        process.spawn(_flush(live), name="book flush"),
        process.spawn(announce_health(hub, board), name="stream health"),
    ]
    process.on_stop(lambda: _end(beside))
    await bus.start()
    perimeter = Perimeter(app, hosts=settings.hosts, origins=settings.allowed_origins)
    stop = await serve(perimeter, settings.host, settings.port, process)
    process.on_stop(stop)
    process.on_stop(hub.drain)
    if settings.anonymous:
        log.warning("reading without a key is on: the sandbox market, this machine only")


async def _end(tasks: list["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_END_S)


async def announce_health(hub: Hub, board: Board, interval_s: float = _HEALTH_S) -> None:
    """Tell this process's own clients how the feeds are, while any of them listens."""
    while True:
        await asyncio.sleep(interval_s)
        if hub.wanted("health"):
            try:
                message: Message = update(announce("health", "", "", await board.health()))
            except OUTAGES as e:
                log.warning("health could not be read", extra={"error": repr(e)})
                continue
            hub.send(message)


async def _flush(live: Live) -> None:
    while True:
        await asyncio.sleep(_FLUSH_S)
        try:
            await live.flush()
        except OUTAGES as e:
            log.warning("books could not be written", extra={"error": repr(e)})


def _respond(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    scope: Any = request.scope
    return Response(
        problem.encode(request.url.path, str(scope.get("csx.request_id", ""))),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=problem.headers,
    )


def _problem(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    return _respond(request, problem)


def _http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    match error:
        case ValidationException():
            faults = [_field_error(fault) for fault in error.extra or [] if isinstance(fault, dict)]
            if missing := _MISSING.search(error.detail):
                faults.append(_field_error({"key": missing[1], "message": "is needed"}))
            detail = "; ".join(f"{fault.field}: {fault.message}" for fault in faults) or error.detail
            return _respond(request, Problem("invalid_parameter", detail, *faults))
        case NotFoundException():
            return _respond(request, Problem("not_found", "there is nothing at this path: see /openapi.json"))
        case MethodNotAllowedException():
            return _respond(
                request, Problem("method_not_allowed", "see /openapi.json", headers=dict(error.headers or {}))
            )
    if error.status_code == 413:
        return _respond(request, Problem("too_large", error.detail))
    if error.status_code < 500:
        return _respond(request, Problem("bad_request", error.detail))
    return _fault(request, error)


def _fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    if isinstance(error, OUTAGES):
        log.warning("a store does not answer", extra={"error": repr(error)})
        return _respond(request, Problem("dependency_down", "a store does not answer; try again"))
    scope: Any = request.scope
    log.error("a request failed", exc_info=error, extra={"request_id": scope.get("csx.request_id")})
    return _respond(request, Problem("internal", "the gateway failed; the request id leads to its log"))


def _field_error(fault: dict[str, Any]) -> FieldError:
    field = str(fault.get("key", ""))
    message = str(fault.get("message", "does not fit"))
    if words := _ALLOWED.get(field):
        message = f"must be one of {', '.join(words)}"
    return FieldError(field, message)
