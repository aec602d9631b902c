"""The contracts as they are served: made at the first request, from the registry."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from services.gateway.contracts.explained import page
from services.gateway.surfaces.files import File
from services.gateway.surfaces.plain import plain


def document_at(path: str, make: Callable[[], Mapping[str, Any]]) -> HTTPRouteHandler:
    """Return the handler of one JSON document."""
    return _lazy(path, lambda: File(msgspec.json.encode(make()), "application/json"))


def explanations() -> HTTPRouteHandler:
    """Return the handler of the page that explains problems."""
    return _lazy("/problems", lambda: File(page().encode(), "text/html; charset=utf-8"))


def _lazy(path: str, make: Callable[[], File]) -> HTTPRouteHandler:
    made = cache(make)  # most processes are never asked, and it takes a tenth of a second

    async def serve(scope: Any, send: Any) -> None:
        await made()(scope, send)

    return plain(path, serve)
