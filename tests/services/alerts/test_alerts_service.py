"""The whole service as its own process: broker, PostgreSQL, the real library, the strict fake; and SIGKILL."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import free_port
from deploy.local.sandbox.telegram_faults import Action, Fault
from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import decode
from libs.common.bus.publisher import Publisher
from libs.common.events import (
    AlertRule,
    Decision,
    Delivery,
    Direction,
    Event,
    Label,
    Origin,
    Reject,
    Signal,
    Timeframe,
    Verdict,
)
from libs.common.runtime.clock import now_ns
from libs.common.runtime.process import Process
from libs.common.runtime.settings import load
from services.alerts import metrics
from services.alerts.app import build
from services.alerts.settings import Settings

TOKEN = "7000000001:sandbox"


@pytest.fixture
def broker(tmp_path):
    """A broker of this test alone: consumer groups and topics begin empty."""
    server = EmbeddedBroker()
    yield server.start(tmp_path, free_port())
    server.stop()


@pytest.fixture
async def publisher(broker):
    await ensure_topics(broker, topics.TOPICS)
    made = Publisher(broker, "test")
    await made.start()
    yield made
    await made.stop()


def verdict(name: str, score: float = 0.5, **changes: Any) -> Verdict:
    fields: dict[str, Any] = {
        "signal_id": name,
        "timeframe": Timeframe.H1,
        "as_of_ns": now_ns(),
        "known_at_ns": now_ns(),
        "direction": Direction.LONG,
        "label": Label.BUY,
        "score": score,
        "confidence": 0.7,
        "price": 100.0,
        "contributions": (),
        "venue": "okx",
        "symbol": "BTC-USDT-PERP",
        "origin": Origin.SIMULATED,
    }
    signal = Signal(**{**fields, **changes})
    return Verdict(
        venue=signal.venue,
        symbol=signal.symbol,
        origin=signal.origin,
        signal=signal,
        decision=Decision.PUBLISH,
        rationale="",
        judge="rules",
        decided_ns=now_ns(),
    )


class Service:
    """`python -m services.alerts`."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self.child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.alerts", env=self._environment, stderr=asyncio.subprocess.DEVNULL
        )

    async def end(self, number: signal.Signals) -> int:
        assert self.child
        self.child.send_signal(number)
        return await asyncio.wait_for(self.child.wait(), 15)


@asynccontextmanager
async def inside(environment, monkeypatch):
    """The same service inside this process, as `python -m` runs it."""
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    process = Process("alerts", load(Settings))

    async def main(process: Process) -> None:
        await build(process, load(Settings))

    serving = asyncio.create_task(process.serve(main))
    try:
        yield process
    finally:
        process.stopping.set()
        assert await asyncio.wait_for(serving, 15) == 0


@asynccontextmanager
async def running(environment):
    service = Service(environment)
    await service.start()
    try:
        yield service
    finally:
        assert service.child
        if service.child.returncode is None:
            service.child.kill()
            await service.child.wait()


@pytest.fixture
def environment(broker, fresh_dsn, fake):
    return {
        "PATH": os.environ["PATH"],
        "CSX_KAFKA_BOOTSTRAP": broker,
        "CSX_POSTGRES_DSN": fresh_dsn,
        "CSX_ALERTS_TELEGRAM_TOKEN": TOKEN,
        "CSX_ALERTS_TELEGRAM_URL": fake.url,
        "CSX_ALERTS_CHATS": "1001, 1002",
        "CSX_ALERTS_MIN_SCORE": "0.3",
        "CSX_ALERTS_LEASE_S": "3",
        "CSX_ALERTS_PER_H": "0",
        "CSX_ALERTS_UPDATES": "off",
    }


async def until(condition: Callable[[], Awaitable[Any]], within_s: float = 30.0) -> Any:
    async with asyncio.timeout(within_s):
        while not (found := await condition()):  # noqa: ASYNC110  (the fact is in another process)
            await asyncio.sleep(0.05)
        return found


def arrived(fake: Any, count: int) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return len(fake.bot.accepted) >= count

    return look


