"""A sender frozen with SIGSTOP and thawed while another goes on: nothing arrives twice without a mark."""

import asyncio
import os
import random
import signal
import sys
from collections import Counter

import pytest

from deploy.local.sandbox.telegram_faults import Action, Fault, Pattern
from libs.common.events import Severity
from libs.common.runtime.clock import monotonic_s, now_ns

TOKEN = "7000000001:sandbox"
LEASE_S = 1.0

SENDER = f"""
import asyncio, sys, asyncpg
from services.alerts.channels.telegram import TelegramChannel
from services.alerts.dispatcher import Dispatcher
from services.alerts.store.outbox import Outbox


async def main(dsn, token, url):
    channel = TelegramChannel(token, url, connect_s=0.4, answer_s=0.4)
    await channel.start()
    async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
        await Dispatcher(Outbox(pool), {{"telegram": channel}}, lease_s={LEASE_S}, senders=8).run()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def senders(fresh_dsn, fake):
    """Two processes that share the outbox."""
    made = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", SENDER, fresh_dsn, TOKEN, fake.url, env={"PATH": os.environ["PATH"]}
        )
        for _ in range(2)
    ]
    yield made
    for one in made:
        one.send_signal(signal.SIGCONT)
        one.kill()
        await one.wait()


async def ended(pool, within_s=60.0):
    async with asyncio.timeout(within_s):
        while await pool.fetchval(  # noqa: ASYNC110  (the fact is in other processes)
            "SELECT count(*) FROM alerts.outbox WHERE next_attempt_ns IS NOT NULL OR state = 'sending'"
        ):
            await asyncio.sleep(0.05)


async def reached(fake, count, within_s):
    """Wait until `count` messages have arrived; tell whether they did."""
    deadline_s = monotonic_s() + within_s
    while len(fake.bot.accepted) < count and monotonic_s() < deadline_s:  # noqa: ASYNC110  (other processes send)
        await asyncio.sleep(0.001)
    return len(fake.bot.accepted) >= count


def copies(fake):
    """Return how often each alert arrived unmarked, and how often marked."""
    plain = Counter(one.text for one in fake.bot.accepted if "(possible repeat)" not in one.text)
    marked = Counter(one.text.split("\n")[1] for one in fake.bot.accepted if "(possible repeat)" in one.text)
    return plain, marked


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_frozen_at_any_moment_and_thawed_nothing_arrives_twice_unmarked(
    outbox, pool, fake, senders, punctual, seed
):
    chance = random.Random(seed)
    entries = [
        punctual(f"{chat}-{n}", str(chat), created_ns=n, severity=list(Severity)[chat % 3])
        for chat in range(2000, 2030)
        for n in range(5)
    ]
    await outbox.enqueue(entries, now_ns())
    freezes = 0
    async with asyncio.timeout(90):
        while await outbox.waiting(now_ns()) != (0, 0.0):
            one = senders[freezes % 2]
            taken = len(fake.bot.accepted) + chance.randint(1, 12)
            await reached(fake, taken, within_s=1.0)
            one.send_signal(signal.SIGSTOP)
            await asyncio.sleep(LEASE_S * chance.uniform(0.3, 2.5))  # the freeze itself; the other one goes on
            one.send_signal(signal.SIGCONT)
            freezes += 1
    await ended(pool)
    plain, marked = copies(fake)
    rows = {row["alert_id"]: row for row in await pool.fetch("SELECT * FROM alerts.outbox")}
    assert freezes >= 2
    assert max(plain.values()) == 1
    assert max(marked.values(), default=0) <= 1
    assert {row["state"] for row in rows.values()} <= {"delivered", "ambiguous"}
    for name, row in rows.items():
        assert (marked[name] > 0) <= row["repeated"]
        assert marked[name] == 0 or row["severity"] != "info"
        assert row["state"] == "ambiguous" or plain[name] + marked[name] >= 1
    assert fake.bot.floods.early == []


@pytest.mark.parametrize(("severity", "marked_copies"), [(Severity.INFO, 0), (Severity.CRITICAL, 1)])
async def test_frozen_in_flight_and_thawed_when_another_has_taken_over(
    outbox, pool, fake, senders, punctual, severity, marked_copies
):
    fake.script.add([Fault(action=Action.HANG_AFTER, match=Pattern(contains="only"))])
    await outbox.enqueue([punctual("only", severity=severity)], now_ns())
    assert await reached(fake, 1, within_s=20.0)
    for one in senders:  # whoever holds it: both stop, and the wait for an answer with them
        one.send_signal(signal.SIGSTOP)
    await asyncio.sleep(2 * LEASE_S)  # the freeze itself
    for one in senders:
        one.send_signal(signal.SIGCONT)
    await ended(pool)
    plain, marked = copies(fake)
    assert (plain["only"], marked["only"]) == (1, marked_copies)
    state = await pool.fetchval("SELECT state FROM alerts.outbox")
    assert state == ("ambiguous" if severity is Severity.INFO else "delivered")
