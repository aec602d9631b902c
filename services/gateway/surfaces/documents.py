"""The contracts as they are served: made once, from the registry."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from services.gateway.contracts.explained import page
from services.gateway.surfaces.plain import plain
from services.gateway.surfaces.replies import served


def document_at(path: str, document: Mapping[str, Any]) -> HTTPRouteHandler:
    """Return the handler of one JSON document."""
    body = msgspec.json.encode(document)

    async def answer(scope: Any, send: Any) -> None:
        await served(scope, send, body, "application/json")

    return plain(path, answer)


def explanations() -> HTTPRouteHandler:
    """Return the handler of the page that explains problems."""
    body = page().encode()

    async def answer(scope: Any, send: Any) -> None:
        await served(scope, send, body, "text/html; charset=utf-8")

    return plain("/problems", answer)
