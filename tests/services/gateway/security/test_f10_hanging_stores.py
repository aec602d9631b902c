"""Finding 10: a store that hangs is a 503 within the operation's time, and takes nothing with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from libs.common.runtime.clock import monotonic_s
from services.gateway.access.principal import Principal, Way
from services.gateway.access.scopes import READING
from services.gateway.board import Board
from services.gateway.operations.call import call
from services.gateway.operations.catalogue import BY_NAME
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Nothing
from services.gateway.problems import Problem
from services.gateway.store.latest import Latest
from services.gateway.store.store import Store

BUDGET_S = 0.5


class Road:
    """A way to a server that can be blocked: bytes wait, and no connection ends."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.open = asyncio.Event()
        self.open.set()
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        self.open.set()
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(*self._target)
        self._writers += (writer, to_writer)
        for source, sink in ((reader, to_writer), (to_reader, writer)):
            task = asyncio.create_task(self._carry(source, sink))
            self._tasks.add(task)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self.open.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


@asynccontextmanager
async def road(url: str) -> AsyncIterator[tuple[Road, str]]:
    parts = urlsplit(url)
    way = Road(parts.hostname or "127.0.0.1", parts.port or 0)
    port = await way.start()
    account = parts.netloc.rpartition("@")[0]
    yield way, parts._replace(netloc=f"{account}@127.0.0.1:{port}" if account else f"127.0.0.1:{port}").geturl()
    await way.stop()


async def no_faults() -> dict[str, str]:
    return {}


@pytest.mark.parametrize("which", ["postgres", "redis"])
async def test_f10_a_store_that_hangs_is_503_within_the_budget(gateway_dsn, fresh_redis_url, which):
    async with road(gateway_dsn) as (to_postgres, dsn), road(fresh_redis_url) as (to_redis, redis_url):
        store, latest = Store(dsn), Latest.at(redis_url)
        await store.start()
        desk = Desk(store=store, latest=latest, board=Board(store, latest), faults=no_faults)
        principal = Principal(way=Way.KEY, subject="u", credential="k", name="n", scopes=frozenset(READING))
        operation = replace(BY_NAME["markets.list"], timeout_s=BUDGET_S)
        await call(desk, Caller(principal=principal), operation, Nothing())
        way = to_postgres if which == "postgres" else to_redis
        way.open.clear()
        began_s = monotonic_s()
        found = await asyncio.gather(
            *(call(desk, Caller(principal=principal), operation, Nothing()) for _ in range(20)),
            return_exceptions=True,
        )
        assert monotonic_s() - began_s < BUDGET_S + 2.0
        assert {(one.code, one.status) for one in found if isinstance(one, Problem)} == {("time_exceeded", 503)}
        assert all(isinstance(one, Problem) for one in found)
        way.open.set()
        async with asyncio.timeout(20):
            while True:  # what hung is cleaned away, and the next call is answered
                try:
                    await call(desk, Caller(principal=principal), replace(operation, timeout_s=5.0), Nothing())
                except (Problem, OSError):
                    await asyncio.sleep(0.05)
                else:
                    break
        await latest.stop()
        await store.stop()
