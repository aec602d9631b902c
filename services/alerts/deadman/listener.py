"""HTTP requests in, beats out: `POST /beat` and nothing else."""

import logging
from collections.abc import Callable

from libs.common.runtime.door import Answer, Door, Request

log = logging.getLogger(__name__)


class Listener:
    """Answers 204 to a beat."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._door = Door(self._answer, at_once=32, read_within_s=3.0)

    @property
    def port(self) -> int:
        """Where it listens; 0 before it does."""
        return self._door.port

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one."""
        await self._door.start(host, port)
        log.info("listening for beats", extra={"host": host, "beat_port": self.port})

    async def stop(self) -> None:
        """Close the port."""
        await self._door.stop()

    async def _answer(self, request: Request) -> Answer:
        if (request.method, request.path) != ("POST", "/beat"):
            return Answer(404)
        self._heard()
        return Answer(204)
