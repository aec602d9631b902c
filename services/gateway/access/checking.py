"""Settings of signing in that are missing or weak: values in, the reason against them out. Pure."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from services.gateway.access.signing import SigningKeys

_LOOPBACK_NAMES: Final = frozenset({"localhost"})
_PLAIN_ASCII: Final = re.compile(r"[!-~]{1,255}")


def keys_fault(text: str, *, production: bool) -> str | None:
    """Return why these do not sign tokens, or None; a local environment needs none."""
    if not text:
        return "is missing: make one with `openssl genpkey -algorithm ed25519`" if production else None
    try:
        SigningKeys.read(text)
    except ValueError as e:
        return str(e)
    return None


def url_fault(url: str, *, needed: bool, plain: bool) -> str | None:
    """Return why this is no address to send browsers to, or None.

    Args:
        url: scheme, host and perhaps a port and a path.
        needed: it may not be empty.
        plain: HTTP is good enough on loopback.
    """
    if not url:
        return "is missing: where browsers reach this, as in https://desk.example" if needed else None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is no address: https://desk.example"
    if not _PLAIN_ASCII.fullmatch(url) or not host or parts.query or parts.fragment or "@" in parts.netloc:
        return "is no address: https://desk.example"
    if parts.scheme != "https" and not (parts.scheme == "http" and plain and is_loopback(host)):
        return "must be https, for whoever reads along could sign in as others"
    return None


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host in _LOOPBACK_NAMES
