"""The system that is measured: a whole `csx up` on the simulated market, its gateway on a core of its own."""

import asyncio
import contextlib
import json
import os
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil
from msgspec import Struct

from deploy.local.children import Child, free_port
from libs.common.runtime.clock import monotonic_s
from services.gateway.access.keys import mint
from services.gateway.settings import Settings
from services.gateway.store.store import Store

ROOT: Final = Path(__file__).resolve().parents[2]
CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = CORES[0]
GENERATOR_CORE: Final = CORES[-1]

_START_S: Final = 180.0
_FIRST: Final = -10
"""Priority of the generator's thread alone (children are forked by another thread), and of Valkey's."""
_OPEN: Final = {
    "CSX_GATEWAY_LIMIT_SECOND": "100000",
    "CSX_GATEWAY_LIMIT_MINUTE": "5000000",
    "CSX_GATEWAY_LIMIT_ADDRESS": "5000000",
    "CSX_GATEWAY_LIMIT_ADDRESS_KNOWN": "5000000",
    "CSX_GATEWAY_MAX_CLIENTS": "1200",
    "CSX_GATEWAY_QUEUE_SIZE": "50",
    "CSX_GATEWAY_MAX_CONNECTIONS_PER_ADDRESS": "2000",
    "CSX_GATEWAY_MAX_IN_FLIGHT": "2000",
}
"""One machine plays all clients: the limits count, but do not bind. A client is slow when it is ten seconds behind."""


class Place(Struct, frozen=True):
    """Where the running gateway is."""

    port: int
    pid: int
    health_port: int
    bootstrap: str
    postgres_dsn: str


class System:
    """A running `csx up`; use it as a context."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        known = {f"CSX_GATEWAY_{name.upper()}" for name in Settings.model_fields}
        env = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
        env |= {key: value for key, value in _OPEN.items() if key in known}
        command = [
            sys.executable,
            "-m",
            "deploy.cli",
            "up",
            "--port",
            str(self._port),
            "--data-dir",
            str(folder / "up"),
        ]
        self._child = Child("up", command, output=folder / "up.log", cwd=ROOT, env=env)

    def __enter__(self) -> Self:
        """Start it, and wait until it serves."""
        self._child.start()
        deadline_s = monotonic_s() + _START_S
        while not self._state().get("up"):
            if monotonic_s() > deadline_s or not self._child.alive:
                self._child.stop()
                raise RuntimeError(f"csx up did not come up: see {self._folder / 'up.log'}")
            _wait(0.2)
        self.place = self._place()
        for process in psutil.Process(self._child.pid).children(recursive=True):
            pin(process.pid, GENERATOR_CORE)
            if "valkey" in process.name():  # each read asks it, and would wait for everything else there
                first(process.pid)
        pin(self.place.pid, SERVER_CORE)
        os.sched_setaffinity(0, {GENERATOR_CORE})
        first(0)  # what waits for its own core measures others' work
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        os.sched_setaffinity(0, CORES)
        self._child.stop()

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self._folder / "up" / "state.json").read_text())
        except (OSError, json.JSONDecodeError):
            return {}
        return state

    def _place(self) -> Place:
        state = self._state()
        process = state["processes"]["gateway"]
        return Place(
            self._port, process["pid"], process["health_port"], state["kafka_bootstrap"], state["postgres_dsn"]
        )

    async def keys(self, count: int) -> list[str]:
        """Make API keys that may read everything."""
        store = Store(self.place.postgres_dsn)
        await store.start()
        made = [mint(f"bench {n}") for n in range(count)]
        for key in made:
            await store.add_key(key.row)
        await store.stop()
        return [key.text for key in made]

    def resident_mib(self) -> float:
        """Return the gateway's resident memory."""
        return float(psutil.Process(self.place.pid).memory_info().rss) / 2**20

    def counters(self, name: str, label: str) -> dict[str, float]:
        """Return a counter of the gateway by one of its labels."""
        url = f"http://127.0.0.1:{self.place.health_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        found: dict[str, float] = {}
        for line in text.splitlines():
            head, _, value = line.rpartition(" ")
            if head.startswith(f"{name}{{") and f'{label}="' in head:
                key = head.partition(f'{label}="')[2].partition('"')[0]
                found[key] = found.get(key, 0.0) + float(value)
        return found

    def cpu_s(self) -> float:
        """Return the processor time the gateway has used."""
        used = psutil.Process(self.place.pid).cpu_times()
        return float(used.user + used.system)


def pin(pid: int, core: int) -> None:
    """Let a process and its children run, all threads of them, on one core only."""
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        for thread in one.threads():
            os.sched_setaffinity(thread.id, {core})


def first(pid: int) -> None:
    """Let a process come before others, where we may say so."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, _FIRST)


def _wait(seconds: float) -> None:
    asyncio.run(asyncio.sleep(seconds))
