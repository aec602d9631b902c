"""What the perimeter counts."""

from functools import lru_cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from services.gateway.metrics import REQUEST_SECONDS, REQUESTS

REFUSED: Final = Counter("csx_gateway_refused_total", "Requests refused before any route.", ["code"])
IN_FLIGHT: Final = Gauge("csx_gateway_in_flight", "Requests being answered.")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answer."""
    count, time = _children(method if method in _METHODS else "other", route, status)
    count.inc()
    time.observe(seconds)


@lru_cache(maxsize=4096)
def _children(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), REQUEST_SECONDS.labels(route)
