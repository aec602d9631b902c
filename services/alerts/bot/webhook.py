"""Posts of Telegram in; updates out to the bot; 200 once what they changed is committed, and not before.

A small server of its own, to stand behind what ends TLS. A post shows the secret before its body is read.
"""

import asyncio
import hmac
import logging
from typing import Final
from urllib.parse import urlsplit

import msgspec
from telegram.error import TelegramError

from services.alerts.bot.api import numbered
from services.alerts.bot.robot import Robot
from services.alerts.metrics_bot import UPDATES
from services.alerts.store.outbox import STORE_ERRORS

log = logging.getLogger(__name__)

MOST_BYTES: Final = 1024 * 1024
_HEAD_BYTES: Final = 16 * 1024
_AT_ONCE: Final = 64
_READ_WITHIN_S: Final = 5.0
_DONE_WITHIN_S: Final = 20.0
_HEADER: Final = "x-telegram-bot-api-secret-token"
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    503: "Service Unavailable",
}


class Webhook:
    """One listening port; every replica has one, whoever holds the lease."""

    def __init__(self, robot: Robot, url: str, secret: str) -> None:
        self._robot = robot
        self._path = urlsplit(url).path or "/"
        self._secret = secret.encode()
        self._server: asyncio.Server | None = None
        self._open = 0
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_HEAD_BYTES)
        self.port = int(self._server.sockets[0].getsockname()[1])
        log.info("listening for updates", extra={"host": host, "webhook_port": self.port})

    async def stop(self) -> None:
        """Close the port."""
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            status = 503 if self._open > _AT_ONCE else await self._answer(reader)
            writer.write(f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Length: 0\r\n".encode())
            writer.write(b"Connection: close\r\n\r\n")
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            log.debug("a post was cut off")
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> int:
        async with asyncio.timeout(_READ_WITHIN_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, _, rest = head[0].partition(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in head[1:])}
        shown = headers.get(_HEADER, "").encode("latin-1")
        length = headers.get("content-length", "")
        refusals = (
            (405, method != "POST"),
            (404, urlsplit(rest.partition(" ")[0]).path != self._path),
            (401, not hmac.compare_digest(shown, self._secret)),
            (411, not (length.isascii() and length.isdecimal()) or "transfer-encoding" in headers),
            (413, length.isdecimal() and (len(length) > 9 or int(length) > MOST_BYTES)),
        )
        for status, refused in refusals:
            if refused:
                UPDATES.labels("refused").inc()
                return status
        async with asyncio.timeout(_READ_WITHIN_S):
            body = await reader.readexactly(int(length))
        return await self._take(body)

    async def _take(self, body: bytes) -> int:
        try:
            told = msgspec.json.decode(body)
        except ValueError:  # msgspec's own is one
            told = None
        if not numbered(told):
            UPDATES.labels("refused").inc()
            log.warning("a post is no update")
            return 400
        try:
            async with asyncio.timeout(_DONE_WITHIN_S):
                await self._robot.take(told)
        except (*STORE_ERRORS, TelegramError) as e:
            log.warning("an update is not taken yet: %s", type(e).__name__)
            return 503
        return 200
