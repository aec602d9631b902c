"""The processes of a proving run: an embedded broker, sandbox exchanges and ingest, as children on loopback."""

import http.client
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import deploy
from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import Child
from deploy.local.playback import fetch
from deploy.local.ports import free_ports
from deploy.proving.sampling import Watched

HOST: Final = "127.0.0.1"
_ROOT: Final = Path(deploy.__file__).resolve().parent.parent


class Street:
    """Everything that runs, in one folder; a context manager that leaves no process behind."""

    def __init__(self, folder: Path, *, broker_options: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.bootstrap = ""
        self.broker = self._broker(broker_options)
        self.exchanges: dict[str, int] = {}
        """Port by name."""
        self.watched: list[Watched] = []
        self._broker_options = broker_options
        self._port = free_ports(["broker"])["broker"]
        self._children: list[Child] = []

    def _broker(self, options: Sequence[str]) -> EmbeddedBroker:
        return EmbeddedBroker(self.folder / "broker.log", options=options)

    def __enter__(self) -> Self:
        """Start the broker."""
        self.start_broker()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything, what writes first."""
        for child in reversed(self._children):
            child.stop()
        self.broker.stop()

    def start_broker(self) -> None:
        """Start it on its folder and port, the first time or again."""
        self.broker = self._broker(self._broker_options)
        self.bootstrap = self.broker.start(self.folder / "broker", self._port)

    def exchange(self, name: str, options: Sequence[str], *, core: int | None = None) -> int:
        """Start a sandbox exchange; return its port."""
        port = free_ports([name])[name]
        command = [sys.executable, "-m", "deploy.local.sandbox", "--port", str(port), *options]
        child = self._run(name, command, {}, core)
        child.wait_reachable(port, deadline_s=60.0)
        self.exchanges[name] = port
        return port

    def ingest(self, venue: str, port: int, settings: Mapping[str, str], *, core: int | None = None) -> Watched:
        """Start ingest of `venue` against the exchange at `port`; return it under watch."""
        health = free_ports([venue])[venue]
        name = f"ingest-{venue}"
        env = {
            "CSX_KAFKA_BOOTSTRAP": self.bootstrap,
            "CSX_INSTANCE": name,
            "CSX_HEALTH_PORT": str(health),
            "CSX_INGEST_VENUE": venue,
            "CSX_INGEST_WS_URL": f"ws://{HOST}:{port}/{venue}",
            "CSX_INGEST_REST_URL": f"http://{HOST}:{port}/{venue}",
            "CSX_INGEST_SPILL_DIR": str(self.folder / name),
        }
        child = self._run(name, [sys.executable, "-m", "services.ingest"], env | dict(settings), core)
        child.wait_reachable(health, deadline_s=60.0)
        watched = Watched(name, child.pid, health)
        self.watched.append(watched)
        return watched

    def pid(self, name: str) -> int:
        """Return the process id of an exchange or ingest that was started here."""
        return next(child.pid for child in reversed(self._children) if child.name == name)

    def control(self, exchange: str, path: str, body: bytes = b"") -> bytes:
        """Call an exchange's side door: POST where there is a body."""
        connection = http.client.HTTPConnection(HOST, self.exchanges[exchange], timeout=30.0)
        try:
            connection.request("POST" if body else "GET", f"/control/{path}", body or None)
            return connection.getresponse().read()
        finally:
            connection.close()

    def status(self, exchange: str) -> dict[str, Any]:
        """Return what an exchange says of itself."""
        return fetch(self.exchanges[exchange], "/control/status")

    def _run(self, name: str, command: Sequence[str], env: Mapping[str, str], core: int | None) -> Child:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
        words = ["taskset", "-c", str(core), *command] if core is not None else list(command)
        child = Child(name, words, output=self.folder / f"{name}.log", env=clean | dict(env), cwd=_ROOT)
        child.start()
        self._children.append(child)
        return child


def every(seconds: float, until_s: float, act: Callable[[float], None]) -> None:
    """Call `act` with the seconds since the start, every `seconds`, until `until_s` have passed."""
    began_s = time.monotonic()
    count = 0
    while (now_s := time.monotonic() - began_s) < until_s:
        act(now_s)
        count += 1
        time.sleep(max(0.0, began_s + count * seconds - time.monotonic()))
