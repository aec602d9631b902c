"""Every route of the gateway. A new one is a file and a row."""

from typing import Final

from litestar.types import ControllerRouterHandler

from services.gateway.routes.health import health
from services.gateway.routes.markets import book, candles, markets, readings
from services.gateway.routes.page import PAGE
from services.gateway.routes.signals import signal, signals
from services.gateway.routes.stream import stream, ticket
from services.gateway.routes.system import livez, metrics, openapi, readyz

ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    signals,
    signal,
    markets,
    candles,
    book,
    readings,
    health,
    stream,
    ticket,
    openapi,
    livez,
    readyz,
    metrics,
    *PAGE,
)
