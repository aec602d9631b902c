"""A process: health port, readiness, SIGTERM within its time, exit codes; as a real child."""

import asyncio
import json
import signal
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

_PREAMBLE = """
import asyncio, sys
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.process import run
from libs.common.runtime.settings import ServiceSettings

class Settings(ServiceSettings, env_prefix="CSX_SIGNALS_"):
    pass
"""


class Child:
    def __init__(self, body: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PREAMBLE + textwrap.dedent(body)], stderr=subprocess.PIPE, text=True
        )

    def line(self, message: str) -> dict[str, object]:
        """Read log lines until one has `message`; the child's end is the deadline's other side."""
        assert self.process.stderr
        seen = []
        for text in self.process.stderr:
            seen.append(text)
            if text.startswith("{") and (line := json.loads(text))["message"] == message:
                return dict(line)
        pytest.fail("child ended without saying it:\n" + "".join(seen))

    def get(self, port: object, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.read()


@pytest.fixture
def start() -> Iterator[object]:
    children: list[Child] = []

    def _start(body: str) -> Child:
        children.append(Child(body))
        return children[-1]

    yield _start
    for child in children:
        child.process.kill()
        child.process.communicate()


def test_it_lives_is_ready_when_its_checks_say_so_and_ends_on_sigterm(start):
    child = start("""
        async def main(process):
            faults = ["warming up"]
            async def check(): return faults[0] if faults else None
            process.check("engine", check)
            async def ending(): sys.stderr.write("ended well\\n")
            process.on_stop(ending)
            process.spawn(asyncio.sleep(3600), name="work")
        run("signals", Settings(), main)
    """)
    port = child.line("started")["health_port"]
    assert child.get(port, "/livez") == (200, b'{"service":"signals","alive":true}')
    status, body = child.get(port, "/readyz")
    assert (status, json.loads(body)["faults"]) == (503, {"engine": "warming up"})
    status, body = child.get(port, "/metrics")
    assert status == 200
    assert b'csx_process_up{service="signals"} 1.0' in body
    assert child.get(port, "/nothing")[0] == 404
    child.process.send_signal(signal.SIGTERM)
    _, rest = child.process.communicate(timeout=10)
    assert child.process.returncode == 0
    assert "ended well" in rest


def test_a_failing_critical_task_ends_the_process_with_1(start):
    child = start("""
        async def work(): raise RuntimeError("boom")
        async def main(process): process.spawn(work(), name="work")
        run("signals", Settings(), main)
    """)
    line = child.line("task work failed")
    assert "boom" in str(line["exception"])
    child.process.communicate(timeout=10)
    assert child.process.returncode == 1


def test_a_start_that_cannot_be_configured_ends_with_3_and_one_line(start):
    child = start("""
        async def main(process): raise ConfigurationError("CSX_X is wrong: do Y")
        run("signals", Settings(), main)
    """)
    child.line("start failed: CSX_X is wrong: do Y")
    child.process.communicate(timeout=10)
    assert child.process.returncode == 3


def test_an_ending_that_breaks_does_not_keep_the_others_from_running(start):
    child = start("""
        async def main(process):
            async def good(): sys.stderr.write("good ran\\n")
            async def bad(): raise RuntimeError("bad")
            process.on_stop(good)
            process.on_stop(bad)
            process.stopping.set()
        run("signals", Settings(), main)
    """)
    _, text = child.process.communicate(timeout=10)
    assert "good ran" in text
    assert child.process.returncode == 1


@pytest.mark.slow
def test_an_ending_that_swallows_its_cancellation_ends_at_the_deadline_all_the_same(start):
    child = start("""
        async def main(process):
            async def stubborn():
                while True:
                    try: await asyncio.sleep(3600)
                    except asyncio.CancelledError: pass
            process.on_stop(stubborn)
            process.stopping.set()
        run("signals", Settings(), main)
    """)
    _, text = child.process.communicate(timeout=15)
    assert "not stopped within 10 s, ending now" in text
    assert child.process.returncode == 1


def test_sigterm_during_the_start_cancels_it(start):
    child = start("""
        async def main(process):
            sys.stderr.write('{"message": "starting"}\\n')
            sys.stderr.flush()
            await asyncio.sleep(3600)
        run("signals", Settings(), main)
    """)
    child.line("starting")
    child.process.send_signal(signal.SIGTERM)
    child.process.communicate(timeout=10)
    assert child.process.returncode == 0


def test_a_restart_is_asked_for_by_its_exit_code(start):
    child = start("""
        async def main(process): process.restart("memory at 91% of its limit")
        run("signals", Settings(), main)
    """)
    child.process.communicate(timeout=10)
    assert child.process.returncode == 75


async def test_a_check_that_hangs_or_breaks_is_itself_the_reason():
    from libs.common.runtime.health import Health

    health = Health("x")

    async def breaks() -> str | None:
        raise RuntimeError("broken")

    async def hangs() -> str | None:
        await asyncio.Event().wait()
        return None

    health.add("breaks", breaks)
    health.add("hangs", hangs)
    assert await health.faults() == {"breaks": "RuntimeError: broken", "hangs": "no answer within 2 s"}
