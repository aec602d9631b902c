"""A request's body, whole before anybody works on it: bounded in bytes, time and depth, and in how many come at once.

The server bounds the time of a head, and nothing of a body.
"""

import asyncio
import re
from collections import Counter
from typing import Any, Final

from services.gateway.problems import Problem

MAX_BODY: Final = 256 * 1024
MAX_DEPTH: Final = 32
READ_S: Final = 10.0
MAX_READING: Final = 128
"""Bodies that may be on their way at once; of one address half of them."""

_PLAIN: Final = frozenset({b"", b"identity"})
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""A text, whole or cut off; what opens; what closes. Possessive: a hostile text costs its length once."""


class Gone(Exception):
    """The client has gone before its request was whole."""


class Bodies:
    """Reads bodies."""

    def __init__(self, *, max_body: int = MAX_BODY, read_s: float = READ_S, max_reading: int = MAX_READING) -> None:
        self._max_body = max_body
        self._read_s = read_s
        self._max_reading = max_reading
        self._reading: Counter[str] = Counter()

    def announced(self, headers: dict[bytes, bytes]) -> Problem | None:
        """Return the problem that the head of a request already tells of, or None."""
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            return Problem("bad_request", "Content-Length must be a number")
        if len(length) > 12 or int(length) > self._max_body:
            return self._too_large()
        if headers.get(b"content-encoding", b"").strip().lower() not in _PLAIN:
            return Problem("unsupported_media_type", "send the body as it is, without Content-Encoding")
        return None

    async def whole(self, receive: Any, address: str, *, json: bool) -> bytes:
        """Return the body.

        Raises:
            Problem: too large, too slow, too deep, or too many of them at once.
            Gone: the client has gone.
        """
        if self._reading.total() >= self._max_reading or self._reading[address] >= self._max_reading // 2:
            raise Problem("too_many_connections", "too many bodies are on their way; try again")
        self._reading[address] += 1
        try:
            async with asyncio.timeout(self._read_s):
                body = await self._read(receive)
        except TimeoutError as e:
            detail = f"a body must come within {self._read_s:g} s"
            raise Problem("request_timeout", detail, headers={"Connection": "close"}) from e
        finally:
            self._reading[address] -= 1
            if not self._reading[address]:
                del self._reading[address]
        if json and too_deep(body):
            raise Problem("bad_request", f"JSON is nested at most {MAX_DEPTH} deep")
        return body

    async def _read(self, receive: Any) -> bytes:
        chunks, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise Gone
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_body:
                raise self._too_large()
            chunks.append(chunk)
            if not message.get("more_body"):
                return b"".join(chunks)

    def _too_large(self) -> Problem:
        return Problem("too_large", f"a request's body has at most {self._max_body} bytes")


def too_deep(body: bytes) -> bool:
    """Tell whether JSON is nested deeper than `MAX_DEPTH`; what is no JSON may be called either."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for found in _TOKEN.finditer(body):
        match found[0]:
            case b"[" | b"{":
                depth += 1
                if depth > MAX_DEPTH:
                    return True
            case b"]" | b"}":
                depth -= 1
    return False


def replayed(body: bytes, receive: Any) -> Any:
    """Return a `receive` that gives a body that was read, and then what comes after it."""
    given = False

    async def again() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
