"""A port of a few lines of HTTP: one request in, one answer out, and the connection is closed.

For what must work without a web server: a process's health, signs of life, what Telegram posts.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeAlias

from msgspec import Struct

log = logging.getLogger(__name__)

_HEAD_BYTES: Final = 16 * 1024
_CUT_OFF: Final = (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError)


class Request:
    """What is asked; its body is read only when somebody wants it."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, read_within_s: float) -> None:
        first, *rest = head.decode("latin-1").split("\r\n")
        self.method, _, target = first.partition(" ")
        self.path = target.partition(" ")[0].partition("?")[0]
        fields = (line.partition(":") for line in rest)
        self.headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        """By name in lower case."""
        self._reader = reader
        self._read_within_s = read_within_s

    async def body(self, length: int) -> bytes:
        """Return the next `length` bytes; a client that is too slow, or ends before, is cut off."""
        async with asyncio.timeout(self._read_within_s):
            return await self._reader.readexactly(length)


class Answer(Struct, frozen=True):
    """What is said to it."""

    status: int
    body: bytes = b""
    kind: str = "text/plain"


Handler: TypeAlias = Callable[[Request], Awaitable[Answer]]


class Door:
    """One listening port; beyond `at_once` connections it answers 503, so that a flood cannot use up the process."""

    def __init__(self, answer: Handler, *, at_once: int = 64, read_within_s: float = 5.0) -> None:
        self._answer = answer
        self._at_once = at_once
        self._read_within_s = read_within_s
        self._server: asyncio.Server | None = None
        self._open = 0
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_HEAD_BYTES)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port."""
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            await self._one(reader, writer)
        except _CUT_OFF:
            log.debug("a request was cut off")
        finally:
            self._open -= 1
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, answer = "GET", Answer(503)
        if self._open <= self._at_once:
            async with asyncio.timeout(self._read_within_s):
                head = await reader.readuntil(b"\r\n\r\n")
            request = Request(head, reader, self._read_within_s)
            method, answer = request.method, await self._answer(request)
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            *([f"Content-Type: {answer.kind}"] if answer.body else []),
            *([] if answer.status == HTTPStatus.NO_CONTENT else [f"Content-Length: {len(answer.body)}"]),
            "Connection: close",
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if method != "HEAD":
            writer.write(answer.body)
        await writer.drain()
