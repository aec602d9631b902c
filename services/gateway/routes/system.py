"""/livez, /readyz, /metrics and /openapi.json."""

from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from services.gateway.access.guard import PUBLIC, READ


class Liveness(Struct, frozen=True):
    """The process answers."""

    alive: bool = True


class Readiness(Struct, frozen=True):
    """Whether requests can be served, and why not."""

    ready: bool
    faults: dict[str, str]


@get("/livez", opt=PUBLIC, operation_id="livez", summary="The process lives", tags=["system"])
async def livez() -> Liveness:
    """Answers while the event loop turns."""
    return Liveness()


@get("/readyz", opt=PUBLIC, operation_id="readyz", summary="Requests can be served", tags=["system"])
async def readyz(request: Request[Any, Any, Any]) -> Response[Readiness]:
    """503 with the reasons while a store or the broker does not answer, or a projection does not move."""
    faults = await request.app.state.faults()
    return Response(Readiness(not faults, faults), status_code=503 if faults else 200)


@get("/metrics", opt=READ, include_in_schema=False)
async def metrics() -> Response[bytes]:
    """For Prometheus; the health port has them without a key."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


@get("/openapi.json", opt=PUBLIC, include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """This API as an OpenAPI 3.1 document."""
    document = msgspec.json.encode(request.app.openapi_schema.to_schema())
    return Response(document, media_type=MediaType.JSON)
