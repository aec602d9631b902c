"""Settings of the perimeter that would let in what nobody meant: values in, the reason against them out. Pure."""

import ipaddress
import re
from collections.abc import Collection, Iterable
from typing import Final

from services.gateway.perimeter.transport import Transport

_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_WIDEST: Final = {4: 8, 6: 16}
"""Shorter prefixes trust a part of the internet, not a proxy."""


def origins_fault(origins: Iterable[str]) -> str | None:
    """Return why these are no origins, or None."""
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            return f"{origin!r} is no origin: scheme, name and port, as in https://desk.example"
    return None


def credentials_fault(origins: Collection[str]) -> str | None:
    """Return why browsers may not send cookies for pages of these origins, or None."""
    if "*" in origins:
        return "with CSX_GATEWAY_ALLOWED_ORIGINS=* any page could act as whoever is signed in: name the origins"
    return None


def proxies_fault(networks: Iterable[str]) -> str | None:
    """Return why these are no proxies' networks, or None."""
    for network in networks:
        try:
            found = ipaddress.ip_network(network)
        except ValueError as e:
            return f"{network!r} is no network: {e}"
        if found.prefixlen < _WIDEST[found.version]:
            return f"{network!r} would trust whoever says where it comes from"
    return None


def transport_fault(transport: Transport, *, production: bool, local: bool, proxies: Collection[str]) -> str | None:
    """Return why a transport is not safe, or None.

    Args:
        transport: how requests must come.
        production: whether the environment is.
        local: this machine alone is served: it listens on loopback, or answers to loopback's names only.
        proxies: the trusted ones.
    """
    if transport is Transport.PLAIN and production and not local:
        return (
            "plain HTTP in production is for this machine alone: choose proxy or tls, "
            "or set CSX_GATEWAY_ALLOWED_HOSTS to loopback's names"
        )
    if transport is Transport.PROXY and not proxies:
        return "name the proxy in CSX_GATEWAY_TRUSTED_PROXIES: otherwise anybody could say that HTTPS was spoken"
    return None
