"""Who really asks, behind proxies: the peer and what it forwards in, the client's address and scheme out. Pure.

Only what a trusted proxy says counts, and of the list only what trusted proxies wrote: everything left of the first
stranger from the right may be the client's invention.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Header: TypeAlias = tuple[bytes, bytes]

UNKNOWN: Final = "unknown"
"""The address of a peer that has none, for instance of a socket file."""

_SIXTY_FOUR: Final = 64
"""One customer has at least so much of IPv6 that each of its addresses means nothing."""


class Proxies:
    """The networks whose word is taken."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(one) for one in networks)

    def trusted(self, peer: str) -> bool:
        """Tell whether a peer is a proxy of ours."""
        return bool(self._networks) and self._ours(_parsed(peer))

    def client(self, peer: str, headers: Iterable[Header]) -> str:
        """Return the client's address: IPv4 whole, of IPv6 the network of 64 bits."""
        if not self._networks:
            return _alone(peer)
        nearest = _parsed(peer)
        if nearest is None or not self._ours(nearest):
            return _alone(peer)
        said = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
        for entry in reversed(said.split(",")):
            hop = _parsed(_bare(entry.strip()))
            if hop is None:
                break
            nearest = hop
            if not self._ours(hop):
                break
        return _named(nearest)

    def secure(self, headers: Iterable[Header]) -> bool:
        """Tell whether the proxy next to us was asked over HTTPS."""
        said = [value for name, value in headers if name == b"x-forwarded-proto"]
        return bool(said) and said[-1].rpartition(b",")[2].strip().lower() == b"https"

    def _ours(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4096)
def _alone(peer: str) -> str:
    """Return the address of a peer that speaks for itself."""
    address = _parsed(peer)
    return UNKNOWN if address is None else _named(address)


@lru_cache(maxsize=4096)
def _named(address: Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, _SIXTY_FOUR), strict=False))


def _bare(entry: str) -> str:
    """Return an entry without its port: `1.2.3.4:5`, `[::1]:5`."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
