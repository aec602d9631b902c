"""From the outbox to people, through every fault, on real PostgreSQL, the real library and the strict fake."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, TypeAlias

import pytest

from deploy.local.sandbox.telegram_faults import Action, Fault, Pattern
from libs.common.events import Severity
from libs.common.runtime.clock import monotonic_s, now_ns
from services.alerts import metrics
from services.alerts.channels.channel import Ambiguous, Channel, Message, Outcome, Refused, Sent
from services.alerts.dispatcher import Dispatcher
from services.alerts.store.outbox import Outbox
from services.alerts.upkeep import announce, keep

S = 1_000_000_000

Condition: TypeAlias = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def sending(outbox: Outbox, channels: dict[str, Channel], lease_s: float = 10.0) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(outbox, channels, lease_s=lease_s, senders=8)
    task = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        await dispatcher.stop()
        await asyncio.wait_for(task, 5)


async def until(condition: Condition, within_s: float = 20.0) -> Any:
    async with asyncio.timeout(within_s):
        while not (found := await condition()):  # noqa: ASYNC110  (the fact is in another process)
            await asyncio.sleep(0.02)
        return found


def in_state(pool: Any, alert_id: str, *wanted: str, waiting: bool | None = None) -> Condition:
    async def look() -> Any:
        row = await pool.fetchrow("SELECT * FROM alerts.outbox WHERE alert_id = $1", alert_id)
        fits = row["state"] in wanted and (waiting is None or (row["next_attempt_ns"] is not None) == waiting)
        return row if fits else None

    return look


async def test_an_alert_arrives_and_is_announced(outbox, pool, fake, telegram, punctual):
    told = []

    async def publish(events):
        told.extend(events)

    announcer = asyncio.create_task(announce(outbox, publish))
    async with sending(outbox, {"telegram": telegram}) as dispatcher:
        await outbox.enqueue([punctual("a", created_ns=now_ns())], now_ns())
        dispatcher.nudge()
        row = await until(in_state(pool, "a", "delivered"))

        async def announced():
            return told

        await until(announced)
    announcer.cancel()
    assert row["message_id"] == "1"
    assert [message.text for message in fake.bot.accepted] == ["a"]
    assert [(event.alert_id, event.state, event.message_id) for event in told] == [("a", "delivered", "1")]


async def test_flood_control_is_obeyed_and_stops_nobody_else(outbox, pool, fake, telegram, punctual):
    fake.script.add([Fault(action=Action.FLOOD, retry_after=2, match=Pattern(chat_id="1001"))])
    began_s = monotonic_s()
    async with sending(outbox, {"telegram": telegram}):
        await outbox.enqueue([punctual("a"), *(punctual(f"b{n}", f"200{n}") for n in range(4))], now_ns())
        for number in range(4):
            await until(in_state(pool, f"b{number}", "delivered"))
        assert monotonic_s() - began_s < 2
        await until(in_state(pool, "a", "delivered"))
    assert fake.bot.floods.early == []
    (late,) = [message for message in fake.bot.accepted if message.chat_id == 1001]
    assert late.at_s - began_s >= 2
    assert late.text == "a"


async def test_a_wait_outlives_the_sender(outbox, pool, fake, telegram, punctual):
    fake.script.add([Fault(action=Action.FLOOD, retry_after=1386)])
    await outbox.enqueue([punctual("a"), punctual("b")], now_ns())
    async with sending(outbox, {"telegram": telegram}):
        row = await until(in_state(pool, "a", "pending"))
        while row["attempts"] == 0:
            row = await until(in_state(pool, "a", "pending"))
    async with sending(outbox, {"telegram": telegram}):  # its successor knows nothing of it but what is stored
        await outbox.enqueue([punctual("c", "1002")], now_ns())
        await until(in_state(pool, "c", "delivered"))
    assert fake.bot.floods.early == []
    until_ns = await pool.fetchval("SELECT not_before_ns FROM alerts.recipients WHERE recipient = '1001'")
    assert until_ns - now_ns() > 1380 * S


async def test_flood_control_without_a_time_waits_longer_each_time(outbox, pool, fake, telegram, punctual):
    fake.script.add([Fault(action=Action.FLOOD)])
    began_s = monotonic_s()
    async with sending(outbox, {"telegram": telegram}):
        await outbox.enqueue([punctual("a")], now_ns())
        row = await until(in_state(pool, "a", "delivered"))
    assert row["attempts"] == 2
    assert monotonic_s() - began_s >= 2


@pytest.mark.parametrize("action", [Action.RESET_AFTER, Action.HANG_AFTER])
async def test_what_may_have_arrived_is_repeated_once_and_says_so(outbox, pool, fake, telegram, punctual, action):
    fake.script.add([Fault(action=action)])
    async with sending(outbox, {"telegram": telegram}):
        await outbox.enqueue([punctual("a")], now_ns())
        row = await until(in_state(pool, "a", "delivered"))
    assert [message.text for message in fake.bot.accepted] == ["a", "(possible repeat)\na"]
    assert (row["repeated"], row["attempts"], row["message_id"]) == (True, 2, "2")


async def test_info_that_may_have_arrived_is_not_repeated(outbox, pool, fake, telegram, punctual):
    fake.script.add([Fault(action=Action.RESET_AFTER)])
    async with sending(outbox, {"telegram": telegram}):
        await outbox.enqueue([punctual("a", severity=Severity.INFO)], now_ns())
        await until(in_state(pool, "a", "ambiguous", waiting=False))
        await outbox.enqueue([punctual("b")], now_ns())
        await until(in_state(pool, "b", "delivered"))
    assert [(message.text, message.silent) for message in fake.bot.accepted] == [("a", True), ("b", False)]


@pytest.mark.parametrize("action", [Action.ERROR, Action.BAD_GATEWAY])
async def test_an_error_of_the_server_is_ambiguous_twice_at_most(outbox, pool, fake, telegram, punctual, action):
    fake.script.add([Fault(action=action, times=2)])
    async with sending(outbox, {"telegram": telegram}):
        await outbox.enqueue([punctual("a")], now_ns())
        row = await until(in_state(pool, "a", "ambiguous", waiting=False))
    assert row["attempts"] == 2
    assert fake.calls == 2


async def test_a_blocked_bot_fails_for_good(outbox, pool, fake, telegram, punctual):
    fake.script.add([Fault(action=Action.BLOCKED)])
    async with sending(outbox, {"telegram": telegram}):
        await outbox.enqueue([punctual("a")], now_ns())
        row = await until(in_state(pool, "a", "failed"))
    assert row["reason"] == "gone: Forbidden: bot was blocked by the user"
    assert fake.calls == 1


async def test_a_migrated_group_is_followed(outbox, pool, fake, telegram, punctual):
    fake.script.add([Fault(action=Action.MIGRATED, migrate_to=-100777, match=Pattern(chat_id="-5"))])
    async with sending(outbox, {"telegram": telegram}):
        await outbox.enqueue([punctual("a", "-5"), punctual("b", "-5", created_ns=1)], now_ns())
        await until(in_state(pool, "b", "delivered"))
    assert [(message.chat_id, message.text) for message in fake.bot.accepted] == [(-100777, "a"), (-100777, "b")]


async def test_telegram_down_loses_nothing(outbox, pool, fake, telegram, punctual):
    port = int(fake.url.rpartition(":")[2])
    await fake.stop()
    async with sending(outbox, {"telegram": telegram}):
        await outbox.enqueue([punctual("a")], now_ns())

        async def tried():
            return await pool.fetchval("SELECT attempts >= 2 FROM alerts.outbox")

        await until(tried)
        await fake.start(port)
        await until(in_state(pool, "a", "delivered"))
    assert [message.text for message in fake.bot.accepted] == ["a"]  # never sent, so no repeat


async def test_without_a_channel_an_alert_waits_until_it_expires(outbox, pool, punctual):
    await outbox.enqueue([punctual("a", valid_until_ns=now_ns() + S)], now_ns())
    async with sending(outbox, {}):
        row = await until(in_state(pool, "a", "expired"))
    assert row["reason"] == "not sent in time: channel 'telegram' is not configured"


async def test_a_cooldown_begins_with_a_delivery(outbox, pool, fake, telegram, punctual):
    fake.script.add([Fault(action=Action.REFUSED, description="Bad Request: message is too long")])
    async with sending(outbox, {"telegram": telegram}):
        for name in ("a", "b", "c"):
            await outbox.enqueue([punctual(name, cooldown_s=600, created_ns=now_ns())], now_ns())
            await until(in_state(pool, name, "delivered", "failed", "expired"))
    rows = await pool.fetch("SELECT state, reason FROM alerts.outbox ORDER BY alert_id")
    assert [row["state"] for row in rows] == ["failed", "delivered", "expired"]
    assert rows[2]["reason"] == "cooldown: another was delivered less than 600 s ago"
    assert [message.text for message in fake.bot.accepted] == ["b"]


async def test_what_is_out_of_date_is_not_sent(outbox, pool, fake, telegram, punctual):
    await outbox.enqueue([punctual("a", valid_until_ns=now_ns() - 1), punctual("b")], now_ns())
    async with sending(outbox, {"telegram": telegram}):
        await until(in_state(pool, "a", "expired"))
        await until(in_state(pool, "b", "delivered"))
    assert [message.text for message in fake.bot.accepted] == ["b"]


async def test_a_burst_to_one_chat_is_paced_and_ordered(outbox, pool, fake, telegram, punctual):
    entries = [punctual(f"a{number}", created_ns=number) for number in range(4)]
    async with sending(outbox, {"telegram": telegram}):
        await outbox.enqueue([*entries, punctual("z", created_ns=9, severity=Severity.CRITICAL)], now_ns())
        await until(in_state(pool, "a3", "delivered"))
    assert [message.text for message in fake.bot.accepted] == ["z", "a0", "a1", "a2", "a3"]
    times = [message.at_s for message in fake.bot.accepted]
    assert all(after - before > 0.9 for before, after in pairwise(times))


async def test_two_senders_send_each_alert_once(outbox, pool, fake, telegram, punctual):
    names = [f"{chat}-{number}" for chat in range(2000, 2010) for number in range(2)]
    await outbox.enqueue([punctual(name, name[:4], created_ns=int(name[5:])) for name in names], now_ns())
    async with sending(outbox, {"telegram": telegram}), sending(outbox, {"telegram": telegram}):

        async def all_done():
            return not await pool.fetchval("SELECT count(*) FROM alerts.outbox WHERE state <> 'delivered'")

        await until(all_done)
    assert sorted(message.text for message in fake.bot.accepted) == names


async def test_stopping_waits_for_the_answer(outbox, pool, fake, telegram, punctual):
    fake.script.add([Fault(action=Action.HANG_AFTER)])
    async with sending(outbox, {"telegram": telegram}):
        await outbox.enqueue([punctual("a")], now_ns())

        async def taken():
            return fake.bot.accepted

        await until(taken)
    row = await pool.fetchrow("SELECT * FROM alerts.outbox")
    assert (row["state"], row["next_attempt_ns"] is not None) == ("ambiguous", True)


async def test_outages_of_the_store_only_delay(outbox, pool, fake, telegram, punctual):
    await outbox.enqueue([punctual("a")], now_ns())
    await pool.execute("ALTER TABLE alerts.outbox RENAME TO away")
    told = []

    async def publish(events):
        told.extend(events)

    beside = [asyncio.create_task(announce(outbox, publish)), asyncio.create_task(keep(outbox, keep_days=30))]
    async with sending(outbox, {"telegram": telegram}) as dispatcher:

        async def noticed():
            faults = (metrics.STORE_FAULTS.labels(step)._value.get() for step in ("claim", "upkeep"))
            return all(count > 0 for count in faults)

        await until(noticed)
        await pool.execute("ALTER TABLE alerts.away RENAME TO outbox")
        dispatcher.nudge()
        await until(in_state(pool, "a", "delivered"))
    for task in beside:
        task.cancel()


class Odd(Channel):
    """A way to reach people that behaves as the test says."""

    def __init__(self, behave: Callable[[Message], Awaitable[Outcome]]) -> None:
        self._behave = behave
        self.sent: list[str] = []

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def send(self, message: Message) -> Outcome:
        self.sent.append(message.text)
        return await self._behave(message)

    async def fault(self) -> str | None:
        return None


async def test_a_channel_that_never_answers_is_given_up_before_the_lease_ends(outbox, pool, punctual):
    async def never(_message):
        await asyncio.Event().wait()

    channel = Odd(never)
    async with sending(outbox, {"telegram": channel}, lease_s=0.6):
        await outbox.enqueue([punctual("a", severity=Severity.INFO)], now_ns())
        row = await until(in_state(pool, "a", "ambiguous", waiting=False))
    assert row["reason"] == "no answer within 0.3 s"
    assert channel.sent == ["a"]


async def test_a_channel_that_breaks_leaves_the_lease_to_decide(outbox, pool, punctual):
    async def broken(message):
        if "(possible repeat)" in message.text:
            return Sent("5")
        raise ZeroDivisionError

    channel = Odd(broken)
    async with sending(outbox, {"telegram": channel}, lease_s=0.5):
        await outbox.enqueue([punctual("a")], now_ns())
        row = await until(in_state(pool, "a", "delivered"))
    assert channel.sent == ["a", "(possible repeat)\na"]
    assert row["message_id"] == "5"


async def test_an_outcome_is_recorded_through_an_outage_of_the_store(outbox, pool, punctual):
    async def send(_message):
        await pool.execute("ALTER TABLE alerts.outbox RENAME TO away")
        return Sent("5")

    channel = Odd(send)
    before = metrics.STORE_FAULTS.labels("settle")._value.get()

    async def noticed():
        return metrics.STORE_FAULTS.labels("settle")._value.get() > before

    async with sending(outbox, {"telegram": channel}):
        await outbox.enqueue([punctual("a")], now_ns())
        await until(noticed)
        await pool.execute("ALTER TABLE alerts.away RENAME TO outbox")
        row = await until(in_state(pool, "a", "delivered"))
    assert (row["message_id"], channel.sent) == ("5", ["a"])


async def test_a_repeat_that_is_refused_stays_ambiguous(outbox, pool, punctual):
    async def refuse(message):
        if "(possible repeat)" in message.text:
            return Refused("Forbidden: bot was blocked by the user", permanent=True)
        return Ambiguous("reset")

    async with sending(outbox, {"telegram": Odd(refuse)}):
        await outbox.enqueue([punctual("a")], now_ns())
        row = await until(in_state(pool, "a", "ambiguous", waiting=False))
    assert row["reason"] == "Forbidden: bot was blocked by the user"
