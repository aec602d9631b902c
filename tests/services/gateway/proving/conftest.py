"""Gateways as processes that can be killed."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.children import free_port
from libs.common.runtime.migrations import migrate

ROOT = Path(__file__).resolve().parents[4]
WITHIN_S = 30.0


class Serving:
    """One gateway, started again wherever it was killed."""

    def __init__(self, nursery: asyncio.subprocess.Process) -> None:
        self._nursery = nursery
        self.port = 0
        self.pid = 0

    async def start(self) -> None:
        """Start it, on a port of its own, and wait until it listens."""
        assert self._nursery.stdin
        assert self._nursery.stdout
        self.port = free_port()
        self._nursery.stdin.write(f"{self.port}\n".encode())
        async with asyncio.timeout(WITHIN_S):
            self.pid = int(await self._nursery.stdout.readline())
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.01)

    def kill(self) -> None:
        """Kill it, as nobody can hear."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


@pytest.fixture
async def nursery(fresh_dsn: str, fresh_redis_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """What gateways are forked from."""
    await migrate(fresh_dsn, "services.gateway.migrations", "gateway")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.services.gateway.proving.serving", fresh_dsn, fresh_redis_url),
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("CSX_")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield process
    process.kill()
    await process.wait()


@pytest.fixture
async def serving(nursery: asyncio.subprocess.Process) -> AsyncIterator[Serving]:
    """A gateway that is not started yet."""
    one = Serving(nursery)
    yield one
    one.kill()


@pytest.fixture
async def other(nursery: asyncio.subprocess.Process) -> AsyncIterator[Serving]:
    """Another one, on the same stores."""
    one = Serving(nursery)
    yield one
    one.kill()
