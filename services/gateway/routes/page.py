"""The web page: a handful of named files; public, for they hold no data."""

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from services.gateway.access.guard import PUBLIC

ASSETS: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/chart.js": ("chart.js", "text/javascript; charset=utf-8"),
    "/layers.js": ("layers.js", "text/javascript; charset=utf-8"),
    "/link.js": ("link.js", "text/javascript; charset=utf-8"),
    "/numbers.js": ("numbers.js", "text/javascript; charset=utf-8"),
    "/parts.js": ("parts.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/favicon.svg": ("favicon.svg", "image/svg+xml"),
}
"""Path to file and media type."""


def _asset(path: str, name: str, kind: str) -> HTTPRouteHandler:
    body = (resources.files("services.gateway.dashboard") / name).read_bytes()
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}

    async def asset(request: Request[Any, Any, Any]) -> Response[bytes]:
        if request.headers.get("if-none-match") == tag:
            return Response(b"", status_code=304, headers=headers)
        return Response(body, media_type=kind, headers=headers)

    handler: Callable[..., Awaitable[Response[bytes]]] = asset
    return get(path, opt=PUBLIC, include_in_schema=False, name=name)(handler)


PAGE: Final = tuple(_asset(path, name, kind) for path, (name, kind) in ASSETS.items())
