"""The life of one service process: set up, serve until told to stop, end within its time with nothing lost."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NoReturn

import uvloop
from prometheus_client import Gauge

from libs.common.runtime.clock import monotonic_s
from libs.common.runtime.errors import CsxError
from libs.common.runtime.health import Check, Health
from libs.common.runtime.memory import MemoryGuard, limit_bytes
from libs.common.runtime.settings import ServiceSettings, secrets_of
from libs.common.runtime.telemetry import configure_logging, configure_tracing

log = logging.getLogger(__name__)

STOP_WITHIN_S: Final = 10.0
_CANCEL_WITHIN_S: Final = 0.5
RESTART_EXIT_CODE: Final = 75
"""EX_TEMPFAIL: the supervisor (csx up, Docker, Kubernetes) starts the process again."""

UP: Final = Gauge("csx_process_up", "1 while the process serves.", ["service"])
LOOP_STALL: Final = Gauge("csx_process_loop_stall_seconds", "Longest recent delay of the event loop.")


class Process:
    """What a service's `main` hangs its tasks, checks and endings on."""

    def __init__(self, service: str, settings: ServiceSettings, *, alone: bool = False) -> None:
        self.service = service
        self._alone = alone
        """Nothing else runs in this interpreter: it may be ended at the deadline."""
        self.stopping = asyncio.Event()
        self.exit_code = 0
        self.health = Health(service)
        self.memory = MemoryGuard(limit_bytes(settings.memory_limit_mib), self.restart)
        self._settings = settings
        self._tasks: set[asyncio.Task[Any]] = set()
        self._endings: list[Callable[[], Awaitable[None]]] = []

    def spawn(self, coro: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run a critical task: when it fails, the process stops with exit 1. It is cancelled at the end."""
        task = asyncio.create_task(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def on_stop(self, ending: Callable[[], Awaitable[None]]) -> None:
        """Await `ending` when the process stops; the last registered comes first."""
        self._endings.append(ending)

    def check(self, name: str, check: Check) -> None:
        """Readiness needs `check`: None is fine, a sentence says what is missing."""
        self.health.add(name, check)

    def fail(self, message: str, error: BaseException | None = None) -> None:
        """Stop the process with exit 1 (or the error's own code)."""
        if isinstance(error, CsxError):
            log.error("%s: %s", message, error)
        else:
            log.error(message, exc_info=error)
        self.exit_code = self.exit_code or (error.exit_code if isinstance(error, CsxError) else 1)
        self.stopping.set()

    def restart(self, reason: str) -> None:
        """Stop gracefully and ask to be started again."""
        if not self.stopping.is_set():
            log.warning("restarting", extra={"reason": reason})
            self.exit_code = RESTART_EXIT_CODE
            self.stopping.set()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.fail(f"task {task.get_name()} failed", error)

    async def serve(self, main: Callable[["Process"], Awaitable[None]]) -> int:
        """Run `main`, wait for the order to stop, end everything; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        await self.health.start(self._settings.health_host, self._settings.health_port)
        self.spawn(self.memory.watch(), name="memory guard")
        self.spawn(_watch_loop(), name="loop watch")
        try:
            starting = asyncio.ensure_future(main(self))
            halting = asyncio.create_task(self.stopping.wait())
            await asyncio.wait({starting, halting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                UP.labels(self.service).set(1)
                log.info("started", extra={"health_port": self.health.port})
                await halting
            else:
                starting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await starting
        except Exception as e:  # noqa: BLE001  (logged by `fail`, which ends the process)
            self.fail("start failed", e)
        await self._stop()
        return self.exit_code

    async def _stop(self) -> None:
        self.health.stopping = True
        self.stopping.set()
        UP.labels(self.service).set(0)
        began_s = monotonic_s()
        if self._alone:
            self._end_for_sure(began_s)
        for ending in reversed(self._endings):
            await self._end(ending, began_s + STOP_WITHIN_S - 1.0)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=0.5)
        await self.health.stop()
        log.info("stopped", extra={"took_s": round(monotonic_s() - began_s, 3), "exit_code": self.exit_code})

    async def _end(self, ending: Callable[[], Awaitable[None]], deadline_s: float) -> None:
        """Give one ending its time; one that breaks, or swallows its cancellation, must not keep the others from it."""
        task = asyncio.ensure_future(ending())
        done, _ = await asyncio.wait({task}, timeout=max(0.2, deadline_s - monotonic_s()))
        if not done:
            log.error("an ending took too long", extra={"ending": repr(ending)})
            task.cancel()
        elif error := task.exception():
            log.error("an ending broke", exc_info=error)
        else:
            return
        self.exit_code = self.exit_code or 1

    def _end_for_sure(self, began_s: float) -> None:
        """End the process at its deadline whatever its tasks do: who was told to stop is about to be killed anyway."""

        def end() -> None:
            sys.stderr.write(f"csx {self.service}: not stopped within {monotonic_s() - began_s:.0f} s, ending now\n")
            sys.stderr.flush()
            os._exit(self.exit_code or 1)

        timer = threading.Timer(STOP_WITHIN_S, end)
        timer.daemon = True
        timer.start()


def run(service: str, settings: ServiceSettings, main: Callable[[Process], Awaitable[None]]) -> NoReturn:
    """Run one service process until SIGTERM, SIGINT or a critical failure, and exit with its code."""
    configure_logging(service, settings.log_level, settings.log_format, secrets_of(settings))
    traces = configure_tracing(service, settings.otel_endpoint)

    async def serve() -> int:
        return await Process(service, settings, alone=True).serve(main)

    code = uvloop.run(serve())
    if traces:
        traces.shutdown()
    sys.exit(code)


async def _watch_loop(interval_s: float = 0.5) -> None:
    worst: list[float] = []
    while True:
        before_s = monotonic_s()
        await asyncio.sleep(interval_s)
        worst = [*worst[-19:], monotonic_s() - before_s - interval_s]
        LOOP_STALL.set(max(worst))
