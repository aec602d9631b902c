"""Load over HTTP by raw keep-alive connections: a generator cheap enough not to be what is measured."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final, cast

from msgspec import Struct

from libs.common.runtime.clock import monotonic_s

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "
_LONGEST_S: Final = 8.0
"""Nobody thinks longer: the server closes connections that are idle for ten seconds."""


class Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, done: Callable[["Line", int, float], None], gone: Callable[["Line"], None]) -> None:
        self._done = done
        self._gone = gone
        self._buffer = b""
        self._began_s = 0.0
        self._transport: asyncio.Transport | None = None
        self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        """Tell that the server has closed it."""
        self._transport = None
        self._gone(self)

    def ask(self, request: bytes) -> None:
        """Send a request; `done` hears of its answer."""
        if self._transport is not None:
            self._began_s = monotonic_s()
            self._transport.write(request)

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Wait for the whole answer."""
        data = self._buffer + data if self._buffer else data
        head = data.find(_END)
        if head < 0:
            self._buffer = data
            return
        at = data.lower().find(_LENGTH, 0, head + 2)
        length = int(data[at + len(_LENGTH) : data.index(b"\r", at)]) if at >= 0 else 0
        if len(data) < head + 4 + length:
            self._buffer = data
            return
        self._buffer = b""
        self.body = data[head + 4 :]
        self._done(self, int(data[9:12]), monotonic_s() - self._began_s)


def get(path: str, key: str = "") -> bytes:
    """Return a request as bytes."""
    shown = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{shown}\r\n".encode()


async def one(port: int, request: bytes) -> tuple[int, bytes]:
    """Return status and body of one answer."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[int] = loop.create_future()
    _, line = await loop.create_connection(
        lambda: Line(lambda _l, status, _s: found.set_result(status), lambda _l: None), "127.0.0.1", port
    )
    line.ask(request)
    status = await asyncio.wait_for(found, 10)
    line.close()
    return status, line.body


class Load(Struct):
    """What came of a load."""

    seconds: float
    took_s: list[float] = []
    statuses: dict[int, int] = {}
    lost: int = 0
    """Connections that the server closed."""

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return len(self.took_s) / self.seconds

    @property
    def errors(self) -> int:
        """Answers that were not 200, and connections lost."""
        return sum(n for status, n in self.statuses.items() if status != 200) + self.lost


async def closed_loop(port: int, request: bytes, *, connections: int, warm_s: float, seconds: float) -> Load:
    """Ask the same over `connections`, each again as soon as it is answered."""
    load = Load(seconds, [], {})
    counting = ending = False

    def done(line: Line, status: int, took_s: float) -> None:
        if counting:
            load.took_s.append(took_s)
            load.statuses[status] = load.statuses.get(status, 0) + 1
        if not ending:
            line.ask(request)

    def gone(_line: Line) -> None:
        load.lost += not ending

    loop = asyncio.get_running_loop()
    lines = [(await loop.create_connection(lambda: Line(done, gone), "127.0.0.1", port))[1] for _ in range(connections)]
    for line in lines:
        line.ask(request)
    await asyncio.sleep(warm_s)
    began_s, counting = monotonic_s(), True
    await asyncio.sleep(seconds)
    load.seconds, counting, ending = monotonic_s() - began_s, False, True
    for line in lines:
        line.close()
    await asyncio.sleep(0.2)
    return load


async def users(
    port: int, requests: Sequence[Sequence[bytes]], *, think_s: float, warm_s: float, seconds: float, seed: int
) -> Load:
    """Play one user for each of `requests`: asks one of them, reads the answer, thinks, asks again.

    The time to think is exponential with that mean. A user whose answer takes long asks later: the load is closed.
    """
    load, chance, loop = Load(seconds, [], {}), random.Random(seed), asyncio.get_running_loop()
    counting = ending = False
    mine: dict[int, Sequence[bytes]] = {}

    def ask(line: Line) -> None:
        if not ending:
            line.ask(chance.choice(mine[id(line)]))

    def done(line: Line, status: int, took_s: float) -> None:
        if counting:
            load.took_s.append(took_s)
            load.statuses[status] = load.statuses.get(status, 0) + 1
        loop.call_later(min(_LONGEST_S, chance.expovariate(1 / think_s)), ask, line)

    def gone(_line: Line) -> None:
        load.lost += not ending

    lines = []
    for choice in requests:
        _, line = await loop.create_connection(lambda: Line(done, gone), "127.0.0.1", port)
        mine[id(line)] = choice
        lines.append(line)
        loop.call_later(chance.expovariate(1 / think_s), ask, line)
    await asyncio.sleep(warm_s)
    began_s, counting = monotonic_s(), True
    await asyncio.sleep(seconds)
    load.seconds, counting, ending = monotonic_s() - began_s, False, True
    for line in lines:
        line.close()
    await asyncio.sleep(0.2)
    return load
