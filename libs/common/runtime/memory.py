"""A guard that watches resident memory against a limit: it sheds, alerts at 80 % and restarts the process at 90 %."""

import asyncio
import gc
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from prometheus_client import Counter, Gauge

log = logging.getLogger(__name__)

RESIDENT: Final = Gauge("csx_process_resident_bytes", "Resident memory of this process.")
LIMIT: Final = Gauge("csx_process_memory_limit_bytes", "The limit it is held against; 0 where there is none.")
PRESSURE: Final = Counter("csx_process_memory_pressure_total", "Times the guard acted.", ["action"])

ALERT_SHARE: Final = 0.8
RESTART_SHARE: Final = 0.9

_CGROUPS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_UNLIMITED: Final = 1 << 50
"""cgroup v1 writes a huge number where v2 writes `max`."""


def resident_bytes() -> int:
    """Return the resident set of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def limit_bytes(configured_mib: int | None, cgroups: tuple[Path, ...] = _CGROUPS) -> int | None:
    """Return the configured limit, else the container's, else None."""
    if configured_mib is not None:
        return configured_mib * 1024 * 1024
    for path in cgroups:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < _UNLIMITED:
            return int(text)
    return None


class MemoryGuard:
    """Looks at resident memory at intervals; what to shed is registered by who holds caches and buffers."""

    def __init__(
        self, limit: int | None, restart: Callable[[str], None], *, resident: Callable[[], int] = resident_bytes
    ) -> None:
        self._limit = limit
        self._restart = restart
        self._resident = resident
        self._shedders: list[Callable[[], None]] = []
        self._alerted = False
        LIMIT.set(limit or 0)

    def on_pressure(self, shed: Callable[[], None]) -> None:
        """Call `shed` when memory passes the alert share: drop what can be made again."""
        self._shedders.append(shed)

    def look(self) -> None:
        """Read resident memory once and act on it."""
        resident = self._resident()
        RESIDENT.set(resident)
        if self._limit is None:
            return
        share = resident / self._limit
        if share < ALERT_SHARE:
            self._alerted = False
            return
        for shed in self._shedders:
            shed()
        gc.collect()
        PRESSURE.labels("shed").inc()
        if not self._alerted:
            self._alerted = True
            PRESSURE.labels("alert").inc()
            log.warning("memory is short", extra={"resident_bytes": resident, "limit_bytes": self._limit})
        if self._resident() / self._limit >= RESTART_SHARE:
            PRESSURE.labels("restart").inc()
            self._restart(f"memory at {share:.0%} of its limit")

    async def watch(self, interval_s: float = 5.0) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(interval_s)
