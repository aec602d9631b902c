"""A path and a method to a handler of Litestar that hands the request on as it came: nothing is parsed twice."""

from collections.abc import Iterable
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, ControllerRouterHandler, Method

from services.gateway.surfaces.replies import nothing


def route(path: str, method: str, app: ASGIApp) -> HTTPRouteHandler:
    """Return the handler; fields of the path stand in braces, and what is got can also be asked for its head."""

    async def serve() -> ASGIApp:
        return app

    methods: list[Method] = ["GET", "HEAD"] if method == "GET" else [_METHODS[method]]
    own = path.replace("}", ":str}")
    return HTTPRouteHandler(own, http_method=methods, name=f"{method} {path}", status_code=200)(serve)


def options(routes: Iterable[ControllerRouterHandler]) -> list[HTTPRouteHandler]:
    """Return a handler of OPTIONS for each path, which says all methods that the path takes."""
    methods: dict[str, set[str]] = {}
    for one in routes:
        if isinstance(one, HTTPRouteHandler):
            for path in one.paths:
                methods.setdefault(path, {"OPTIONS"}).update(one.http_methods)
    return [_allowing(path, ", ".join(sorted(taken))) for path, taken in methods.items()]


def _allowing(path: str, allowed: str) -> HTTPRouteHandler:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        del receive  # it has no body
        scope["csx.route"] = path
        await nothing(send, 204, [(b"allow", allowed.encode())])

    async def serve() -> ASGIApp:
        return answer

    return HTTPRouteHandler(path, http_method=["OPTIONS"], name=f"OPTIONS {path}", status_code=200)(serve)


_METHODS: dict[str, Method] = {"POST": "POST", "PUT": "PUT", "PATCH": "PATCH", "DELETE": "DELETE"}
