"""A path and a method to a handler of Litestar that hands the request on as it came: nothing is parsed twice."""

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Method


def route(path: str, method: str, app: ASGIApp) -> HTTPRouteHandler:
    """Return the handler; fields of the path stand in braces, and what is got can also be asked for its head."""

    async def serve() -> ASGIApp:
        return app

    methods: list[Method] = ["GET", "HEAD"] if method == "GET" else [_METHODS[method]]
    own = path.replace("}", ":str}")
    return HTTPRouteHandler(own, http_method=methods, name=f"{method} {path}", status_code=200)(serve)


_METHODS: dict[str, Method] = {"POST": "POST", "PUT": "PUT", "PATCH": "PATCH", "DELETE": "DELETE"}
