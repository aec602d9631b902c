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

from libs.common.runtime.door import Answer, Door, Request
from services.alerts.bot.api import numbered
from services.alerts.bot.robot import Robot
from services.alerts.metrics_bot import UPDATES
from services.alerts.store.outbox import STORE_ERRORS

log = logging.getLogger(__name__)

MOST_BYTES: Final = 1024 * 1024
_DONE_WITHIN_S: Final = 20.0
_HEADER: Final = "x-telegram-bot-api-secret-token"


class Webhook:
    """One listening port; every replica has one, whoever holds the lease."""

    def __init__(self, robot: Robot, url: str, secret: str) -> None:
        self._robot = robot
        self._path = urlsplit(url).path or "/"
        self._secret = secret.encode()
        self._door = Door(self._answer)

    @property
    def port(self) -> int:
        """Where it listens; 0 before it does."""
        return self._door.port

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one."""
        await self._door.start(host, port)
        log.info("listening for updates", extra={"host": host, "webhook_port": self.port})

    async def stop(self) -> None:
        """Close the port."""
        await self._door.stop()

    async def _answer(self, request: Request) -> Answer:
        headers = request.headers
        shown = headers.get(_HEADER, "").encode("latin-1")
        length = headers.get("content-length", "")
        refusals = (
            (405, request.method != "POST"),
            (404, request.path != self._path),
            (401, not hmac.compare_digest(shown, self._secret)),
            (411, not (length.isascii() and length.isdecimal()) or "transfer-encoding" in headers),
            (413, length.isdecimal() and (len(length) > 9 or int(length) > MOST_BYTES)),
        )
        for status, refused in refusals:
            if refused:
                UPDATES.labels("refused").inc()
                return Answer(status)
        return Answer(await self._take(await request.body(int(length))))

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
