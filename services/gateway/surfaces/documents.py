"""The contracts as they are served: made once, from the registry."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from services.gateway.contracts.explained import page
from services.gateway.surfaces.files import File
from services.gateway.surfaces.plain import plain


def document_at(path: str, document: Mapping[str, Any]) -> HTTPRouteHandler:
    """Return the handler of one JSON document."""
    return plain(path, File(msgspec.json.encode(document), "application/json"))


def explanations() -> HTTPRouteHandler:
    """Return the handler of the page that explains problems."""
    return plain("/problems", File(page().encode(), "text/html; charset=utf-8"))
