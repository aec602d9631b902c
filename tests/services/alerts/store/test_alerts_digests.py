"""Bursts, budgets, quiet hours and outages on a clock of our own: the store, the sender, the fake Telegram's limits."""

import random
import re
from collections.abc import Sequence
from typing import Any

import pytest

from deploy.local.sandbox.telegram import FakeTelegram
from deploy.local.sandbox.telegram_clock import ManualClock
from deploy.local.sandbox.telegram_faults import Action, Fault, Pattern
from libs.common.bus.codec import decode
from libs.common.events import HOUR_NS, MINUTE_NS, Delivery, Severity
from services.alerts.channels.telegram import TelegramChannel
from services.alerts.dispatcher import Dispatcher
from services.alerts.policy.budget import Limits
from services.alerts.store.control import panic, release
from services.alerts.store.outbox import Outbox
from services.alerts.store.rows import Entry
from services.alerts.store.subscribers import Key

S = 1_000_000_000
TOKEN = "7000000001:sandbox"


class Play:
    """A sender and a Telegram that share one clock; time passes in `run` alone."""

    def __init__(self, pool: Any, limits: Limits, owners: Sequence[Key] = (), second_of: Any = None) -> None:
        self.clock = ManualClock()
        self.pool = pool
        self.outbox = Outbox(pool, limits={"telegram": limits}, owners=owners, second_of=second_of)
        self.fake = FakeTelegram(TOKEN, lambda _line: None, clock=self.clock)
        self.calls = 0

    async def start(self) -> None:
        await self.fake.start()
        self.port = int(self.fake.url.rsplit(":", 1)[1])
        self.channel = TelegramChannel(TOKEN, self.fake.url, connect_s=1.0, answer_s=2.0)
        await self.channel.start()
        self.dispatcher = Dispatcher(
            self.outbox,
            {"telegram": self.channel},
            lease_s=30,
            senders=8,
            now_ns=self.clock.now_ns,
            monotonic_s=self.clock.monotonic_s,
        )

    async def stop(self) -> None:
        await self.dispatcher.stop()
        await self.channel.stop()
        await self.fake.stop()

    @property
    def now_ns(self) -> int:
        return self.clock.now_ns()

    async def run(self, seconds: float, step_s: float = 0.0) -> None:
        """Let time pass; the sender looks whenever it asked to, but not more often than every `step_s`."""
        end_s = self.clock.monotonic_s() + seconds
        while (left_s := end_s - self.clock.monotonic_s()) > 0:
            await self.outbox.digest(self.now_ns)
            pause_s = await self.dispatcher.round()
            await self.dispatcher.idle()
            self.clock.advance(min(left_s, max(pause_s, step_s)))

    async def told(self, chat: int = 1001) -> list[str]:
        return [message.text for message in self.fake.bot.accepted if message.chat_id == chat]

    async def states(self) -> dict[str, int]:
        rows = await self.pool.fetch("SELECT state, count(*) AS n FROM alerts.outbox GROUP BY state")
        return {row["state"]: row["n"] for row in rows}

    def entry(self, make_entry: Any, name: str, severity: Severity, chat: str = "1001", **changes: Any) -> Entry:
        valid_s = changes.pop("valid_s", 3600)
        made = make_entry(
            name, chat, severity=severity, created_ns=self.now_ns, valid_until_ns=self.now_ns + valid_s * S
        )
        return Entry(
            alert=made.alert,
            venue="okx",
            symbol="BTC-USDT",
            timeframe="1m",
            headline=changes.pop("headline", f"headline of {name}"),
            **changes,
        )


@pytest.fixture
async def play(pool):
    made = Play(pool, Limits(), owners=[("telegram", "9009")])
    await made.start()
    yield made
    await made.stop()


def counted(digest: str) -> int:
    found = re.search(r"Digest: ([\d,]+) alert", digest)
    assert found
    return int(found[1].replace(",", ""))


