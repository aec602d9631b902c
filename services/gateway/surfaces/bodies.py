"""What comes with a request beside its query: the body in whole, its kind, and the key that makes it one request."""

from collections.abc import Iterable
from typing import Any, Final

from services.gateway.problems import Problem, field_problem
from services.gateway.surfaces.replies import JSON, Header

_LONGEST_KEY: Final = 255


class ClientGone(Exception):
    """Nobody is there to be answered."""


async def read_body(receive: Any) -> bytes:
    """Return the whole body; the perimeter has bounded its length and time.

    Raises:
        ClientGone: the connection ended before it did.
    """
    chunks = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def check_kind(body: bytes, headers: Iterable[Header]) -> None:
    """Let JSON pass.

    Raises:
        Problem: `unsupported_media_type`.
    """
    if not body:
        return
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    if kind.partition(b";")[0].strip().lower() != JSON:
        raise Problem("unsupported_media_type", "send application/json")


def idempotency_key(headers: Iterable[Header]) -> str | None:
    """Return the key in the head of a request.

    Raises:
        Problem: it is too long, or has characters that no header should.
    """
    sent = next((value for name, value in headers if name == b"idempotency-key"), None)
    return None if sent is None else checked_key("Idempotency-Key", sent.decode("latin-1"))


def checked_key(field: str, key: object) -> str:
    """Return a key that fits.

    Raises:
        Problem: it does not.
    """
    if isinstance(key, str) and 1 <= len(key) <= _LONGEST_KEY and all("!" <= one <= "~" for one in key):
        return key
    raise field_problem("invalid_parameter", field, f"must be 1 to {_LONGEST_KEY} visible ASCII characters")
