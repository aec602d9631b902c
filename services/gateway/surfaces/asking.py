"""Who a request speaks for: its ASGI scope in, a principal out."""

from collections.abc import Iterable
from typing import Any, Final

from services.gateway.access.guard import Guard
from services.gateway.access.principal import Principal

SHOWN: Final = {
    b"authorization": "authorization",
    b"x-api-key": "x-api-key",
    b"cookie": "cookie",
    b"x-csrf-token": "x-csrf-token",
    b"origin": "origin",
    b"host": "host",
}
"""The fields of a request that say who asks."""


def shown(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the fields that say who asks, by name in lower case."""
    return {SHOWN[name]: value.decode("latin-1") for name, value in headers if name in SHOWN}


async def who_asks(scope: Any, guard: Guard, answer: dict[str, str] | None = None) -> Principal:
    """Return who asks; `answer` takes header fields for the answer.

    Raises:
        Problem: something is shown that opens nothing, or too much was asked.
    """
    return await guard.who(
        shown(scope["headers"]),
        method=scope.get("method", "GET"),
        address=scope.get("csx.address", ""),
        answer=answer,
    )
