"""The service with rules of the webhook channel: what a receiver on this machine gets, how often, and by whom."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from prometheus_client import REGISTRY

from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import decode
from libs.common.bus.publisher import Publisher
from libs.common.events import (
    AlertRule,
    Decision,
    Delivery,
    Direction,
    Label,
    Origin,
    Severity,
    Signal,
    Timeframe,
    Verdict,
)
from libs.common.runtime.clock import now_ns
from libs.common.runtime.process import Process
from libs.common.runtime.settings import load
from services.alerts.app import build
from services.alerts.channels.channel import Channel, Message, Outcome, RetryAfter
from services.alerts.channels.signing import verify
from services.alerts.dispatcher import Dispatcher
from services.alerts.settings import Settings

NEW, OLD = "a new secret of 24 bytes", "an old secret of 24 byte"


class Receiver:
    """A web server that keeps what is posted, and answers 204 once its script is empty."""

    def __init__(self) -> None:
        self.script: list[str] = []
        self.heads: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.open: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self.server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        for task in self.open:
            task.cancel()
        await asyncio.gather(*self.open, return_exceptions=True)
        self.server.close()
        await self.server.wait_closed()

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(body) for body in self.raw]

    async def until(self, count: int, within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while len(self.raw) < count:  # noqa: ASYNC110  (the fact is another task's)
                await asyncio.sleep(0.02)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.open.add(task)
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            head = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:] if line}
            body = await reader.readexactly(int(head["content-length"]))
            answer = self.script.pop(0) if self.script else "204 No Content"
            self.heads.append(head)
            self.raw.append(body)
            writer.write(f"HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        finally:
            writer.close()
            self.open.discard(task)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def rule(receiver):
    """A rule whose recipient is the receiver."""

    def make(rule_id: str, path: str = "/in", **changes: Any) -> AlertRule:
        url = f"http://127.0.0.1:{receiver.port}{path}"
        return AlertRule(rule_id=rule_id, channel="webhook", recipient=url, **changes)

    return make


@pytest.fixture
async def publisher(embedded_broker):
    await ensure_topics(embedded_broker, topics.TOPICS)
    made = Publisher(embedded_broker, "test")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def service(embedded_broker, fresh_dsn, fake, receiver, monkeypatch):
    """The service inside this process, as `python -m` runs it."""
    settings = {
        "CSX_KAFKA_BOOTSTRAP": embedded_broker,
        "CSX_POSTGRES_DSN": fresh_dsn,
        "CSX_ALERTS_TELEGRAM_TOKEN": "7000000001:sandbox",
        "CSX_ALERTS_TELEGRAM_URL": fake.url,
        "CSX_ALERTS_HOOK_SECRETS": f"{NEW},{OLD}",
        "CSX_ALERTS_HOOK_PORTS": str(receiver.port),
        "CSX_ALERTS_HOOK_PRIVATE": "true",
        "CSX_ALERTS_UPDATES": "off",
    }
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    process = Process("alerts", load(Settings))

    async def main(process: Process) -> None:
        await build(process, load(Settings))

    @asynccontextmanager
    async def serve() -> AsyncIterator[Process]:
        serving = asyncio.create_task(process.serve(main))
        try:
            yield process
        finally:
            process.stopping.set()
            assert await asyncio.wait_for(serving, 15) == 0

    return serve


def _verdict(name: str, symbol: str) -> Verdict:
    signal = Signal(
        signal_id=name,
        timeframe=Timeframe.H1,
        as_of_ns=now_ns(),
        known_at_ns=now_ns(),
        direction=Direction.LONG,
        label=Label.BUY,
        score=0.5,
        confidence=0.7,
        price=100.0,
        contributions=(),
        venue="okx",
        symbol=symbol,
        origin=Origin.SIMULATED,
    )
    return Verdict(
        venue=signal.venue,
        symbol=symbol,
        origin=signal.origin,
        signal=signal,
        decision=Decision.PUBLISH,
        rationale="",
        judge="rules",
        decided_ns=now_ns(),
    )


def _sendings() -> float:
    """What was tried through the channel so far."""
    labels = {"channel": "webhook", "severity": "info", "state": "sending"}
    return REGISTRY.get_sample_value("csx_alerts_transitions_total", labels) or 0.0


async def _deliveries(bootstrap: str, symbol: str, count: int) -> list[Delivery]:
    consumer = AIOKafkaConsumer(topics.DELIVERIES.name, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    found: list[Delivery] = []
    try:
        async with asyncio.timeout(20):
            while len(found) < count:
                event = decode((await consumer.getone()).value)
                if isinstance(event, Delivery) and event.symbol == symbol:
                    found.append(event)
    finally:
        await consumer.stop()
    return found


async def test_an_alert_is_posted_signed_and_each_has_an_id_of_its_own(
    service, publisher, receiver, fake, rule, embedded_broker
):
    symbol = "ONE-USDT-PERP"
    await publisher.publish([rule("a", symbols=(symbol,)), rule("b", symbols=(symbol,))])
    await publisher.publish([AlertRule(rule_id="people", recipient="1001", symbols=(symbol,))])
    await publisher.publish([_verdict("one", symbol)])
    async with service() as process:
        await receiver.until(2)
        deliveries = await _deliveries(embedded_broker, symbol, 3)
        assert await process.health.faults() == {}
    assert {one.state for one in deliveries} == {"delivered"}
    first, second = receiver.bodies
    assert first["text"] == second["text"]  # two wishes, one sentence
    assert first["delivery_id"] != second["delivery_id"]
    posted = {one.alert_id: one.message_id for one in deliveries if one.channel == "webhook"}
    assert posted == {body["alert_id"]: body["delivery_id"] for body in receiver.bodies}
    (told,) = fake.bot.accepted
    assert told.text == first["text"]
    assert (first["kind"], first["action"], first["possible_repeat"]) == ("signal", "send", False)
    for head, body in zip(receiver.heads, receiver.raw, strict=True):
        for secret in (NEW, OLD):
            assert verify(
                [secret.encode()],
                timestamp=head["x-csx-timestamp"],
                delivery_id=head["x-csx-id"],
                signature=head["x-csx-signature"],
                body=body,
                now_s=now_ns() / 1e9,
            )


async def test_what_a_receiver_could_not_take_comes_again_as_the_same_delivery_and_is_counted(
    service, publisher, receiver, rule, embedded_broker
):
    symbol = "TWO-USDT-PERP"
    receiver.script = ["500 Oops", "500 Oops"]
    before = _sendings()
    await publisher.publish([rule("again", "/again", symbols=(symbol,), severity=Severity.INFO)])
    await publisher.publish([_verdict("two", symbol)])
    async with service():
        await receiver.until(3)
        (delivery,) = await _deliveries(embedded_broker, symbol, 1)
    assert (delivery.state, delivery.attempts) == ("delivered", 3)
    assert _sendings() == before + 3
    assert {body["delivery_id"] for body in receiver.bodies} == {delivery.message_id}
    assert [body["possible_repeat"] for body in receiver.bodies] == [False] * 3


class Machines(Channel):
    """Answers when it is allowed to, each recipient as it is told."""

    one_limit = False

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.asked: list[str] = []
        self.go_on = asyncio.Event()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def send(self, message: Message) -> Outcome:
        self.asked.append(message.recipient)
        await self.go_on.wait()
        return self.outcome

    async def fault(self) -> str | None:
        return None


async def _until(holds: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110  (a row of the store wakes nobody)
            await asyncio.sleep(0.02)


async def test_receivers_that_hang_and_flood_hold_up_nobody_else(pool, outbox, telegram, fake, make_entry):
    machines = Machines(RetryAfter(600.0))
    dispatcher = Dispatcher(outbox, {"webhook": machines, "telegram": telegram}, lease_s=60, senders=4)
    now = now_ns()
    await outbox.enqueue([make_entry(f"h{n}", f"https://h{n}", channel="webhook") for n in range(6)], now)
    sending = asyncio.create_task(dispatcher.run())

    async def asked() -> bool:
        return len(machines.asked) == 4  # as many as may be under way at once

    async def told() -> bool:
        return len(fake.bot.accepted) == 1

    async def waiting() -> bool:
        held = await pool.fetchval("SELECT count(*) FROM alerts.recipients WHERE not_before_ns > $1", now)
        return bool(held == 6)

    await _until(asked)
    await outbox.enqueue([make_entry("t")], now)
    dispatcher.nudge()
    await _until(told)
    assert len(machines.asked) == 4
    machines.go_on.set()
    await _until(waiting)  # six told us to wait within seconds, each for itself
    assert await pool.fetchval("SELECT max(stopped_until_ns) FROM alerts.pace WHERE channel = 'webhook'") == 0
    await dispatcher.stop()
    await sending
