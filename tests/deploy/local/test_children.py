"""Children start, speak, become reachable, and never outlive their parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.local.children import Child, ChildError, free_port, is_open

_LISTEN = (
    "import socket,sys,time; print('up',flush=True);"
    "s=socket.create_server(('127.0.0.1',int(sys.argv[1]))); time.sleep(60)"
)


def _gone(pid: int, deadline_s: float = 10.0) -> bool:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_child_is_reachable_then_stopped_with_its_port():
    lines: list[str] = []
    port = free_port()
    child = Child("listener", [sys.executable, "-c", _LISTEN, str(port)], output=lines.append)
    child.start()
    child.wait_reachable(port, deadline_s=10)
    assert child.alive
    assert os.getpgid(child.pid) == child.pid
    assert child.stop() == -signal.SIGTERM
    assert lines == ["up"]
    assert not is_open(port)


def test_output_can_go_to_a_file(tmp_path):
    log = tmp_path / "child.log"
    child = Child("speaker", [sys.executable, "-c", "import sys; print('a'); print('b', file=sys.stderr)"], output=log)
    child.start()
    assert _gone(child.pid)
    child.stop()
    assert sorted(log.read_text().split()) == ["a", "b"]


def test_an_early_death_is_told_with_the_last_output():
    child = Child("crasher", [sys.executable, "-c", "import sys; sys.exit('no disk')"], output=lambda _: None)
    child.start()
    with pytest.raises(ChildError, match=r"crasher exited with 1 before .*\n  no disk"):
        child.wait_reachable(free_port())
    assert child.stop() == 1


def test_a_port_that_never_opens_meets_the_deadline():
    child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], output=lambda _: None)
    child.start()
    with pytest.raises(ChildError, match="did not open"):
        child.wait_reachable(free_port(), deadline_s=0.2)
    child.stop()


def test_a_missing_command_is_one_clear_error():
    with pytest.raises(ChildError, match=r"nothing cannot be started: .*No such file"):
        Child("nothing", ["/nonexistent/command"], output=lambda _: None).start()


def test_a_child_that_ignores_sigterm_is_killed_with_its_group():
    code = (
        "import signal,subprocess,sys,time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "p=subprocess.Popen([sys.executable,'-c','import time; time.sleep(60)']);"
        "print(p.pid, flush=True); time.sleep(60)"
    )
    lines: list[str] = []
    child = Child("stubborn", [sys.executable, "-c", code], output=lines.append)
    child.start()
    end = time.monotonic() + 10
    while not lines and time.monotonic() < end:
        time.sleep(0.01)
    assert child.stop(grace_s=0.2) == -signal.SIGKILL
    assert _gone(int(lines[0]))


def test_a_child_dies_when_its_parent_is_killed():
    code = (
        "import sys,time; from deploy.local.children import Child;"
        "c=Child('orphan',[sys.executable,'-c','import time; time.sleep(60)'],output=lambda _: None);"
        "c.start(); print(c.pid,flush=True); time.sleep(60)"
    )
    root = Path(__file__).resolve().parents[3]
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root)
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert _gone(orphan)


def test_a_child_outlives_the_thread_that_asked_for_it():
    from threading import Thread

    child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], output=lambda _: None)
    asker = Thread(target=child.start)
    asker.start()
    asker.join()
    with pytest.raises(ChildError, match="did not open"):  # still alive after the thread is gone
        child.wait_reachable(free_port(), deadline_s=0.5)
    assert child.alive
    child.stop()
