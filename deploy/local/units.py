"""What the supervisor starts and stops: a spec or a store in, one unit that serves, dies and stops out."""

import http.client
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final, Protocol

import deploy
from deploy.local.children import Child, ChildError, is_open
from deploy.local.plan import HOST, Ready, Spec

_POLL_S: Final = 0.05
_ROOT: Final = Path(deploy.__file__).resolve().parent.parent


class Unit(Protocol):
    """Something that runs."""

    @property
    def name(self) -> str:
        """The name in the log."""

    @property
    def after(self) -> tuple[str, ...]:
        """Names of the units that must serve before."""

    @property
    def service(self) -> bool:
        """Whether it stops before the others."""

    @property
    def child(self) -> Child | None:
        """Its process, if it was started and has one."""

    @property
    def last_lines(self) -> list[str]:
        """Its latest output."""

    def start(self) -> None:
        """Start it, and return when it serves.

        Raises:
            ChildError: it died, or does not come up.
        """

    def stop(self, grace_s: float) -> None:
        """Stop it for good; kill it after `grace_s`."""


class ProcessUnit:
    """One process of a plan."""

    def __init__(
        self, spec: Spec, show: Callable[[str, str], None], *, ready_s: float = 45.0, root: Path = _ROOT
    ) -> None:
        self.name = spec.name
        self.after = spec.after
        self.service = spec.service
        self.child: Child | None = None
        self.last_lines: list[str] = []
        self._spec = spec
        self._show = show
        self._ready_s = ready_s
        self._root = root
        self._stopped = False
        self._lock = Lock()

    def start(self) -> None:
        """Start it, and return when it serves; a service that is merely not ready in time is told, not failed."""
        with self._lock:
            if self._stopped:
                raise ChildError(f"{self.name} is being stopped")
            child = Child(
                self.name,
                self._spec.command,
                output=self._hear,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | self._spec.env,
                cwd=self._root,
            )
            self.last_lines = []
            child.start()
            self.child = child
        self._wait(child)

    def stop(self, grace_s: float) -> None:
        """Stop it for good."""
        with self._lock:
            self._stopped = True
        if self.child is not None:
            self.child.stop(grace_s)

    def _hear(self, line: str) -> None:
        self.last_lines = [*self.last_lines[-19:], line]
        self._show(self.name, line)

    def _wait(self, child: Child) -> None:
        end = time.monotonic() + self._ready_s
        while True:
            if not child.alive:
                raise ChildError(f"{self.name} ended with {told(child.exit_code)} before it served")
            fault = serves(self._spec.ready)
            if fault is None:
                return
            if time.monotonic() > end:
                break
            time.sleep(_POLL_S)
        if not self._spec.service:
            raise ChildError(f"{self.name} does not serve after {self._ready_s:g} s: {fault}")
        self._show(self.name, f"runs, but is not ready after {self._ready_s:g} s: {fault}")


class StoreUnit:
    """A server with a class of its own: `begin` starts it and returns its process, however long that takes."""

    def __init__(self, name: str, begin: Callable[[], Child], *, after: tuple[str, ...] = ()) -> None:
        self.name = name
        self.after = after
        self.service = False
        self.child: Child | None = None
        self.last_lines: list[str] = []
        self._begin = begin
        self._stopped = False

    def start(self) -> None:
        """Start the server."""
        if self._stopped:
            raise ChildError(f"{self.name} is being stopped")
        self.child = self._begin()

    def stop(self, grace_s: float) -> None:
        """Stop the server."""
        self._stopped = True
        if self.child is not None:
            self.child.stop(grace_s)


class StepUnit:
    """Something that is done once and has no process."""

    def __init__(self, name: str, step: Callable[[], None], *, after: tuple[str, ...]) -> None:
        self.name = name
        self.after = after
        self.service = False
        self.child: Child | None = None
        self.last_lines: list[str] = []
        self.start = step

    def stop(self, grace_s: float) -> None:
        """Nothing is left of it."""


def serves(ready: Ready) -> str | None:
    """Return None when everything of `ready` answers, else what does not."""
    for port in ready.ports:
        if not is_open(port, host=HOST):
            return f"port {port} is not open"
    if ready.path is None:
        return None
    connection = http.client.HTTPConnection(HOST, ready.ports[0], timeout=3.0)
    try:
        connection.request("GET", ready.path)
        answer = connection.getresponse()
        body = answer.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as e:
        return f"{ready.path} does not answer: {e}"
    finally:
        connection.close()
    return None if answer.status == http.client.OK else body


def told(exit_code: int | None) -> str:
    """Return an exit code in words."""
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}"
    return f"exit code {exit_code}"