async def deliveries(pool: Any) -> list[Delivery]:
    events = [decode(row["event"]) for row in await pool.fetch("SELECT event FROM alerts.announcements ORDER BY seq")]
    return [event for event in events if isinstance(event, Delivery)]


@pytest.mark.parametrize("size", [1, 10, 500])
async def test_of_five_hundred_in_a_second_the_critical_come_first_and_the_rest_in_a_digest(play, make_entry, size):
    wants = [Severity.CRITICAL] * 10 + [Severity.WARNING] * 245 + [Severity.INFO] * 245
    random.Random(size).shuffle(wants)
    began_s = play.clock.monotonic_s()
    for at in range(0, 500, size):
        batch = [
            play.entry(make_entry, f"{wants[at + n]}-{at + n:03}", wants[at + n]) for n in range(min(size, 500 - at))
        ]
        await play.outbox.enqueue(batch, play.now_ns)
        await play.run(size / 500)
    await play.run(60)
    accepted = play.fake.bot.accepted
    digests = [one for one in accepted if "Digest" in one.text]
    alone = [one for one in accepted if "Digest" not in one.text]
    critical = [one for one in alone if one.text.startswith("critical")]
    assert sum(counted(one.text) for one in digests) + len(alone) == 500  # each is told once
    in_digests = sum(one.text.count("headline of critical") for one in digests)
    assert len(critical) + in_digests == 10
    first = [one for one in accepted if "critical" in one.text]
    assert all(one.at_s - began_s < 15 for one in first)
    if size == 500:
        assert accepted[:10] == critical
    assert len(accepted) <= Limits().per_h
    assert play.fake.bot.floods.early == []
    assert play.fake.calls == len(accepted)  # not one of them refused for its pace
    assert await play.states() == {"delivered": len(accepted), "rolled_up": 500 - len(alone)}
    events = await deliveries(play.pool)
    assert len({one.alert_id for one in events if one.reason and "told in digest" in one.reason}) == 500 - len(alone)


async def test_no_hour_is_over_budget_and_what_waits_is_told_as_soon_as_it_may(play, make_entry):
    for number in range(300):  # one every 30 s, for two and a half hours
        await play.outbox.enqueue([play.entry(make_entry, f"a{number:03}", Severity.WARNING)], play.now_ns)
        await play.run(30, step_s=5)
    await play.run(3600, step_s=30)
    times = [one.at_s for one in play.fake.bot.accepted]
    assert all(sum(at - 3600 < other <= at for other in times) <= 20 for at in times)
    texts = await play.told()
    told = sum(counted(text) if "Digest" in text else 1 for text in texts)
    assert told == 300
    assert len(texts) > 40  # the budget of each hour is used


async def test_after_six_hours_of_outage_nothing_stale_arrives_but_one_digest(play, make_entry):
    chats = [str(1001 + number) for number in range(10)]
    await play.fake.stop()
    for number in range(72):  # one every five minutes, each worth a quarter of an hour
        await play.outbox.enqueue(
            [play.entry(make_entry, f"{chat}-{number}", Severity.WARNING, chat, valid_s=900) for chat in chats],
            play.now_ns,
        )
        await play.run(300, step_s=20)
    assert play.fake.bot.accepted == []
    ended_ns = play.now_ns
    await play.fake.start(play.port)
    await play.run(1200, step_s=1)
    for chat in chats:
        texts = await play.told(int(chat))
        digests = [text for text in texts if "Digest" in text]
        singles = [text for text in texts if "Digest" not in text]
        assert len(digests) == 1
        assert "Could not be sent in time" in digests[0]
        rows = await play.pool.fetch("SELECT alert_id, valid_until_ns FROM alerts.outbox WHERE recipient = $1", chat)
        valid = {row["alert_id"]: row["valid_until_ns"] for row in rows}
        assert all(valid[text.split("\n")[-1]] > ended_ns for text in singles)  # after "Sent 5 min late"
        assert counted(digests[0]) + len(singles) == 72
        assert "headline" not in digests[0]  # nothing that is over is quoted


