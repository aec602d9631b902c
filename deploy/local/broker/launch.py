"""The embedded broker as a child process: a folder and a port in, a reachable broker out."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from deploy.local.children import Child, ChildError, is_open

_ROOT: Final = Path(__file__).resolve().parents[3]


class EmbeddedBroker:
    """`python -m deploy.local.broker` on loopback. `output` gets its log, `options` its further flags."""

    def __init__(self, output: Path | Callable[[str], None], options: Sequence[str] = ()) -> None:
        self._output = output
        self._options = tuple(options)
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Whether it was started and has not exited."""
        return self._child is not None and self._child.alive

    def start(self, data_dir: Path, port: int, *, deadline_s: float = 20.0) -> None:
        """Start it and return when it accepts connections.

        Raises:
            ChildError: the port is taken, or it died, or the deadline passed; nothing is left running.
        """
        if is_open(port):
            raise ChildError(f"port {port} is taken: stop what listens there, or choose another")
        command = [
            sys.executable,
            "-m",
            "deploy.local.broker",
            "--port",
            str(port),
            "--data-dir",
            str(data_dir.resolve()),
        ]
        child = Child("broker", [*command, *self._options], output=self._output, cwd=_ROOT)
        child.start()
        try:
            child.wait_reachable(port, deadline_s=deadline_s)
        except ChildError:
            child.stop()
            raise
        self._child = child

    def stop(self) -> int | None:
        """Stop it, synced; return its exit code, None if it was never started."""
        return None if self._child is None else self._child.stop()

    def _running(self) -> Child:
        if self._child is None:
            raise ChildError("the broker was not started")
        return self._child