async def read(bootstrap: str, topic: topics.Topic, count: int) -> Sequence[Event]:
    consumer = AIOKafkaConsumer(topic.name, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [decode((await consumer.getone()).value) for _ in range(count)]
    finally:
        await consumer.stop()


async def test_a_verdict_reaches_everyone_who_asked(broker, publisher, environment, fake, monkeypatch):
    own = AlertRule(rule_id="own", recipient="1003", symbols=("ETH-USDT",), timeframes=(Timeframe.H1,))
    gone = AlertRule(rule_id="gone", recipient="1004")
    await publisher.publish([own, gone, AlertRule(rule_id="gone", recipient="1004", deleted=True)])
    await publisher.publish([verdict("s1"), verdict("s1"), verdict("weak", 0.1), verdict("s2", symbol="ETH-USDT")])
    async with inside(environment, monkeypatch) as process:
        await until(arrived(fake, 5))
        assert sorted((message.chat_id, message.text.split("Signal ")[1]) for message in fake.bot.accepted) == [
            (1001, "s1"),
            (1001, "s2"),
            (1002, "s1"),
            (1002, "s2"),
            (1003, "s2"),
        ]
        assert all(message.text.startswith("SIMULATED") for message in fake.bot.accepted)

        late = AlertRule(rule_id="own", recipient="1005", symbols=("SOL-USDT",))  # changed while it runs
        await publisher.publish([late])
        connection = await asyncpg.connect(environment["CSX_POSTGRES_DSN"])

        async def followed():
            return await connection.fetchval(
                "SELECT event LIKE '%1005%'::bytea FROM alerts.rules WHERE rule_id = 'own'"
            )

        await until(followed)
        await connection.close()
        await publisher.publish([verdict("s3", symbol="SOL-USDT")])
        await until(arrived(fake, 8))
        assert {message.chat_id for message in fake.bot.accepted[5:]} == {1001, 1002, 1005}
        deliveries = await read(broker, topics.DELIVERIES, 8)
        assert all(isinstance(one, Delivery) and one.state == "delivered" for one in deliveries)
        assert await process.health.faults() == {}


async def test_a_rule_s_condition_is_asked_and_one_that_is_none_is_parked(
    broker, publisher, environment, fake, monkeypatch
):
    environment["CSX_ALERTS_CHATS"] = ""
    asks = AlertRule(rule_id="asks", recipient="1001", condition='abs_score >= 0.6 and label != "sell"')
    wrong = AlertRule(rule_id="wrong", recipient="1002", condition="abs_score >= ")
    await publisher.publish([asks, wrong])
    await publisher.publish([verdict("weak", 0.5), verdict("strong", 0.7)])
    async with inside(environment, monkeypatch):
        await until(arrived(fake, 1))
        (reject,) = await read(broker, topics.ALERTS_REJECTS, 1)
    assert [(one.chat_id, one.text.split("Signal ")[1]) for one in fake.bot.accepted] == [(1001, "strong")]
    assert isinstance(reject, Reject)
    assert reject.detail.startswith("column 13: something is missing after >=")


async def test_a_signal_of_the_other_direction_changes_the_first_message(publisher, environment, fake, monkeypatch):
    environment["CSX_ALERTS_CHATS"] = "1001"
    environment["CSX_ALERTS_LABELS"] = "buy"
    at_ns = now_ns()
    async with inside(environment, monkeypatch):
        await publisher.publish([verdict("long", as_of_ns=at_ns)])
        await until(arrived(fake, 1))
        short = verdict("short", -0.5, as_of_ns=at_ns + 1, direction=Direction.SHORT, label=Label.SELL)
        await publisher.publish([short])
        await until(arrived(fake, 2))

        async def changed():
            return fake.bot.accepted[0].edits

        await until(changed)
    first, notice = fake.bot.accepted
    assert first.text.split("\n")[0].startswith("INVALIDATED ")
    assert "By signal short" in first.text
    assert first.text.endswith("Signal long")
    assert notice.text.split("\n")[1].startswith("INVALIDATED ")
    assert notice.text.endswith("Signal long")


async def test_a_killed_sender_s_message_is_repeated_once_and_marked(publisher, environment, fake):
    environment["CSX_ALERTS_CHATS"] = "1001"
    fake.script.add([Fault(action=Action.HANG_AFTER)])
    async with running(environment) as first:
        await publisher.publish([verdict("s1")])
        await until(arrived(fake, 1))  # accepted, and the sender still waits for the answer
        await first.end(signal.SIGKILL)
    async with running(environment) as second:
        await publisher.publish([verdict("s2")])
        await until(arrived(fake, 3))
        assert await second.end(signal.SIGTERM) == 0
    texts = [message.text for message in fake.bot.accepted]
    assert [("(possible repeat)" in text, text.rpartition(" ")[2]) for text in texts] == [
        (False, "s1"),
        (True, "s1"),
        (False, "s2"),
    ]


async def test_what_cannot_be_stored_is_parked_and_the_rest_goes_on(broker, publisher, environment, fake, monkeypatch):
    environment["CSX_ALERTS_CHATS"] = "1001"
    await publisher.publish([AlertRule(rule_id="nul\x00", recipient="1")])
    await publisher.publish([verdict("nul\x00"), verdict("good")])
    await publisher.put(topics.VERDICTS, b"BTC-USDT-PERP", b"{nonsense")
    await publisher.publish([verdict("s").signal], topic=topics.VERDICTS)
    async with inside(environment, monkeypatch):
        await until(arrived(fake, 1))
        rejects = await read(broker, topics.ALERTS_REJECTS, 4)
    assert sorted(one.reason for one in rejects if isinstance(one, Reject)) == ["decode", "value", "value", "value"]
    assert [message.text.rpartition(" ")[2] for message in fake.bot.accepted] == ["good"]


async def test_without_a_token_alerts_wait_and_the_process_says_it_is_not_ready(
    publisher, environment, monkeypatch, fresh_dsn
):
    del environment["CSX_ALERTS_TELEGRAM_TOKEN"]
    async with inside(environment, monkeypatch) as process:
        await publisher.publish([verdict("s1")])

        async def configured():
            return "channels" in await process.health.faults()

        await until(configured)
        assert (await process.health.faults())["channels"] == "no channel is configured"


async def test_an_outage_of_the_store_is_waited_out(publisher, environment, fake, monkeypatch, fresh_dsn):
    environment["CSX_ALERTS_CHATS"] = "1001"
    async with inside(environment, monkeypatch):
        connection = await asyncpg.connect(fresh_dsn)

        async def migrated():
            return await connection.fetchval("SELECT to_regclass('alerts.rules') IS NOT NULL")

        await until(migrated)
        await connection.execute("ALTER TABLE alerts.rules RENAME TO away")
        before = metrics.STORE_FAULTS.labels("enqueue")._value.get()
        await publisher.publish([verdict("s1")])

        async def noticed():
            return metrics.STORE_FAULTS.labels("enqueue")._value.get() > before

        await until(noticed)
        await connection.execute("ALTER TABLE alerts.away RENAME TO rules")
        await connection.close()
        await until(arrived(fake, 1))


async def test_a_stop_during_an_outage_is_quick_and_loses_nothing(publisher, environment, fake, monkeypatch, fresh_dsn):
    environment["CSX_ALERTS_CHATS"] = "1001"
    async with inside(environment, monkeypatch):
        connection = await asyncpg.connect(fresh_dsn)

        async def migrated():
            return await connection.fetchval("SELECT to_regclass('alerts.rules') IS NOT NULL")

        await until(migrated)
        await connection.execute("ALTER TABLE alerts.rules RENAME TO away")
        before = metrics.STORE_FAULTS.labels("enqueue")._value.get()
        await publisher.publish([verdict("s1")])

        async def noticed():
            return metrics.STORE_FAULTS.labels("enqueue")._value.get() > before

        await until(noticed)
    await connection.execute("ALTER TABLE alerts.away RENAME TO rules")
    await connection.close()
    async with inside(environment, monkeypatch):
        await until(arrived(fake, 1))
    assert [message.text.rpartition(" ")[2] for message in fake.bot.accepted] == ["s1"]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"CSX_ENVIRONMENT": "production"}, 3, b"CSX_ALERTS_TELEGRAM_TOKEN is missing"),
        ({"CSX_ALERTS_MIN_SCORE": "2"}, 3, b"CSX_ALERTS_MIN_SCORE"),
        ({"CSX_ALERTS_TYPO": "1"}, 3, b"CSX_ALERTS_TYPO"),
        ({"CSX_ALERTS_TIMEFRAMES": "7m"}, 3, b"CSX_ALERTS_TIMEFRAMES"),
        ({}, 3, b"CSX_POSTGRES_DSN"),
        ({"CSX_POSTGRES_DSN": "postgresql://a:secret@127.0.0.1:1/x"}, 5, b"PostgreSQL does not answer"),
    ],
)
async def test_settings_that_cannot_work_end_it_with_one_line(changes, code, words):
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.alerts",
        env={"PATH": os.environ["PATH"], **changes},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(child.communicate(), 30)
    assert child.returncode == code
    assert words in out + err
    assert b"secret" not in out + err
    assert b"Traceback" not in out + err
