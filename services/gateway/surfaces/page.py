"""The web page: a handful of named files; public, for they hold no data."""

from importlib import resources
from typing import Final

from litestar.handlers import HTTPRouteHandler

from services.gateway.surfaces.files import File
from services.gateway.surfaces.plain import plain

ASSETS: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/chart.js": ("chart.js", "text/javascript; charset=utf-8"),
    "/layers.js": ("layers.js", "text/javascript; charset=utf-8"),
    "/link.js": ("link.js", "text/javascript; charset=utf-8"),
    "/numbers.js": ("numbers.js", "text/javascript; charset=utf-8"),
    "/parts.js": ("parts.js", "text/javascript; charset=utf-8"),
    "/session.js": ("session.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/favicon.svg": ("favicon.svg", "image/svg+xml"),
}
"""Path to file and media type."""


def _asset(path: str, name: str, kind: str) -> HTTPRouteHandler:
    return plain(path, File((resources.files("services.gateway.dashboard") / name).read_bytes(), kind))


PAGE: Final = tuple(_asset(path, name, kind) for path, (name, kind) in ASSETS.items())
