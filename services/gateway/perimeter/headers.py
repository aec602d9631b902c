"""What stands in the head of every answer, and what a request's head may weigh. Pure."""

from typing import Final

from services.gateway.problems import Problem

Header = tuple[bytes, bytes]

HEADERS: Final[tuple[Header, ...]] = (
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=()"),
)

STRICT_TRANSPORT: Final[Header] = (b"strict-transport-security", b"max-age=31536000")
"""Browsers then ask over HTTPS alone, for a year."""

MAX_HEADERS: Final = 16 * 1024
MAX_URL: Final = 8 * 1024


def oversize(headers: list[Header], path: bytes, query: bytes) -> Problem | None:
    """Return the problem of a head that is too large, or None."""
    if len(path) + len(query) > MAX_URL:
        return Problem("uri_too_long", f"an address has at most {MAX_URL} bytes")
    if sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEADERS:
        return Problem("headers_too_large", f"the headers of a request have at most {MAX_HEADERS} bytes together")
    return None
