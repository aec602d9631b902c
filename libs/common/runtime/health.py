"""The side port of a process: /livez, /readyz and /metrics."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from libs.common.runtime.door import Answer, Door, Request

log = logging.getLogger(__name__)

Check: TypeAlias = Callable[[], Awaitable[str | None]]
"""None: fine. A sentence: not ready, and why."""

_CHECK_TIMEOUT_S: Final = 2.0


class Health:
    """Answers whether the process lives, whether it is ready and why not, and its metrics."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._checks: dict[str, Check] = {}
        self._door = Door(self._answer)
        self.stopping = False

    def add(self, name: str, check: Check) -> None:
        """Readiness needs `check` too."""
        self._checks[name] = check

    @property
    def port(self) -> int:
        """Where it listens; 0 before it does."""
        return self._door.port

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one."""
        await self._door.start(host, port)
        log.info("health port open", extra={"host": host, "port": self.port})

    async def stop(self) -> None:
        """Close the port."""
        await self._door.stop()

    async def faults(self) -> dict[str, str]:
        """Return the failing checks with their reasons; empty when ready."""
        if self.stopping:
            return {"process": "stopping"}
        found = await asyncio.gather(*(self._run(check) for check in self._checks.values()))
        return {name: fault for name, fault in zip(self._checks, found, strict=True) if fault}

    async def _run(self, check: Check) -> str | None:
        try:
            return await asyncio.wait_for(check(), _CHECK_TIMEOUT_S)
        except TimeoutError:
            return f"no answer within {_CHECK_TIMEOUT_S:g} s"
        except Exception as e:  # a check that breaks is itself the reason
            log.exception("readiness check broke")
            return f"{type(e).__name__}: {e}"

    async def _answer(self, request: Request) -> Answer:
        if request.method not in {"GET", "HEAD"}:
            return Answer(405, b"only GET\n")
        if request.path == "/livez":
            return _json(200, {"service": self._service, "alive": True})
        if request.path == "/readyz":
            faults = await self.faults()
            return _json(503 if faults else 200, {"service": self._service, "ready": not faults, "faults": faults})
        if request.path == "/metrics":
            return Answer(200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
        return Answer(404, b"there are /livez, /readyz and /metrics\n")


def _json(status: int, value: object) -> Answer:
    return Answer(status, msgspec.json.encode(value), "application/json")
