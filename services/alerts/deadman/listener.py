"""HTTP requests in, beats out: `POST /beat` and nothing else."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

_HEAD_BYTES: Final = 8192
_READ_WITHIN_S: Final = 3.0
_AT_ONCE: Final = 32


class Listener:
    """Answers 204 to a beat; at most 32 connections at once, so that a flood cannot use up the process."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._server: asyncio.Server | None = None
        self._open = 0
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_HEAD_BYTES)
        self.port = int(self._server.sockets[0].getsockname()[1])
        log.info("listening for beats", extra={"host": host, "beat_port": self.port})

    async def stop(self) -> None:
        """Close the port."""
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > _AT_ONCE:
                return
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _READ_WITHIN_S)
            words = head.split(b"\r\n", 1)[0].split(b" ")
            taken = words[:2] == [b"POST", b"/beat"]
            if taken:
                self._heard()
            status = b"204 No Content" if taken else b"404 Not Found\r\nContent-Length: 0"
            writer.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            log.debug("a beat was cut off")
        finally:
            self._open -= 1
            writer.close()
