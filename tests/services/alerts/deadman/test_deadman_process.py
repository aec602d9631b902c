"""The whole switch, as processes: one that beats is killed or frozen, another notices and tells the owners."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from deploy.local.children import free_port
from deploy.local.plan import Ready
from deploy.local.sandbox.telegram_faults import Action, Fault, Pattern
from deploy.local.units import serves
from libs.common.runtime.clock import monotonic_s

SILENCE_S = 1.5
BEAT = """
import asyncio, sys
from services.alerts.heartbeat import Heartbeat
async def alive():
    return True
asyncio.run(Heartbeat(sys.argv[1], alive, every_s=0.2).run())
"""


class Switch:
    """The watching process, and one beating process after another."""

    def __init__(self) -> None:
        self.port = free_port()
        self.health_port = free_port()
        self.children: list[subprocess.Popen[bytes]] = []

    def watch(self, url: str, owners: str, **changes: str) -> subprocess.Popen[bytes]:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
        environ |= {
            "CSX_DEADMAN_TELEGRAM_TOKEN": "7000000001:sandbox",
            "CSX_DEADMAN_TELEGRAM_URL": url,
            "CSX_DEADMAN_OWNERS": owners,
            "CSX_DEADMAN_PORT": str(self.port),
            "CSX_DEADMAN_SILENCE_S": str(SILENCE_S),
            "CSX_ALERTS_CHATS": "of another process",
            **changes,
        }
        return self._start([sys.executable, "-m", "services.alerts.deadman"], environ)

    def beat(self) -> subprocess.Popen[bytes]:
        return self._start([sys.executable, "-c", BEAT, f"http://127.0.0.1:{self.port}/beat"], dict(os.environ))

    def alerts(self, bootstrap: str, dsn: str, url: str) -> subprocess.Popen[bytes]:
        """The alerts service itself, whose heart beats five times a second."""
        environ = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
        environ |= {
            "CSX_KAFKA_BOOTSTRAP": bootstrap,
            "CSX_POSTGRES_DSN": dsn,
            "CSX_ALERTS_TELEGRAM_TOKEN": "7000000001:sandbox",
            "CSX_ALERTS_UPDATES": "off",
            "CSX_ALERTS_TELEGRAM_URL": url,
            "CSX_ALERTS_HEARTBEAT_URL": f"http://127.0.0.1:{self.port}/beat",
            "CSX_ALERTS_HEARTBEAT_S": "0.2",
            "CSX_HEALTH_PORT": str(self.health_port),
        }
        return self._start([sys.executable, "-m", "services.alerts"], environ)

    def _start(self, command: list[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.children.append(child)
        return child

    def end(self) -> None:
        for child in self.children:
            child.kill()
            child.wait()

    async def listening(self) -> None:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return


@asynccontextmanager
async def _switch() -> AsyncIterator[Switch]:
    made = Switch()
    try:
        yield made
    finally:
        made.end()


async def _until(holds: Callable[[], bool], within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  (the fact is in other processes)
            await asyncio.sleep(0.02)


def _texts(fake, chat: int = 1001) -> list[str]:
    return [one.text for one in fake.bot.accepted if one.chat_id == chat]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_one_message_on_silence_and_one_on_return(fake, how):
    async with _switch() as switch:
        switch.watch(fake.url, "1001,1002")
        await switch.listening()
        beating = switch.beat()
        await asyncio.sleep(2 * SILENCE_S)  # that nothing is said while it beats
        started_silent = len(_texts(fake))  # 2 where the beating process was slow to start
        assert started_silent in {0, 2}
        os.kill(beating.pid, how)
        began_s = monotonic_s()
        await _until(lambda: len(_texts(fake)) == started_silent + 1 == len(_texts(fake, 1002)))
        assert monotonic_s() - began_s < SILENCE_S * 60 / 45  # 60 s of the real settings
        assert "no sign of life" in _texts(fake)[-1]
        await asyncio.sleep(2 * SILENCE_S)  # that it is not said again
        assert len(_texts(fake)) == started_silent + 1
        if how is signal.SIGSTOP:
            os.kill(beating.pid, signal.SIGCONT)
        else:
            switch.beat()
        await _until(lambda: len(_texts(fake)) == started_silent + 2 == len(_texts(fake, 1002)))
        assert "gives signs of life again" in _texts(fake)[-1]
        await asyncio.sleep(SILENCE_S)
        assert len(_texts(fake)) == started_silent + 2


@pytest.mark.slow
async def test_the_service_itself_is_frozen_thawed_and_loses_its_store(fake, embedded_broker, fresh_dsn):
    async with _switch() as switch:
        alerts = switch.alerts(embedded_broker, fresh_dsn, fake.url)
        await _until(lambda: serves(Ready(ports=(switch.health_port,), path="/readyz")) is None, 60)
        switch.watch(fake.url, "1001")
        await switch.listening()
        await asyncio.sleep(2 * SILENCE_S)  # that nothing is said while it works
        assert _texts(fake) == []

        os.kill(alerts.pid, signal.SIGSTOP)
        began_s = monotonic_s()
        await _until(lambda: len(_texts(fake)) == 1)
        assert monotonic_s() - began_s < SILENCE_S * 60 / 45  # 60 s of the real settings
        assert "no sign of life" in _texts(fake)[-1]
        os.kill(alerts.pid, signal.SIGCONT)
        await _until(lambda: len(_texts(fake)) == 2)
        assert "gives signs of life again" in _texts(fake)[-1]
        await asyncio.sleep(SILENCE_S)
        assert len(_texts(fake)) == 2

        connection = await asyncpg.connect(fresh_dsn)
        await connection.execute("ALTER TABLE alerts.outbox RENAME TO away")  # its sender looks for it in vain
        await _until(lambda: len(_texts(fake)) == 3)
        assert alerts.poll() is None
        await connection.execute("ALTER TABLE alerts.away RENAME TO outbox")
        await connection.close()
        await _until(lambda: len(_texts(fake)) == 4)
        assert "gives signs of life again" in _texts(fake)[-1]


async def test_a_lasting_silence_is_repeated(fake):
    async with _switch() as switch:
        switch.watch(fake.url, "1001", CSX_DEADMAN_REPEAT_S="2")
        await _until(lambda: len(_texts(fake)) == 3, 30)
        assert [("still" in text) for text in _texts(fake)] == [False, True, True]


async def test_telegram_out_of_order_delays_the_message_and_does_not_lose_it(fake):
    fake.script.add([Fault(action=Action.FLOOD, retry_after=1), Fault(action=Action.ERROR)])
    async with _switch() as switch:
        switch.watch(fake.url, "1001")
        await _until(lambda: len(_texts(fake)) == 1, 30)
        assert _texts(fake)[0].startswith("(possible repeat)")  # a 500 leaves open whether it arrived
        await asyncio.sleep(SILENCE_S)
        assert len(_texts(fake)) == 1


async def test_one_owner_who_blocked_us_keeps_nobody_else_from_hearing(fake):
    fake.script.add([Fault(action=Action.BLOCKED, match=Pattern(chat_id="1001"))])
    async with _switch() as switch:
        switch.watch(fake.url, "1001,1002")
        await _until(lambda: len(_texts(fake, 1002)) == 1, 30)


@pytest.mark.parametrize("missing", ["CSX_DEADMAN_TELEGRAM_TOKEN", "CSX_DEADMAN_OWNERS"])
async def test_a_watch_that_could_tell_nobody_does_not_start(fake, missing):
    async with _switch() as switch:
        child = switch.watch(fake.url, "1001", **{missing: ""})
        assert await asyncio.to_thread(child.wait, 30) == 3
