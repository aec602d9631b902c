"""The supervisor starts in order, restarts what dies, gives up on crash loops, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from deploy.local.plan import Ready, Spec
from deploy.local.ports import free_ports
from deploy.local.supervise import RESTART_EXIT_CODE, Stopped, Supervisor
from deploy.local.units import ProcessUnit, StepUnit, StoreUnit
from libs.common.runtime import process
from libs.common.runtime.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]
SERVE = """
import signal, socket, sys, time, pathlib
name, port, diary = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
def note(word):
    with diary.open("a") as file: file.write(f"{word} {name}\\n")
def stop(*_):
    note("stopped"); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
server = socket.create_server(("127.0.0.1", port))
note("started")
print("hello from", name)
while True:
    time.sleep(0.02)
"""


class Stage:
    """Units on a stage: what they say, and a diary of who started and stopped when."""

    def __init__(self, folder: Path) -> None:
        self.diary = folder / "diary"
        self.diary.touch()
        self.said: list[str] = []
        self.lines: list[str] = []
        self.units: list[ProcessUnit] = []

    def add(self, name: str, code: str = SERVE, *, after: tuple[str, ...] = (), service: bool = True) -> ProcessUnit:
        """A unit that runs `code` with its name, a port and the diary as arguments."""
        port = free_ports([name])[name]
        command = (sys.executable, "-c", code, name, str(port), str(self.diary))
        spec = Spec(name=name, command=command, ready=Ready(ports=(port,)), after=after, service=service)
        unit = ProcessUnit(spec, lambda name, line: self.lines.append(f"{name}: {line}"), ready_s=20)
        self.units.append(unit)
        return unit

    def supervisor(self, *more: StepUnit) -> Supervisor:
        """A supervisor of everything added."""
        return Supervisor([*self.units, *more], say=lambda text, _: self.said.append(text), progress=lambda _: None)

    def words(self) -> list[str]:
        """The diary."""
        return self.diary.read_text().splitlines()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def until(fact, deadline_s=20.0):
    end = time.monotonic() + deadline_s
    while not fact():
        assert time.monotonic() < end, "the fact never came"
        time.sleep(0.01)


def test_started_in_order_and_stopped_in_reverse(stage):
    broker = stage.add("broker", service=False)
    stage.add("first", after=("broker",))
    stage.add("second", after=("broker", "first"))
    done = []
    supervisor = stage.supervisor(StepUnit("topics", lambda: done.append("topics"), after=("broker",)))
    seen = []
    supervisor.run(on_up=lambda: seen.append(supervisor.up), seconds=0.2)
    assert seen == [True]
    assert done == ["topics"]
    assert stage.words()[:3] == ["started broker", "started first", "started second"]
    assert stage.words()[-1] == "stopped broker"
    assert set(stage.words()[3:5]) == {"stopped first", "stopped second"}
    assert broker.child is not None
    assert broker.child.exit_code == 0
    assert "first: hello from first" in stage.lines


def test_what_is_killed_comes_back_with_another_pid(stage):
    unit = stage.add("worker")
    supervisor = stage.supervisor()
    pids: list[int] = []

    def kill() -> None:
        assert unit.child is not None
        pids.append(unit.child.pid)
        os.kill(unit.child.pid, signal.SIGKILL)

    def tick() -> None:
        if supervisor.restarts["worker"] == 1 and supervisor.up and stage.words().count("started worker") == 2:
            supervisor.order_stop()

    supervisor.run(on_up=kill, tick=tick, seconds=30)
    assert supervisor.restarts == {"worker": 1}
    assert unit.child is not None
    assert unit.child.pid != pids[0]
    assert any("worker died (signal 9)" in text for text in stage.said)
    assert stage.words()[-1] == "stopped worker"


def test_a_crash_loop_ends_everything_with_the_last_words(stage):
    stage.add("healthy")
    stage.add("crasher", "import sys; sys.exit('out of luck')")
    with pytest.raises(
        Stopped, match=r"crasher died 5 times in a row \(exit code 1\), its last lines:\n  out of luck"
    ) as e:
        stage.supervisor().run(on_up=lambda: None)
    assert e.value.exit_code == 1
    assert stage.words() == ["started healthy", "stopped healthy"]


def test_refused_settings_end_everything_at_once(stage):
    stage.add("typo", "import sys; print('unknown setting CSX_TYPO'); sys.exit(3)")
    with pytest.raises(Stopped, match=r"typo refuses its settings:\n  unknown setting CSX_TYPO") as e:
        stage.supervisor().run(on_up=lambda: None)
    assert e.value.exit_code == 3
    assert not any("starting it again" in text for text in stage.said)


def test_of_structured_last_words_the_complaints_are_told(stage):
    code = """if True:
        import sys
        print('{"level":"info","message":"health port open"}')
        print('{"level":"error","message":"no such symbol","symbol":"X"}')
        print('{"level":"info","message":"stopped"}')
        sys.exit(3)"""
    stage.add("typo", code)
    with pytest.raises(Stopped, match=r"^typo refuses its settings:\n  no such symbol symbol=X$"):
        stage.supervisor().run(on_up=lambda: None)


def test_a_wish_to_be_started_again_is_granted_at_once(stage):
    code = (
        "import pathlib,sys; d=pathlib.Path(sys.argv[3]+'.once')\nif not d.exists(): d.touch(); sys.exit(75)\n" + SERVE
    )
    stage.add("wisher", code)
    supervisor = stage.supervisor()
    supervisor.run(on_up=lambda: None, seconds=0.1)
    assert supervisor.restarts == {"wisher": 1}
    assert stage.said[0] == "wisher asked to be started again: starting it again in 0.0 s"
    assert process.RESTART_EXIT_CODE == RESTART_EXIT_CODE


def test_what_everything_needs_must_come_up(stage):
    stage.add("broker", "import sys; sys.exit('no disk')", service=False)
    stage.add("worker", after=("broker",))
    with pytest.raises(Stopped, match=r"broker ended with exit code 1 before it served\n  no disk"):
        stage.supervisor().run(on_up=lambda: None)
    assert stage.words() == []


def test_a_step_that_fails_ends_everything_with_its_own_code(stage):
    stage.add("broker", service=False)

    def fail() -> None:
        raise ConfigurationError("topics differ")

    with pytest.raises(Stopped, match="topics differ") as e:
        stage.supervisor(StepUnit("topics", fail, after=("broker",))).run(on_up=lambda: None)
    assert e.value.exit_code == 3
    assert stage.words() == ["started broker", "stopped broker"]


def test_an_order_to_stop_while_starting_leaves_nothing(stage):
    unit = stage.add("slow", "import time; time.sleep(60)")
    supervisor = stage.supervisor()
    runner = Thread(target=lambda: supervisor.run(on_up=lambda: None))
    runner.start()
    until(lambda: unit.child is not None and unit.child.alive)
    supervisor.order_stop()
    runner.join(20)
    assert not runner.is_alive()
    assert unit.child is not None
    assert not unit.child.alive


def test_the_second_order_kills(stage):
    stubborn = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVE.replace(
        "signal.signal(", "(lambda *_: 0)("
    )
    unit = stage.add("stubborn", stubborn)
    supervisor = stage.supervisor()
    up = []
    runner = Thread(target=lambda: supervisor.run(on_up=lambda: up.append(True)))
    runner.start()
    until(lambda: up)
    supervisor.order_stop()
    supervisor.order_stop()  # an echo of the first order
    until(lambda: any("stopping stubborn" in text for text in stage.said))
    assert unit.child is not None
    assert unit.child.alive
    began = time.monotonic()
    while runner.is_alive() and time.monotonic() - began < 5:
        supervisor.order_stop()
        runner.join(0.1)
    assert time.monotonic() - began < 5
    assert unit.child is not None
    assert unit.child.exit_code == -signal.SIGKILL


def test_a_store_is_a_unit_too(stage):
    unit = stage.add("server", service=False)

    def begin():
        unit.start()
        assert unit.child is not None
        return unit.child

    store = StoreUnit("store", begin)
    supervisor = Supervisor([store], say=lambda *_: None, progress=lambda _: None)
    supervisor.run(on_up=lambda: None, seconds=0.0)
    assert store.child is not None
    assert not store.child.alive


def test_children_die_with_a_supervisor_that_is_killed(tmp_path):
    port = free_ports(["x"])["x"]
    code = f"""
import sys
from deploy.local.plan import Ready, Spec
from deploy.local.supervise import Supervisor
from deploy.local.units import ProcessUnit
command = (sys.executable, "-c", {SERVE!r}, "x", "{port}", "{tmp_path}/diary")
spec = Spec(name="x", command=command, ready=Ready(ports=({port},)))
unit = ProcessUnit(spec, lambda *_: None)
Supervisor([unit], say=lambda *_: None, progress=lambda _: None).run(on_up=lambda: print(unit.child.pid, flush=True))
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    assert parent.stdout.readline()
    parent.kill()
    parent.wait()
    parent.stdout.close()

    def gone() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    until(gone)
    until(lambda: "stopped x" in (tmp_path / "diary").read_text())
