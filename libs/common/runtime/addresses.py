"""A URL that somebody else chose in; the addresses that we may connect to, or why not, out.

Against requests forged on our behalf (SSRF): the URL is read strictly, its name is resolved once, every address must
be one of the public internet, and the connection goes to exactly the address that was checked.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias

from msgspec import Struct

Resolver: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Name and port in, addresses out; raises OSError where there are none."""

URL_CHARACTERS: Final = 2048
_ADDRESSES_MOST: Final = 8

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[!-~]*)?",
    re.ASCII,
)
"""No user info, zone, percent sign or Unicode in the host."""
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
"""A host that ends in one is an address to every URL reader, however it is written."""
_INSIDE: Final = ("localhost", "local", "internal", "intranet", "lan", "home.arpa", "corp", "private")
"""Endings of names that only private networks have."""

_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local; 169.254.169.254 tells cloud credentials
        "168.63.129.16/32",  # Azure's own: public by its number, the host's by its place
        "100.100.100.200/32",  # Alibaba's metadata
        "192.0.0.192/32",  # Oracle's metadata
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "fd00:ec2::/32",  # Amazon's metadata
        "fd20:ce::254/128",  # Google's metadata
    )
)
"""Not even where private addresses are allowed."""
_NOT_GLOBAL: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "198.18.0.0/15",
        "2001::/23",  # Teredo and other special purposes: may carry another address
        "2001:db8::/32",
        "2002::/16",  # 6to4: carries another address
        "3fff::/20",
    )
)
"""What some releases of Python's `is_global` let through."""
_UNICAST: Final = IPv6Network("2000::/3")
_CARRIERS: Final = (
    IPv6Network("::ffff:0:0/96"),  # IPv4-mapped
    IPv6Network("::/96"),  # IPv4-compatible
    IPv6Network("64:ff9b::/96"),  # NAT64
)
"""The last 32 bits are the IPv4 address that is really meant."""


class Forbidden(ValueError):
    """Nothing may be sent there; the message says why."""


class Rules(Struct, frozen=True):
    """What is allowed."""

    ports: frozenset[int] = frozenset({443})
    private: bool = False
    """Private and loopback addresses, names without a dot, plain HTTP: for tests and one's own network."""


class Target(Struct, frozen=True):
    """A URL that was read strictly."""

    scheme: str
    host: str
    """Lower case; an IPv6 address without brackets."""
    port: int
    path: str
    """With the query."""

    @property
    def authority(self) -> str:
        """The value of the `Host` header."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"

    def at(self, address: str) -> str:
        """Return the URL with `address` in place of the name."""
        return f"{self.scheme}://{f'[{address}]' if ':' in address else address}:{self.port}{self.path}"


_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def read(url: str, rules: Rules) -> Target:
    """Return what `url` says; asks no network.

    Raises:
        Forbidden: it is not of the one plain form, or names what may not be reached.
    """
    match = _URL.fullmatch(url) if len(url) <= URL_CHARACTERS else None
    if match is None or "\\" in url or "#" in url:
        raise Forbidden("not a plain URL of scheme, host, port and path")
    scheme = match["scheme"].lower()
    if scheme not in _DEFAULT_PORTS or (scheme == "http" and not rules.private):
        raise Forbidden(f"the scheme must be https, not {scheme}")
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
    if port not in rules.ports:
        raise Forbidden(f"port {port} is not allowed")
    return Target(scheme, _host(match["host"].lower(), rules), port, match["path"] or "/")


async def addresses(target: Target, rules: Rules, resolve: Resolver) -> list[str]:
    """Return the addresses of the target, all of them checked; the name is resolved once.

    Raises:
        Forbidden: one of them may not be reached; then none is tried.
        OSError: the name has no address.
    """
    try:
        found = [str(ipaddress.ip_address(target.host))]
    except ValueError:
        found = list(dict.fromkeys(await resolve(target.host, target.port)))
    if not found:
        raise OSError("the name has no address")
    for text in found:
        if fault := fault_of(text, rules):
            raise Forbidden(fault)
    return found[:_ADDRESSES_MOST]


def fault_of(text: str, rules: Rules) -> str | None:
    """Return why the address may not be reached, or None."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "not an address"
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "an address with a zone"
    meant = _meant(address)
    if _within(meant, _NEVER):
        return f"{meant} may never be reached"
    if rules.private or _is_global(meant):
        return None
    return f"{meant} is not an address of the public internet"


async def resolve_by_system(name: str, port: int) -> list[str]:
    """Return the addresses that the system's resolver knows."""
    rows = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in rows]


def _host(host: str, rules: Rules) -> str:
    """Return the host as it will be resolved and shown to the server."""
    literal = host.startswith("[")
    bare = host.strip("[]")
    if literal or _NUMBER.fullmatch(bare.rpartition(".")[2]):
        try:
            address = IPv6Address(bare) if literal else IPv4Address(bare)
        except ValueError:
            raise Forbidden("an address that is not written the usual way") from None
        if fault := fault_of(str(address), rules):
            raise Forbidden(fault)
        return str(address)
    if len(bare) > 253 or not all(_LABEL.fullmatch(label) for label in bare.split(".")):
        raise Forbidden("not the name of a host")
    if not rules.private and ("." not in bare or any(f".{bare}".endswith(f".{end}") for end in _INSIDE)):
        raise Forbidden("a name of a private network")
    return bare


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address) and int(address) > 1 and _within(address, _CARRIERS):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast and not _within(address, _NOT_GLOBAL)


def _within(
    address: IPv4Address | IPv6Address, networks: tuple[IPv4Network | IPv6Network, ...] | tuple[IPv6Network, ...]
) -> bool:
    return any(address.version == network.version and address in network for network in networks)
