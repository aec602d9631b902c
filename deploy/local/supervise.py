"""Units in, a running system out: started in order, restarted when they die, stopped in reverse."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import Final

from deploy.local.children import ChildError
from deploy.local.screen import understand
from deploy.local.units import Unit, told
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.errors import CsxError

SERVICE_GRACE_S: Final = 11.0
"""A service promises to stop within 10 s."""
OTHER_GRACE_S: Final = 4.0
QUICK_S: Final = 10.0
QUICK_LIMIT: Final = 5
RESTART_EXIT_CODE: Final = 75
"""A service's own wish, see libs/common/runtime/process.py, which is too heavy to import here."""
_CONFIGURATION: Final = 3
_POLL_S: Final = 0.05
_ECHO_S: Final = 0.5


class Stopped(CsxError):
    """The system stopped itself; the message says because of whom."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # of the one that failed, not of this class


class _Life:
    """What the supervisor knows of one unit."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.starting: Future[None] | None = None
        self.serving = False
        self.began_s = 0.0
        self.due_s: float | None = 0.0
        self.quick = 0
        self.restarts = 0
        self.backoff = Backoff(0.25, 8.0)


class Supervisor:
    """Runs units until told to stop, or until one of them cannot go on.

    A unit that dies is started again: at once after exit 75, else after a growing wait. The whole stops when a unit
    exits with 3 (its settings cannot work) or dies five times in a row within ten seconds of its start.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        *,
        say: Callable[[str, str], None],
        progress: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._lives = {unit.name: _Life(unit) for unit in units}
        self._say = say
        self._progress = progress
        self._changed = changed
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(units)), thread_name_prefix="start")
        self._wake = Event()
        self._orders = 0
        self._ordered_s = 0.0

    @property
    def restarts(self) -> dict[str, int]:
        """How often each unit was started again."""
        return {name: life.restarts for name, life in self._lives.items()}

    @property
    def up(self) -> bool:
        """Whether everything serves."""
        return all(life.serving for life in self._lives.values())

    def order_stop(self) -> None:
        """Ask for the end; a second order half a second later kills. Safe in a signal handler."""
        now_s = time.monotonic()
        if not self._orders:
            self._ordered_s = now_s
        elif now_s - self._ordered_s < _ECHO_S:
            return  # one order may come twice, to this process and to its group
        self._orders += 1
        self._wake.set()
        if self._orders > 1:
            self._kill()

    def run(
        self, *, on_up: Callable[[], None], seconds: float | None = None, tick: Callable[[], None] | None = None
    ) -> None:
        """Start everything, call `on_up` once it serves, go on until ordered to stop or `seconds` after that.

        Raises:
            Stopped: a unit could not go on; everything is stopped by then.
        """
        end_s: float | None = None
        announced = False
        try:
            while not self._orders:
                for life in self._lives.values():
                    self._look(life)
                if not announced:
                    announced = self._announce(on_up)
                    if announced and seconds is not None:
                        end_s = time.monotonic() + seconds
                if end_s is not None and time.monotonic() >= end_s:
                    break
                if announced and tick is not None:
                    tick()
                self._wake.wait(_POLL_S)
        finally:
            self._progress("")
            self.stop()

    def stop(self) -> None:
        """Stop the services, then what they need."""
        for service, grace_s in ((True, SERVICE_GRACE_S), (False, OTHER_GRACE_S)):
            units = [life.unit for life in reversed(self._lives.values()) if life.unit.service is service]
            living = [unit.name for unit in units if unit.child is not None and unit.child.alive]
            if living:
                self._say(f"stopping {', '.join(living)}", "info")
            with ThreadPoolExecutor(max_workers=max(1, len(units))) as pool:
                for unit in units:
                    pool.submit(unit.stop, grace_s)
        self._pool.shutdown(wait=True, cancel_futures=True)
        for life in self._lives.values():  # one that was just being started has a process only now
            life.unit.stop(0.0)
        self._changed()

    def _announce(self, on_up: Callable[[], None]) -> bool:
        missing = [name for name, life in self._lives.items() if not life.serving]
        if missing:
            self._progress(f"starting: waiting for {', '.join(missing)}")
            return False
        self._progress("")
        on_up()
        return True

    def _look(self, life: _Life) -> None:
        if life.starting is not None:
            if not life.starting.done():
                return
            error = life.starting.exception()
            life.starting = None
            if error is None:
                life.serving = True
                self._changed()
            else:
                self._died(life, error)
        elif life.serving:
            child = life.unit.child
            if child is not None and not child.alive:
                self._died(life, None)
            elif life.quick and time.monotonic() - life.began_s > QUICK_S:
                life.quick = 0
                life.backoff.reset()
        elif life.due_s is not None and time.monotonic() >= life.due_s and self._may_start(life.unit):
            life.due_s = None
            life.began_s = time.monotonic()
            life.starting = self._pool.submit(life.unit.start)

    def _may_start(self, unit: Unit) -> bool:
        return all(self._lives[name].serving for name in unit.after if name in self._lives)

    def _died(self, life: _Life, error: BaseException | None) -> None:
        unit = life.unit
        life.serving = False
        if isinstance(error, CsxError):
            raise Stopped(str(error), error.exit_code)
        if error is not None and not isinstance(error, ChildError):
            raise error
        child = unit.child
        code = None if child is None else child.exit_code
        last = _told(unit.last_lines[-8:])
        if code == _CONFIGURATION:
            raise Stopped(f"{unit.name} refuses its settings:{last or f' {error}'}", _CONFIGURATION)
        if not unit.service and life.restarts == 0 and error is not None:
            raise Stopped(f"{error}{last}")  # what everything needs did not even come up
        life.quick = life.quick + 1 if time.monotonic() - life.began_s < QUICK_S else 1
        if life.quick >= QUICK_LIMIT:
            raise Stopped(f"{unit.name} died {life.quick} times in a row ({told(code)}), its last lines:{last}")
        wait_s = 0.0 if code == RESTART_EXIT_CODE else life.backoff.next_s()
        life.restarts += 1
        life.due_s = time.monotonic() + wait_s
        how = "asked to be started again" if code == RESTART_EXIT_CODE else f"died ({error or told(code)})"
        self._say(f"{unit.name} {how}: starting it again in {wait_s:.1f} s", "warning")
        if child is not None and not child.alive:
            child.stop(0.0)  # what it left behind in its group
        self._changed()

    def _kill(self) -> None:
        for life in self._lives.values():
            child = life.unit.child
            if child is not None and child.alive:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)


def _told(raw: Sequence[str]) -> str:
    """Return the last words of a process, one a line: its complaints, or everything where it has none."""
    lines = [understand(line, "") for line in raw]
    complaints = [line for line in lines if line.level in {"error", "critical"}]
    return "".join(f"\n  {line.text}" for line in complaints or lines)
