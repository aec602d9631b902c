"""The side port of a process: /livez, /readyz and /metrics over a few lines of HTTP."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

log = logging.getLogger(__name__)

Check: TypeAlias = Callable[[], Awaitable[str | None]]
"""None: fine. A sentence: not ready, and why."""

_REASONS: Final = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}
_CHECK_TIMEOUT_S: Final = 2.0
_READ_TIMEOUT_S: Final = 5.0


class Health:
    """Answers whether the process lives, whether it is ready and why not, and its metrics."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._checks: dict[str, Check] = {}
        self._server: asyncio.Server | None = None
        self.stopping = False
        self.port = 0

    def add(self, name: str, check: Check) -> None:
        """Readiness needs `check` too."""
        self._checks[name] = check

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one."""
        self._server = await asyncio.start_server(self._serve, host, port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        log.info("health port open", extra={"host": host, "port": self.port})

    async def stop(self) -> None:
        """Close the port."""
        if self._server:
            self._server.close()
            await self._server.wait_closed()

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

    async def _answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        if method not in {"GET", "HEAD"}:
            return 405, "text/plain", b"only GET\n"
        if path == "/livez":
            return 200, "application/json", msgspec.json.encode({"service": self._service, "alive": True})
        if path == "/readyz":
            faults = await self.faults()
            body = msgspec.json.encode({"service": self._service, "ready": not faults, "faults": faults})
            return (503 if faults else 200), "application/json", body
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
        return 404, "text/plain", b"there are /livez, /readyz and /metrics\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _READ_TIMEOUT_S)
            method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
            status, kind, body = await self._answer(method, rest.partition(" ")[0].partition("?")[0])
            lines = (
                f"HTTP/1.1 {status} {_REASONS[status]}",
                f"Content-Type: {kind}",
                f"Content-Length: {len(body)}",
                "Connection: close",
            )
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            if method != "HEAD":
                writer.write(body)
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            log.debug("health request was cut off")
        finally:
            writer.close()
