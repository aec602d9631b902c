"""Child processes on this machine: a command in, a running process out that dies with its parent, however that dies."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Final

STOP_GRACE_S: Final = 10.0
_TAIL_LINES: Final = 20
_TAIL_BYTES: Final = 8192
_POLL_S: Final = 0.01
_PR_SET_PDEATHSIG: Final = 1

_libc: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_forks: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="children")
"""Linux ties the death signal to the forking *thread*: this one lives exactly as long as the process."""


class ChildError(RuntimeError):
    """A child could not be started, died, or never became reachable; the message ends with its last output."""


class Child:
    """One process: started in its own process group, signalled when this process dies, stopped with a deadline.

    `output` gets both streams: a path is appended to by the child itself, a callable is called with each line
    (without its line break) from a thread of this process. `user` and `group` are numeric ids to drop to.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        output: Path | Callable[[str], None],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
        group: int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self._command = [str(word) for word in command]
        self._output = output
        self._env = None if env is None else dict(env)
        self._cwd = cwd
        self._user = user
        self._group = group
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    @property
    def pid(self) -> int:
        """The process id; it is also the id of its process group."""
        return self._started().pid

    @property
    def alive(self) -> bool:
        """Whether it was started and has not exited."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs, negative for a signal."""
        return self._started().poll()

    def start(self) -> None:
        """Start the process and return at once.

        Raises:
            ChildError: the command does not exist or may not be run.
        """
        if self.alive:
            raise ChildError(f"{self.name} is running already (pid {self.pid})")
        try:
            self._process = _forks.submit(self._fork).result()
        except OSError as e:
            raise ChildError(f"{self.name} cannot be started: {e}") from e
        if callable(self._output):
            self._reader = Thread(target=self._read, args=(self._output,), name=f"output-{self.name}", daemon=True)
            self._reader.start()

    def wait_reachable(self, port: int, *, host: str = "127.0.0.1", deadline_s: float = 20.0) -> None:
        """Return as soon as `host:port` accepts a connection.

        Raises:
            ChildError: the process exited, or the deadline passed; it is not stopped then.
        """
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            code = self.exit_code
            if code is not None:
                raise ChildError(f"{self.name} exited with {code} before {host}:{port} was open{self._last_words()}")
            if is_open(port, host=host):
                return
            time.sleep(_POLL_S)
        raise ChildError(f"{self.name} did not open {host}:{port} within {deadline_s:g} s{self._last_words()}")

    def stop(self, grace_s: float = STOP_GRACE_S) -> int | None:
        """Ask the process to stop, kill its group after `grace_s`; return its exit code, None if it never started."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self._stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace_s)
        with contextlib.suppress(ProcessLookupError):  # what it left behind in its group, too
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        if self._reader is not None:
            self._reader.join(STOP_GRACE_S)
        if process.stdout is not None:
            process.stdout.close()
        return code

    def _fork(self) -> "subprocess.Popen[str]":
        with contextlib.ExitStack() as stack:
            stdout = subprocess.PIPE if callable(self._output) else stack.enter_context(self._output.open("ab"))
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                user=self._user,
                group=self._group,
                extra_groups=None if self._group is None else [],
                process_group=0,
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - one prctl, looked up before the fork, no lock
                encoding="utf-8",
                errors="replace",
            )

    def _read(self, sink: Callable[[str], None]) -> None:
        stream = self._started().stdout
        assert stream is not None
        for line in stream:
            text = line.rstrip("\r\n")
            self._tail.append(text)
            sink(text)

    def _last_words(self) -> str:
        lines = list(self._tail)
        if isinstance(self._output, Path) and self._output.exists():
            lines = self._output.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").splitlines()[-_TAIL_LINES:]
        elif self._reader is not None and not self.alive:
            self._reader.join(1.0)
            lines = list(self._tail)
        return "".join(f"\n  {line}" for line in lines)

    def _started(self) -> "subprocess.Popen[str]":
        if self._process is None:
            raise ChildError(f"{self.name} was not started")
        return self._process


def is_open(port: int, *, host: str = "127.0.0.1") -> bool:
    """Whether something accepts TCP connections at `host:port` now."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def free_port() -> int:
    """Return a loopback port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with(parent: int) -> Callable[[], None] | None:
    """Return what the forked child calls before it becomes the command: SIGTERM me when `parent` dies.

    SIGTERM, not SIGKILL, so that a child that has children of its own can take them along.
    """
    libc = _libc
    if libc is None:
        return None

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between, the signal will never come
            os._exit(1)

    return ask
