"""How requests must reach us, in the clear or over HTTPS, and where one belongs that came in the clear. Pure."""

from enum import StrEnum, unique
from typing import Final

from services.gateway.perimeter.hosts import name_of
from services.gateway.problems import Problem

PROBES: Final = frozenset({"/livez", "/readyz"})
"""A balancer asks these inside, without HTTPS."""


@unique
class Transport(StrEnum):
    """Who ends the encryption."""

    PLAIN = "plain"
    """Nobody: this machine alone is asked."""
    PROXY = "proxy"
    """A proxy before us."""
    TLS = "tls"
    """We."""


def location(host: str, path: bytes, query: bytes) -> str:
    """Return where a request that came in the clear belongs."""
    name = name_of(host)
    name = f"[{name}]" if ":" in name else name
    return f"https://{name}{path.decode('latin-1')}" + (f"?{query.decode('latin-1')}" if query else "")


def insecure(method: str) -> Problem:
    """Return the problem of a change that was sent in the clear: its secrets were seen, nothing is done with it."""
    return Problem("https_required", f"{method} is served over HTTPS only; what you sent could be read on its way")
