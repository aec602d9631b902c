"""The sandbox's server: one port, each venue under its prefix, driven by a simulated market or a recording."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from deploy.local.sandbox.control import PREFIX, Control, Pause
from deploy.local.sandbox.exchange import Exchange
from deploy.local.sandbox.faults import Faults
from deploy.local.sandbox.floor import Floor
from deploy.local.sandbox.handler import Handler, Request, Response
from deploy.local.sandbox.latent import SLICE_NS
from deploy.local.sandbox.simulation import Simulation
from deploy.local.sandbox.websocket import Socket
from deploy.local.sandbox.wire import Wire
from libs.common.runtime.clock import now_ns

log = logging.getLogger(__name__)


class Driver(Protocol):
    """What makes things happen."""

    def prepare(self) -> None:
        """Do what must have happened before anyone connects."""

    async def run(self) -> None:
        """Make them happen until cancelled or done."""

    def progress(self) -> dict[str, Any]:
        """Return how far it is, for the status page."""


class Live:
    """Drives the exchanges with a simulated market at the pace of the wall clock."""

    def __init__(self, simulation: Simulation, exchanges: Sequence[Exchange], pause: Pause) -> None:
        self._simulation = simulation
        self._exchanges = exchanges
        self._pause = pause
        # a start in the past or future stays that far away from the wall clock
        self._shift_ns = 0 if 0 <= now_ns() - simulation.start_ns <= 120_000_000_000 else simulation.start_ns - now_ns()

    def prepare(self) -> None:
        """Live through what lies between the full minute of the start and now, unheard."""
        for _ in self._simulation.advance(now_ns() + self._shift_ns):
            pass

    async def run(self) -> None:
        """Live on, slice after slice; a late slice is caught up."""
        simulation = self._simulation
        while True:
            target = now_ns() + self._shift_ns
            while simulation.now_ns + SLICE_NS <= target:  # one by one: a pause holds from the next slice on
                for happenings in simulation.advance(simulation.now_ns + SLICE_NS, quiet=self._pause.on):
                    for exchange in self._exchanges:
                        exchange.happened(happenings, simulation.now_ns // 1_000_000)
                await asyncio.sleep(0)
            wait_ns = simulation.now_ns + SLICE_NS - now_ns() - self._shift_ns
            await asyncio.sleep(max(0.001, wait_ns / 1e9))

    def progress(self) -> dict[str, Any]:
        """Return the market's time."""
        return {"mode": "simulated", "start_ns": self._simulation.start_ns, "market_ns": self._simulation.now_ns}


class Sandbox(Handler):
    """The port: routes connections to the exchanges and requests to them and to the control door."""

    def __init__(
        self, exchanges: Sequence[Exchange], faults: Faults, driver: Driver, pause: Pause, floor: Floor | None = None
    ) -> None:
        self._exchanges = {exchange.prefix: exchange for exchange in exchanges}
        self._faults = faults
        self._driver = driver
        self._control = Control(exchanges, faults, pause, driver.progress, floor)
        self._wires: set[Wire] = set()
        self._of: dict[Socket, Exchange] = {}
        self._asked: Counter[Exchange] = Counter()
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.script = b""
        """Faults to arm at the start, JSON."""
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen on `host`; port 0 takes a free one, which `port` then tells. Raises OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._driver.prepare()
        self._server = await loop.create_server(lambda: Wire(self, self._wires), host, port, start_serving=True)
        if self.script:
            self._faults.load(self.script, loop.time())
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks = [loop.create_task(self._driver.run()), loop.create_task(self._keep())]

    async def wait(self) -> None:
        """Return when the driver or the keeper ended, with its exception if it failed."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Stop listening, close every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server:
            self._server.close()
        for wire in list(self._wires):
            wire.shut()
        loop = asyncio.get_running_loop()
        closing = loop.time() + 1.0
        while self._wires and loop.time() < closing:  # noqa: ASYNC110 -- the set is the transports' own; polled once, at the end
            await asyncio.sleep(0.01)
        for wire in list(self._wires):
            wire.abort()
        await asyncio.sleep(0)

    def admits(self, path: str) -> bool:
        """Admit the venues' own paths."""
        exchange = self._exchange(path)
        return exchange is not None and exchange.admits(path)

    def opened(self, socket: Socket) -> None:
        """Hand a connection to its exchange."""
        exchange = self._exchange(socket.path)
        assert exchange
        self._of[socket] = exchange
        exchange.opened(socket)

    def message(self, socket: Socket, text: bytes) -> None:
        """Hand a message to its exchange."""
        if socket in self._of:
            self._of[socket].message(socket, text)

    def closed(self, socket: Socket) -> None:
        """Tell the exchange."""
        exchange = self._of.pop(socket, None)
        if exchange:
            exchange.closed(socket)

    async def answer(self, request: Request) -> Response:
        """Answer a request of a venue or of the control door."""
        if request.path.startswith(PREFIX):
            return self._control.answer(request)
        exchange = self._exchange(request.path)
        if exchange is None:
            served = ", ".join(f"{prefix}/" for prefix in (*self._exchanges, PREFIX.rstrip("/")))
            return Response(status=404, body=f'{{"msg":"the sandbox serves {served}"}}'.encode())
        exchange.counts["requests"] += 1
        self._asked[exchange] += 1
        exchange.counts["rest_peak"] = max(exchange.counts["rest_peak"], self._asked[exchange])
        try:
            return await self._answer(exchange, request)
        finally:
            self._asked[exchange] -= 1

    async def _answer(self, exchange: Exchange, request: Request) -> Response:
        advice = self._faults.refuse(exchange.name, asyncio.get_running_loop().time())
        if advice is not None:
            exchange.counts["requests_refused"] += 1
            return Response(status=429, headers={"Retry-After": str(advice)}, body=exchange.too_many)
        return await exchange.answer(request)

    def _exchange(self, path: str) -> Exchange | None:
        return next((one for prefix, one in self._exchanges.items() if path.startswith(f"{prefix}/")), None)

    async def _keep(self) -> None:
        """Ping idle WebSockets and let exchanges close silent ones."""
        loop = asyncio.get_running_loop()
        pinged = dict.fromkeys(self._exchanges.values(), loop.time())
        while True:
            await asyncio.sleep(1.0)
            for exchange, at_s in pinged.items():
                exchange.tick(loop.time())
                if loop.time() - at_s >= exchange.ping_s:
                    pinged[exchange] = loop.time()
                    for socket in exchange.sockets:
                        socket.ping()
