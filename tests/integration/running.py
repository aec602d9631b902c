"""A running system as its user has it: `csx up` as a child, its state file, its ports."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from deploy.local.lodging import evict
from libs.common.bus.codec import decode
from libs.common.bus.reading import Reader
from libs.common.bus.topics import Topic
from libs.common.events import Event
from libs.common.runtime.clock import monotonic_s

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("ingest-binance-usdm", "ingest-okx", "signals", "alerts", "gateway")

T = TypeVar("T")


def until(what: str, fact: Callable[[], T | None], within_s: float, *, every_s: float = 0.2) -> T:
    """Return the first truthy value of `fact`; fails with `what` after the deadline."""
    deadline_s = monotonic_s() + within_s
    pause = threading.Event()
    while not (found := fact()):
        assert monotonic_s() < deadline_s, f"not within {within_s:g} s: {what}"
        pause.wait(every_s)
    return found


def get(url: str, key: str | None = None) -> Any:
    """Return the JSON of a GET, or the HTTP error's status and body as a problem."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as e:
        with e:
            return {"http_status": e.code} | json.loads(e.read() or b"{}")


def get_lines(url: str) -> list[Any]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return [json.loads(line) for line in answer]


def post(url: str, body: bytes = b"") -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST"), timeout=10) as answer:
        return json.load(answer)


class Running:
    """`csx up` with some options, in a directory of its own."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "up.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
        command = [str(Path(sys.executable).parent / "csx"), "up", "--port", str(port), "--data-dir", str(self.data)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *options], stdout=log, stderr=log, cwd=ROOT, env=environment, start_new_session=True
            )

    @property
    def state(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.data / "state.json").read_text()))
        except (FileNotFoundError, ValueError):
            assert self.process.poll() is None, self.tail()
            return {}

    def tail(self) -> str:
        """The last lines of its log, for a failure's message."""
        return f"exit {self.process.poll()}\n" + self.log.read_text(errors="replace")[-6000:]

    def wait_up(self, within_s: float = 90) -> None:
        until("everything serves", lambda: self.state.get("up"), within_s)

    def pid(self, name: str) -> int:
        return int(self.state["processes"][name]["pid"])

    def ready(self, name: str) -> bool:
        """Whether the service runs and says that it is ready."""
        process = self.state.get("processes", {}).get(name)
        if not process:
            return False
        try:
            return "http_status" not in get(f"http://127.0.0.1:{process['health_port']}/readyz")
        except OSError:
            return False

    def kill(self, name: str) -> None:
        """SIGKILL a service and wait until its successor is ready."""
        old = self.pid(name)
        os.kill(old, signal.SIGKILL)
        until(
            f"{name} runs again",
            lambda: (now := self.state.get("processes", {}).get(name)) and now["pid"] != old and self.ready(name),
            60,
        )

    def control(self, path: str) -> str:
        """The sandbox exchange's side door."""
        return f"http://127.0.0.1:{self.state['exchange_port']}/control/{path}"

    def messages(self) -> list[dict[str, Any]]:
        """What the fake Telegram accepted so far."""
        found = get(self.state["telegram"]["url"] + "/control/messages")
        return list(found["messages"] if isinstance(found, dict) else found)

    async def topic(self, topic: Topic) -> list[Event]:
        """Everything on a topic, partition by partition."""
        async with Reader(self.state["kafka_bootstrap"], "csx-test") as reader:
            return [
                decode(raw.value or b"")
                for partition in range(topic.partitions)
                async for raw in reader.read_all(topic, partition)
            ]

    def stop(self) -> int:
        """Ctrl-C; return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        finally:
            evict(self.data)
