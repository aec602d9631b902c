"""The embedded broker as a child process: a folder and a port in, a reachable broker out."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from deploy.local.children import Child, ChildError, is_open

_ROOT: Final = Path(__file__).resolve().parents[3]


class EmbeddedBroker:
    """`python -m deploy.local.broker` on loopback, with further flags as `options`; it dies with this process."""

    def __init__(self, output: Path | Callable[[str], None] | None = None, *, options: Sequence[str] = ()) -> None:
        self._output = output
        self._options = tuple(options)
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        """The broker's process."""
        assert self._child is not None, "start it first"
        return self._child

    @property
    def pid(self) -> int:
        """The process id."""
        return self.child.pid

    def start(self, data_dir: Path, port: int, *, deadline_s: float = 20.0) -> str:
        """Start on `data_dir/broker`; return the bootstrap address once it accepts connections.

        Raises:
            ChildError: the port is taken, it died, or the deadline passed; nothing is left running.
        """
        if is_open(port):
            raise ChildError(f"port {port} is taken: stop what listens there, or choose another")
        home = data_dir.absolute() / "broker"
        home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "deploy.local.broker", "--port", str(port), "--data-dir", str(home)]
        output = self._output or data_dir.absolute() / "broker.log"
        self._child = Child("broker", [*command, *self._options], output=output, cwd=_ROOT)
        self._child.start()
        try:
            self._child.wait_reachable(port, deadline_s=deadline_s)
        except ChildError:
            self.stop()
            raise
        return f"127.0.0.1:{port}"

    def stop(self) -> int | None:
        """Stop it, synced; return its exit code, None if it was never started."""
        return None if self._child is None else self._child.stop()