async def test_quiet_hours_let_the_critical_through_and_keep_the_rest_for_their_end(play, pool, make_entry):
    minute = play.now_ns // MINUTE_NS % 1440
    await pool.execute(
        "INSERT INTO alerts.subscribers (channel, recipient, zone, quiet_from, quiet_to)"
        " VALUES ('telegram', '1001', 'UTC', $1, $2)",
        minute,
        (minute + 120) % 1440,
    )
    for number in range(3):
        await play.outbox.enqueue(
            [
                play.entry(make_entry, f"w{number}", Severity.WARNING, valid_s=600),
                play.entry(make_entry, f"c{number}", Severity.CRITICAL, valid_s=9000),
            ],
            play.now_ns,
        )
        await play.run(60, step_s=1)
    assert await play.told() == ["c0", "c1", "c2"]
    await play.run(110 * 60, step_s=20)
    assert await play.told() == ["c0", "c1", "c2"]
    await play.run(15 * 60, step_s=5)
    assert len(await play.told()) == 4
    digest = (await play.told())[3]
    assert counted(digest) == 3
    assert "Over by now: 3 signal" in digest


async def test_a_digest_hour_gathers_a_day(play, pool, make_entry):
    minute = (play.now_ns // MINUTE_NS + 300) % 1440
    await pool.execute(
        "INSERT INTO alerts.subscribers (channel, recipient, digest_minute) VALUES ('telegram', '1001', $1)", minute
    )
    await pool.execute("INSERT INTO alerts.preferences VALUES ('telegram', '1001', 'signal', '*', 'digest')")
    for number in range(3):
        valid_s = 10 * 3600
        await play.outbox.enqueue(
            [play.entry(make_entry, f"w{number}", Severity.WARNING, valid_s=valid_s, headline="▲ BUY BTC & Co <1>")],
            play.now_ns,
        )
        await play.run(3600, step_s=60)
    assert await play.told() == []
    await play.run(2.1 * 3600, step_s=30)
    (digest,) = await play.told()
    assert "▲ BUY BTC & Co <1> x3" in digest


async def test_what_is_paused_muted_or_off_is_kept_with_its_reason(play, pool, make_entry):
    await pool.execute(
        "INSERT INTO alerts.subscribers (channel, recipient, paused_until_ns) VALUES ('telegram', '1002', $1)",
        play.now_ns + HOUR_NS,
    )
    await pool.execute(
        "INSERT INTO alerts.mutes VALUES ('telegram', '1001', 'symbol:BTC-USDT', $1)", play.now_ns + HOUR_NS
    )
    await pool.execute("INSERT INTO alerts.preferences VALUES ('telegram', '1003', 'signal', 'info', 'off')")
    await pool.execute("INSERT INTO alerts.preferences VALUES ('telegram', '1003', '*', '*', 'silent')")
    entries = [
        play.entry(make_entry, "muted", Severity.CRITICAL, about=("layer:cvd", "symbol:BTC-USDT")),
        play.entry(make_entry, "heard", Severity.WARNING, about=("symbol:ETH-USDT",)),
        play.entry(make_entry, "paused", Severity.CRITICAL, "1002"),
        play.entry(make_entry, "off", Severity.INFO, "1003"),
        play.entry(make_entry, "silent", Severity.WARNING, "1003"),
    ]
    assert await play.outbox.enqueue(entries, play.now_ns) == 2
    await play.run(5)
    assert {(one.text, one.silent) for one in play.fake.bot.accepted} == {("heard", False), ("silent", True)}
    rows = await pool.fetch("SELECT alert_id, reason FROM alerts.outbox WHERE state = 'expired' ORDER BY alert_id")
    assert [tuple(row) for row in rows] == [
        ("muted", "muted by the recipient: symbol:BTC-USDT"),
        ("off", "turned off by the recipient: signal, info"),
        ("paused", "paused by the recipient"),
    ]
    assert {one.alert_id for one in await deliveries(pool)} == {"muted", "off", "paused", "heard", "silent"}
    await play.run(2 * 3600, step_s=60)
    assert len(play.fake.bot.accepted) == 2  # what nobody wanted is in no digest either


async def test_a_recipient_who_blocks_us_is_told_nothing_more_and_the_owner_hears_of_it_once(play, pool, make_entry):
    play.fake.script.add([Fault(action=Action.BLOCKED, match=Pattern(chat_id="1001"))])
    entries = [play.entry(make_entry, f"a{number}", Severity.WARNING) for number in range(3)]
    await play.outbox.enqueue(entries, play.now_ns)
    await play.run(30)
    assert await play.told() == []
    (notice,) = await play.told(9009)
    assert "1001" in notice
    assert "bot was blocked by the user" in notice
    rows = await pool.fetch("SELECT state, reason FROM alerts.outbox WHERE recipient = '1001' ORDER BY alert_id")
    assert [row["state"] for row in rows] == ["failed", "expired", "expired"]
    await play.outbox.enqueue([play.entry(make_entry, "later", Severity.CRITICAL)], play.now_ns)
    await play.run(30)
    assert await play.told() == []
    assert len(await play.told(9009)) == 1


async def test_panic_ends_what_waits_and_holds_until_it_is_released(play, pool, make_entry):
    await play.outbox.enqueue(
        [play.entry(make_entry, f"a{number}", Severity.WARNING) for number in range(3)], play.now_ns
    )
    claims = await play.outbox.claim("telegram", play.now_ns, lease_ns=S, limit=8)
    assert len(claims) == 1
    async with pool.acquire() as connection, connection.transaction():
        assert await panic(connection, 9009, play.now_ns) == 2
    assert not await play.outbox.begin(claims[0], play.now_ns, lease_ns=S)  # it does not leave any more
    await play.outbox.enqueue([play.entry(make_entry, "meanwhile", Severity.CRITICAL)], play.now_ns)
    answer = play.entry(make_entry, "answer", Severity.INFO, kind="answer")
    await play.outbox.enqueue([answer], play.now_ns)
    await play.run(60)
    assert await play.told() == ["answer"]
    async with pool.acquire() as connection, connection.transaction():
        await release(connection, 9009, play.now_ns)
    await play.outbox.enqueue([play.entry(make_entry, "after", Severity.WARNING)], play.now_ns)
    await play.run(60)
    assert await play.told() == ["answer", "after"]
    rows = await pool.fetch("SELECT alert_id, reason FROM alerts.outbox WHERE state = 'expired' ORDER BY alert_id")
    assert {row["alert_id"]: row["reason"] for row in rows} == {
        "a0": "stopped by panic",
        "a1": "stopped by panic",
        "a2": "stopped by panic",
        "meanwhile": "all alerts are stopped",
    }


async def test_what_is_critical_is_told_elsewhere_within_a_minute_of_an_outage(pool, make_entry):
    url = "https://ops.example/in"
    play = Play(pool, Limits(), second_of={("telegram", "1001"): ("webhook", url)})
    await play.start()
    await play.fake.stop()
    entries = [
        play.entry(make_entry, "storm", Severity.CRITICAL),
        play.entry(make_entry, "mild", Severity.WARNING),
        play.entry(make_entry, "other", Severity.CRITICAL, "1002"),
    ]
    await play.outbox.enqueue(entries, play.now_ns)
    for _ in range(60):
        await play.run(1)
        await play.outbox.repeat_elsewhere(play.now_ns)
    rows = await pool.fetch("SELECT * FROM alerts.outbox WHERE channel = 'webhook'")
    assert [(row["recipient"], row["text"], row["kind"], row["state"]) for row in rows] == [
        (url, "storm", "signal", "pending")
    ]
    await play.stop()


async def test_a_known_alert_costs_nothing_again(play, pool, make_entry):
    for _ in range(100):
        await play.outbox.enqueue([play.entry(make_entry, "a", Severity.WARNING)], play.now_ns)
    await play.run(5)
    assert await play.told() == ["a"]
    assert len(await pool.fetchval("SELECT spent_ns FROM alerts.subscribers WHERE recipient = '1001'")) == 1
