"""The HTTP server inside our own process and loop: granian, embedded; folds live beside it, one SIGTERM stops all.

Granian's own worker processes would need a second way to stop, and each its own consumers; replicas scale instead.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server

from libs.common.runtime.clock import monotonic_s
from libs.common.runtime.errors import ConfigurationError, DependencyDown
from libs.common.runtime.process import Process

log = logging.getLogger(__name__)

_OPEN_WITHIN_S: Final = 10.0
_STOP_WITHIN_S: Final = 5


async def serve(
    app: Any, host: str, port: int, process: Process, *, tls: tuple[Path, Path] | None = None
) -> Callable[[], Awaitable[None]]:
    """Listen, and return how to stop; the server is a critical task of `process`.

    `tls`: PEM files of a certificate and its key; with them it speaks HTTPS, TLS 1.2 at least.

    Raises:
        ConfigurationError: the port is taken, or the address is not ours.
    """
    _check_free(host, port)
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=64 * 1024),
        backlog=512,
        websockets=tls is not None,  # else they are ours, see stream/taking.py
        log_enabled=False,
        ssl_cert=tls[0] if tls else None,
        ssl_key=tls[1] if tls else None,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    server.workers_kill_timeout = _STOP_WITHIN_S
    task = process.spawn(server.serve(), name="http server")
    await _wait_open(host, port, task)
    log.info("serving", extra={"address": f"{'https' if tls else 'http'}://{host}:{port}"})

    async def stop() -> None:
        server.stop()  # type: ignore[no-untyped-call]  # granian leaves it untyped
        await asyncio.wait({task}, timeout=_STOP_WITHIN_S + 1)

    return stop


def _check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as e:
            raise ConfigurationError(
                f"CSX_GATEWAY_PORT: cannot listen on {host}:{port}: {e.strerror}; choose another port"
            ) from e


async def _wait_open(host: str, port: int, task: "asyncio.Task[Any]") -> None:
    target = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  (compared, not bound)
    deadline_s = monotonic_s() + _OPEN_WITHIN_S
    while monotonic_s() < deadline_s and not task.done():
        try:
            _, writer = await asyncio.open_connection(target, port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        return
    raise DependencyDown(f"the HTTP server did not open {host}:{port}")
