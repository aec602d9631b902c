"""Senders killed again and again under every fault: nothing lost, nothing doubled unmarked, nobody told too early."""

import asyncio
import os
import random
import sys
from collections import Counter

import pytest

from deploy.local.sandbox.telegram_faults import Action, Fault, Pattern
from libs.common.events import Severity
from libs.common.runtime.clock import now_ns

TOKEN = "7000000001:sandbox"

SENDER = """
import asyncio, sys, asyncpg
from services.alerts.channels.telegram import TelegramChannel
from services.alerts.dispatcher import Dispatcher
from services.alerts.store.outbox import Outbox


async def main(dsn, token, url):
    channel = TelegramChannel(token, url, connect_s=1.0, answer_s=0.5)
    await channel.start()
    async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
        await Dispatcher(Outbox(pool), {"telegram": channel}, lease_s=1.5, senders=8).run()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_senders_lose_nothing_and_double_only_what_is_marked(
    outbox, pool, fake, fresh_dsn, punctual, seed
):
    chance = random.Random(seed)
    chats = [str(2000 + number) for number in range(30)]
    severities = {Severity.INFO: 0.2, Severity.WARNING: 0.6, Severity.CRITICAL: 0.2}
    entries = [
        punctual(
            f"{chat}-{number}",
            chat,
            created_ns=number,
            severity=chance.choices(list(severities), list(severities.values()))[0],
        )
        for chat in chats
        for number in range(4)
    ]
    fake.script.add(
        [
            Fault(action=Action.FLOOD, retry_after=2, match=Pattern(chat_id="2003")),
            Fault(action=Action.FLOOD, match=Pattern(chat_id="2004")),
            Fault(action=Action.MIGRATED, migrate_to=-100777, match=Pattern(chat_id="2005")),
            Fault(action=Action.ERROR, match=Pattern(contains="2006-1")),
            Fault(action=Action.BAD_GATEWAY, match=Pattern(contains="2007-2")),
            Fault(action=Action.RESET_BEFORE, match=Pattern(contains="2008-0")),
            Fault(action=Action.RESET_AFTER, match=Pattern(contains="2009-3")),
            Fault(action=Action.HANG, match=Pattern(contains="2010-1")),
            Fault(action=Action.HANG_AFTER, match=Pattern(contains="2011-2")),
        ]
    )
    await outbox.enqueue(entries, now_ns())
    kills = 0
    async with asyncio.timeout(120):
        while await outbox.waiting(now_ns()) != (0, 0.0) or await pool.fetchval(
            "SELECT count(*) FROM alerts.outbox WHERE state = 'sending'"
        ):
            taken = len(fake.bot.accepted)
            sender = await asyncio.create_subprocess_exec(
                sys.executable, "-c", SENDER, fresh_dsn, TOKEN, fake.url, env={"PATH": os.environ["PATH"]}
            )
            lives = chance.randint(5, 40) if kills < 6 else len(entries) * 3
            try:
                async with asyncio.timeout(10):
                    while len(fake.bot.accepted) < taken + lives:  # noqa: ASYNC110  (another process sends)
                        await asyncio.sleep(0.01)
            except TimeoutError:
                pass  # waits were in the way: the next one goes on
            finally:
                sender.kill()
                await sender.wait()
                kills += 1

    rows = {row["alert_id"]: row for row in await pool.fetch("SELECT * FROM alerts.outbox")}
    plain = Counter(message.text for message in fake.bot.accepted if "(possible repeat)" not in message.text)
    marked = Counter(
        message.text.split("\n")[1] for message in fake.bot.accepted if "(possible repeat)" in message.text
    )
    assert len(rows) == len(entries)
    assert {row["state"] for row in rows.values()} <= {"delivered", "ambiguous"}
    assert any(row["repeated"] for row in rows.values())
    assert max(plain.values()) == 1
    assert max(marked.values(), default=0) <= 1
    for name, row in rows.items():
        assert (marked[name] > 0) <= row["repeated"]
        if row["state"] == "delivered":
            assert plain[name] + marked[name] >= 1
        if row["severity"] == "info":
            assert marked[name] == 0
    unheard = {
        row["recipient"] for row in rows.values() if row["repeated"]
    }  # the sender died before it could note a 429
    assert {str(early.chat) for early in fake.bot.floods.early} <= unheard
    for chat in chats:  # what was sent unmarked to a chat kept its order among equals
        for severity in severities:
            names = [f"{chat}-{number}" for number in range(4) if rows[f"{chat}-{number}"]["severity"] == severity]
            assert [message.text for message in fake.bot.accepted if message.text in names] == [
                name for name in names if plain[name]
            ]
