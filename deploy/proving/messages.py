"""`make messages`: ten thousand alerts to two hundred chats, while the service that sends them is killed fifty times.

Rules and verdicts go over the embedded broker to the real service; a strict fake of Telegram answers with floods,
errors, HTML and resets, before and after it took a message. At the end every alert must have arrived or be counted as
ambiguous, none twice without a mark, none before a wait was over, each chat's in order. One flood asks for 1,386 s:
with it, the run takes half an hour. Findings: docs/reports/messages.md; exit 1 if one failed.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import asyncpg

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import Child, free_port
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.sandbox.telegram import FakeTelegram
from deploy.local.sandbox.telegram_faults import Action, Fault, Pattern
from deploy.proving.messages_findings import Plan, Seen, judged
from deploy.proving.report import machine, table, write
from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import decode
from libs.common.bus.publisher import Publisher
from libs.common.bus.reading import Reader
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
from libs.common.runtime.clock import monotonic_s, now_ns
from libs.common.runtime.errors import CheckFailed

REPORT: Final = Path("docs/reports/messages.md")
_TOKEN: Final = "7000000001:sandbox"  # noqa: S105  (the fake's own)
_GROUPS_EVERY: Final = 10
_LONG_WAIT_S: Final = 1386
_SEVERITIES: Final = (Severity.INFO, Severity.WARNING, Severity.WARNING, Severity.WARNING, Severity.CRITICAL)
_WITHIN_S: Final = 3600.0


def recipient(number: int) -> str:
    """Return the address of a chat; every tenth is a group."""
    return str(-1_002_000_000_000 - number) if number % _GROUPS_EVERY == 0 else str(5_000_000 + number)


def rules(plan: Plan) -> list[AlertRule]:
    """Return one rule for each chat, of mixed severities."""
    return [
        AlertRule(rule_id=f"chat {number}", recipient=recipient(number), severity=severity)
        for number, severity in zip(range(plan.chats), cycle(_SEVERITIES), strict=False)
    ]


def verdicts(plan: Plan) -> list[Verdict]:
    """Return judged signals of one invented market, all at once."""
    at_ns = now_ns()
    made: list[Verdict] = []
    for number in range(plan.signals):
        told = Signal(
            venue="okx",
            symbol="AAA-USDT-PERP",
            origin=Origin.SIMULATED,
            signal_id=f"signal-{number:04}",
            timeframe=Timeframe.D1,
            as_of_ns=at_ns,
            known_at_ns=at_ns,
            direction=Direction.LONG,
            label=Label.BUY,
            score=0.5,
            confidence=0.7,
            price=100.0,
            contributions=(),
        )
        made.append(
            Verdict(
                venue=told.venue,
                symbol=told.symbol,
                origin=told.origin,
                signal=told,
                decision=Decision.PUBLISH,
                rationale="",
                judge="rules",
                decided_ns=at_ns,
            )
        )
    return made


def faults(plan: Plan) -> list[Fault]:
    """Return what goes wrong: each hits the next call that fits."""
    chance = random.Random(plan.seed)  # noqa: S311  (repeatable faults)
    whole = [recipient(number) for number in range(1, plan.chats)]

    def some(share: float) -> list[str]:
        return chance.sample(whole, max(1, round(plan.chats * share)))

    def signal_of() -> str:
        return f"signal-{chance.randrange(plan.signals):04}"

    made = [Fault(action=Action.FLOOD, retry_after=plan.long_wait_s, match=Pattern(chat_id=recipient(1)))]
    made += [Fault(action=Action.FLOOD, retry_after=35, match=Pattern(chat_id=chat)) for chat in some(0.03)]
    for share, action, retry_after in (
        (0.15, Action.FLOOD, 1),
        (0.05, Action.FLOOD, None),
        (0.15, Action.ERROR, None),
        (0.15, Action.BAD_GATEWAY, None),
        (0.15, Action.RESET_BEFORE, None),
        (0.15, Action.RESET_AFTER, None),
        (0.02, Action.HANG_AFTER, None),
    ):
        made += [
            Fault(action=action, retry_after=retry_after, match=Pattern(chat_id=chat, contains=signal_of()))
            for chat in some(share)
        ]
    return made


class Sender:
    """One process of the alerts service."""

    def __init__(self, environment: dict[str, str], output: Path) -> None:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
        self._environment, self._output = clean | environment, output
        self._child: Child | None = None

    def start(self) -> None:
        """Start it."""
        self._child = Child(
            "alerts", [sys.executable, "-m", "services.alerts"], output=self._output, env=self._environment
        )
        self._child.start()

    def kill(self) -> None:
        """End it without a word."""
        assert self._child, "start it first"
        if self._child.exit_code is not None:
            raise CheckFailed(f"the service ended by itself with {self._child.exit_code}: see {self._output}")
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.stop()

    def stop(self) -> None:
        """End it as an operator would; nothing happens when it is not running."""
        if self._child is not None and self._child.alive:
            self._child.stop()


async def run(plan: Plan, folder: Path) -> Seen:
    """Play the whole of it."""
    broker, postgres = EmbeddedBroker(folder / "broker.log"), EmbeddedPostgres(folder / "postgres.log", durable=False)
    fake = FakeTelegram(_TOKEN, lambda _line: None)
    try:
        bootstrap, dsn = broker.start(folder, free_port()), postgres.start(folder, free_port())
        await fake.start()
        fake.script.add(faults(plan))
        sender = Sender(
            {
                "CSX_KAFKA_BOOTSTRAP": bootstrap,
                "CSX_POSTGRES_DSN": dsn,
                "CSX_ALERTS_TELEGRAM_TOKEN": _TOKEN,
                "CSX_ALERTS_TELEGRAM_URL": fake.url,
                "CSX_ALERTS_LEASE_S": "4",
                "CSX_ALERTS_PER_H": "0",
                "CSX_ALERTS_UPDATES": "off",
                "CSX_INSTANCE": "alerts-0",
            },
            folder / "alerts.log",
        )
        return await _played(plan, bootstrap, dsn, fake, sender)
    finally:
        await fake.stop()
        broker.stop()
        postgres.stop()


async def _played(plan: Plan, bootstrap: str, dsn: str, fake: FakeTelegram, sender: Sender) -> Seen:
    await ensure_topics(bootstrap, topics.TOPICS)
    publisher = Publisher(bootstrap, "messages")
    await publisher.start()
    began_s, kills, chance = monotonic_s(), 0, random.Random(plan.seed)  # noqa: S311  (repeatable moments)
    try:
        await publisher.publish(rules(plan))
        await publisher.publish(verdicts(plan))
    finally:
        await publisher.stop()
    sender.start()
    try:
        async with asyncio.timeout(_WITHIN_S):
            while kills < plan.kills:
                await _more(fake, chance.randint(1, max(2, plan.chats * plan.signals // (plan.kills * 2))))
                sender.kill()
                kills += 1
                sender.start()
            rows = await _settled(dsn, plan.chats * plan.signals)
    finally:
        sender.stop()  # it publishes its last deliveries
    return Seen(
        rows,
        list(fake.bot.accepted),
        dict(Counter(str(one.chat) for one in fake.bot.floods.early)),
        sum(one.action is Action.FLOOD for one in faults(plan)),
        await _deliveries(bootstrap),
        kills,
        monotonic_s() - began_s,
    )


async def _more(fake: FakeTelegram, count: int) -> None:
    """Wait until `count` more messages have arrived, or long enough for a restart that waits were in the way of."""
    wanted, deadline_s = len(fake.bot.accepted) + count, monotonic_s() + 20
    while len(fake.bot.accepted) < wanted and monotonic_s() < deadline_s:  # noqa: ASYNC110  (another process sends)
        await asyncio.sleep(0.01)


async def _settled(dsn: str, wanted: int) -> list[Any]:
    """Return all rows of the outbox once nothing waits and nothing is being sent."""
    connection = await asyncpg.connect(dsn)
    try:
        while True:
            open_rows = await connection.fetchval(
                "SELECT count(*) FROM alerts.outbox WHERE next_attempt_ns IS NOT NULL OR state = 'sending'"
            )
            rows = await connection.fetch("SELECT * FROM alerts.outbox")
            if not open_rows and len(rows) >= wanted:
                return list(rows)
            await asyncio.sleep(0.5)
    finally:
        await connection.close()


async def _deliveries(bootstrap: str) -> list[Delivery]:
    found: list[Delivery] = []
    async with Reader(bootstrap, "messages") as reader:
        for number in range(topics.DELIVERIES.partitions):
            async for raw in reader.read_all(topics.DELIVERIES, number):
                event = decode(raw.value or b"")
                assert isinstance(event, Delivery)
                found.append(event)
    return found


def main() -> int:
    """Play it, write the report, say what failed."""
    parser = argparse.ArgumentParser(prog="make messages", description=__doc__.splitlines()[0])
    parser.add_argument("--chats", type=int, default=200)
    parser.add_argument("--signals", type=int, default=50)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--long-wait", type=int, default=_LONG_WAIT_S, help="seconds of the longest flood")
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    plan = Plan(
        chats=options.chats,
        signals=options.signals,
        kills=options.kills,
        seed=options.seed,
        long_wait_s=options.long_wait,
    )
    with tempfile.TemporaryDirectory(prefix="csx-messages-") as folder:
        seen = asyncio.run(run(plan, Path(folder)))
    findings = judged(plan, seen)
    rate = len(seen.accepted) / seen.seconds
    about = f"{machine()}. `make messages`, {seen.seconds:,.0f} s, {rate:.1f} messages a second over the whole run."
    write(options.out, "Ten thousand alerts and fifty kills", [about, table(findings)])
    sys.stdout.write(table(findings) + "\n")
    return 0 if all(one.held for one in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
