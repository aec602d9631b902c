"""The outbox on a real PostgreSQL: states, claims, leases, fencing, announcements."""

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from libs.common.bus.codec import decode
from libs.common.events import Delivery, DeliveryState, Severity
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.migrations import migrate, read
from services.alerts.policy.budget import Limits
from services.alerts.policy.pace import Pace
from services.alerts.store.outbox import Outbox
from services.alerts.store.rows import Claim

UNBOUND = {"telegram": Limits(per_h=0)}

S = 1_000_000_000
LEASE_NS = 30 * S


FREE = {"telegram": Pace(chat_interval_s=0, group_per_minute=10_000, overall_per_s=10_000)}


@pytest.fixture
def outbox(pool):
    """One without budgets: what these tests are about is who may send."""
    return Outbox(pool, FREE, limits=UNBOUND)


async def claim(outbox: Outbox, now_ns: int = 1, limit: int = 10) -> list[Claim]:
    return await outbox.claim("telegram", now_ns, lease_ns=LEASE_NS, limit=limit)


async def states(pool: Any) -> dict[str, str]:
    return {row["alert_id"]: row["state"] for row in await pool.fetch("SELECT alert_id, state FROM alerts.outbox")}


async def row(pool: Any, alert_id: str) -> dict[str, Any]:
    return dict(await pool.fetchrow("SELECT * FROM alerts.outbox WHERE alert_id = $1", alert_id))


async def announced(outbox: Outbox) -> list[tuple[str, str]]:
    events: list[Delivery] = []

    async def publish(batch):
        events.extend(batch)

    await outbox.announce(publish)
    return [(event.alert_id, event.state.value) for event in events]


async def test_an_alert_is_taken_once_however_often_it_comes(outbox, pool, make_entry):
    assert await outbox.enqueue([make_entry("a"), make_entry("b")], 1) == 2
    assert await outbox.enqueue([make_entry("a"), make_entry("c"), make_entry("c")][:2], 2) == 1
    assert await outbox.enqueue([], 3) == 0
    assert await states(pool) == {"a": "pending", "b": "pending", "c": "pending"}


async def test_all_entries_or_none(outbox, pool, make_entry):
    with pytest.raises(asyncpg.CheckViolationError):
        await outbox.enqueue([make_entry("a"), make_entry("b", html="")], 1)
    assert await states(pool) == {}


async def test_a_claim_carries_what_sending_needs(outbox, make_entry):
    await outbox.enqueue([make_entry("a", created_ns=7)], 7)
    (one,) = await claim(outbox, 10)
    assert (one.alert_id, one.recipient, one.address, one.html, one.text) == ("a", "1001", "1001", "<b>a</b>", "a")
    assert (one.attempts, one.repeated, one.created_ns, one.last_delivered_ns) == (1, False, 7, None)
    assert one.severity is Severity.WARNING
    assert await claim(outbox, 11) == []


async def test_the_most_urgent_first_then_the_oldest_and_one_a_chat(outbox, make_entry):
    await outbox.enqueue(
        [
            make_entry("a", created_ns=1),
            make_entry("b", created_ns=2, severity=Severity.CRITICAL),
            make_entry("c", created_ns=3, severity=Severity.CRITICAL),
            make_entry("d", "1002", created_ns=0, severity=Severity.INFO),
        ],
        3,
    )
    order = []
    while claims := await claim(outbox, 10):
        order.append([one.alert_id for one in claims])
        for one in claims:
            await outbox.settle(one, DeliveryState.DELIVERED, 10, message_id="1")
    assert order == [["b", "d"], ["c"], ["a"]]


async def test_held_chats_are_left_alone(outbox, make_entry):
    entries = [make_entry("a", created_ns=1), make_entry("b", "1002"), make_entry("c", "1003", created_ns=1)]
    await outbox.enqueue(entries, 1)
    (one,) = await claim(outbox, 1, limit=1)
    assert one.recipient == "1002"
    assert await outbox.hold(one, 1, until_ns=36 * S, reason="flood")
    assert {each.recipient for each in await claim(outbox, 2)} == {"1001", "1003"}
    assert await claim(outbox, 35 * S) == []
    (again,) = await claim(outbox, 36 * S)
    assert (again.alert_id, again.attempts) == ("b", 2)


async def test_an_alert_that_waits_holds_back_what_is_behind_it(outbox, make_entry):
    await outbox.enqueue([make_entry("a", created_ns=1), make_entry("b", created_ns=2)], 2)
    (one,) = await claim(outbox, 3)
    await outbox.release(one, 3, next_attempt_ns=5 * S, reason="not sent: ConnectError")
    assert await claim(outbox, 4) == []
    (one,) = await claim(outbox, 5 * S)
    assert one.alert_id == "a"


async def test_a_moved_chat_is_followed_from_then_on(outbox, make_entry):
    await outbox.enqueue([make_entry("a", "-5"), make_entry("b", "-5", created_ns=1)], 1)
    (one,) = await claim(outbox)
    await outbox.move(one, "-1005", 2)
    (one,) = await claim(outbox, 2)
    assert (one.alert_id, one.recipient, one.address) == ("a", "-5", "-1005")
    await outbox.settle(one, DeliveryState.DELIVERED, 3, message_id="9")
    (one,) = await claim(outbox, 3)
    assert (one.alert_id, one.address) == ("b", "-1005")


async def test_delivered_failed_and_what_is_told(outbox, pool, make_entry):
    await outbox.enqueue([make_entry("a"), make_entry("b", "1002")], 1)
    first, second = sorted(await claim(outbox), key=lambda one: one.alert_id)
    assert await outbox.settle(first, DeliveryState.DELIVERED, 50, message_id="77")
    assert await outbox.settle(second, DeliveryState.FAILED, 60, reason="Forbidden")
    assert await states(pool) == {"a": "delivered", "b": "failed"}
    events: list[Delivery] = []

    async def publish(batch):
        events.extend(batch)

    assert await outbox.announce(publish) == 2
    assert events[0] == Delivery(
        alert_id="a",
        signal_id="signal of a",
        channel="telegram",
        recipient="1001",
        state=DeliveryState.DELIVERED,
        attempts=1,
        at_ns=50,
        message_id="77",
        venue="okx",
        symbol="BTC-USDT",
        origin=events[0].origin,
    )
    assert (events[1].state, events[1].reason) == (DeliveryState.FAILED, "Forbidden")
    assert await outbox.announce(publish) == 0


async def test_what_was_not_acknowledged_is_published_again(outbox, make_entry):
    await outbox.enqueue([make_entry("a")], 1)
    (one,) = await claim(outbox)
    await outbox.settle(one, DeliveryState.DELIVERED, 2, message_id="1")

    async def broken(_batch):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await outbox.announce(broken)
    assert await announced(outbox) == [("a", "delivered")]


async def test_only_one_process_announces_at_a_time(outbox, make_entry):
    await outbox.enqueue([make_entry("a")], 1)
    (one,) = await claim(outbox)
    await outbox.settle(one, DeliveryState.DELIVERED, 2, message_id="1")
    seen: list[int] = []

    async def publish(_batch):
        seen.append(await outbox.announce(publish))

    assert await outbox.announce(publish) == 1
    assert seen == [0]


async def test_expired_is_never_sent(outbox, pool, make_entry):
    await outbox.enqueue([make_entry("a", valid_until_ns=10 * S), make_entry("b", "1002")], 1)
    assert {one.alert_id for one in await claim(outbox, 10 * S)} == {"b"}
    assert await outbox.sweep(10 * S) == 1
    assert await states(pool) == {"a": "expired", "b": "sending"}
    assert await announced(outbox) == [("a", "expired")]
    assert (await row(pool, "a"))["reason"] == "not sent in time"


async def test_a_sender_that_died_before_it_began_surely_sent_nothing(outbox, make_entry):
    await outbox.enqueue([make_entry("a")], 1)
    (dead,) = await claim(outbox, 1)
    assert await outbox.sweep(LEASE_NS) == 0
    assert await outbox.sweep(LEASE_NS + 1) == 1
    (heir,) = await claim(outbox, LEASE_NS + 1)
    assert (heir.repeated, heir.attempts) == (False, 2)
    assert heir.token > dead.token
    assert await announced(outbox) == []


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.CRITICAL])
async def test_a_sender_that_died_after_leaves_one_marked_repeat(outbox, pool, make_entry, severity):
    await outbox.enqueue([make_entry("a", severity=severity)], 1)
    (dead,) = await claim(outbox, 1)
    assert await outbox.begin(dead, 2, lease_ns=LEASE_NS)
    assert await outbox.sweep(2 + LEASE_NS) == 1
    assert await states(pool) == {"a": "ambiguous"}
    (heir,) = await claim(outbox, 2 + LEASE_NS)
    assert heir.repeated is True
    assert await outbox.begin(heir, 3 + LEASE_NS, lease_ns=LEASE_NS)
    await outbox.sweep(3 + 2 * LEASE_NS)  # the heir died too: no third time
    assert await claim(outbox, 10 * LEASE_NS) == []
    assert await states(pool) == {"a": "ambiguous"}
    assert await announced(outbox) == [("a", "ambiguous"), ("a", "ambiguous")]


async def test_info_is_never_repeated(outbox, pool, make_entry):
    await outbox.enqueue([make_entry("a", severity=Severity.INFO)], 1)
    (dead,) = await claim(outbox, 1)
    await outbox.begin(dead, 2, lease_ns=LEASE_NS)
    await outbox.sweep(2 + LEASE_NS)
    assert await states(pool) == {"a": "ambiguous"}
    assert await claim(outbox, 10 * LEASE_NS) == []


async def test_a_post_whose_sender_died_is_made_again_under_its_own_id(outbox, pool, make_entry):
    await outbox.enqueue([make_entry("a", "https://a.example", channel="webhook", severity=Severity.INFO)], 1)
    for number in range(3):
        (one,) = await outbox.claim("webhook", 1 + 10 * number * LEASE_NS, lease_ns=LEASE_NS, limit=9)
        assert (one.alert_id, one.repeated, one.attempts) == ("a", False, number + 1)
        assert await outbox.begin(one, 2 + 10 * number * LEASE_NS, lease_ns=LEASE_NS)
        assert await outbox.sweep(2 + (10 * number + 2) * LEASE_NS) == 1
        assert await states(pool) == {"a": "pending"}


async def test_an_ambiguous_answer_is_repeated_once(outbox, pool, make_entry):
    await outbox.enqueue([make_entry("a")], 1)
    (one,) = await claim(outbox, 1)
    await outbox.settle(one, DeliveryState.AMBIGUOUS, 2, reason="reset", repeat_ns=5)
    assert await claim(outbox, 4) == []
    (again,) = await claim(outbox, 5)
    assert again.repeated
    await outbox.release(again, 6, next_attempt_ns=7, reason="not sent: ConnectError")
    assert await states(pool) == {"a": "ambiguous"}  # the repeat surely did not leave: it is still ahead
    (again,) = await claim(outbox, 7)
    await outbox.settle(again, DeliveryState.AMBIGUOUS, 8, reason="reset", repeat_ns=9)
    assert await claim(outbox, 100) == []
    assert (await row(pool, "a"))["next_attempt_ns"] is None


async def test_a_repeat_with_no_time_left_stays_ambiguous(outbox, pool, make_entry):
    await outbox.enqueue([make_entry("a", valid_until_ns=50)], 1)
    (one,) = await claim(outbox, 1)
    await outbox.settle(one, DeliveryState.AMBIGUOUS, 2, reason="reset", repeat_ns=60)
    await outbox.sweep(50)
    assert (await row(pool, "a"))["state"] == "ambiguous"
    assert (await row(pool, "a"))["reason"] == "reset; no time left to repeat it"


async def test_who_lost_the_lease_changes_nothing(outbox, pool, make_entry):
    await outbox.enqueue([make_entry("a")], 1)
    (frozen,) = await claim(outbox, 1)
    assert await outbox.begin(frozen, 1 + LEASE_NS, lease_ns=LEASE_NS) is False  # thawed too late
    await outbox.sweep(1 + LEASE_NS)
    (heir,) = await claim(outbox, 1 + LEASE_NS)
    assert await outbox.begin(frozen, 2 + LEASE_NS, lease_ns=LEASE_NS) is False
    assert await outbox.settle(frozen, DeliveryState.DELIVERED, 3, message_id="1") is False
    assert await outbox.release(frozen, 3, next_attempt_ns=3, reason="x") is False
    assert await outbox.move(frozen, "-1", 3) is False
    assert (await row(pool, "a"))["token"] == heir.token
    assert await outbox.settle(heir, DeliveryState.DELIVERED, 4, message_id="2")
    assert (await row(pool, "a"))["message_id"] == "2"


async def test_a_delivery_is_known_to_the_next_of_the_same_rule_and_market(outbox, make_entry):
    await outbox.enqueue([make_entry("a", created_ns=1), make_entry("b", created_ns=2, cooldown_s=60)], 2)
    (one,) = await claim(outbox, 3)
    await outbox.settle(one, DeliveryState.DELIVERED, 4, message_id="1")
    (two,) = await claim(outbox, 5)
    assert (two.alert_id, two.cooldown_s, two.last_delivered_ns) == ("b", 60, 4)


async def test_many_senders_never_claim_the_same_nor_one_chat_twice(outbox, pool, make_entry):
    chats = [str(1000 + number) for number in range(12)]
    entries = [make_entry(f"{chat}-{number}", chat, created_ns=number) for chat in chats for number in range(10)]
    await outbox.enqueue(entries, 1)
    sent: list[str] = []
    in_flight: set[str] = set()
    chance = random.Random(7)

    async def sender() -> None:
        mine = Outbox(pool, FREE, limits=UNBOUND)
        while len(sent) < len(entries):
            for one in await mine.claim("telegram", 3, lease_ns=LEASE_NS, limit=chance.randint(1, 5)):
                assert one.recipient not in in_flight
                in_flight.add(one.recipient)
                await asyncio.sleep(0)
                assert await mine.begin(one, 2, lease_ns=LEASE_NS)
                sent.append(one.alert_id)
                in_flight.discard(one.recipient)
                assert await mine.settle(one, DeliveryState.DELIVERED, 3, message_id="1")

    async with asyncio.timeout(60):
        await asyncio.gather(*(sender() for _ in range(6)))
    assert sorted(sent) == sorted(entry.alert.alert_id for entry in entries)
    for chat in chats:  # and each chat was told in order
        assert [one for one in sent if one.startswith(chat)] == [f"{chat}-{number}" for number in range(10)]


async def test_old_alerts_are_forgotten_and_waiting_ones_kept(outbox, pool, make_entry):
    await outbox.enqueue([make_entry("a"), make_entry("b", created_ns=1)], 1)
    (one,) = await claim(outbox, 1)
    await outbox.settle(one, DeliveryState.DELIVERED, 5, message_id="1")
    assert await outbox.waiting(3 * S) == (1, pytest.approx(3.0))
    assert await outbox.purge(6) == 1
    assert await states(pool) == {"b": "pending"}
    assert [one["alert_id"] for one in await outbox.rows(state=None, limit=9)] == ["b"]
    assert await outbox.rows(state="failed", limit=9) == []


async def test_impossible_states_cannot_be_stored(pool, outbox, make_entry):
    await outbox.enqueue([make_entry("a")], 1)
    for change in (
        "state = 'sending'",
        "state = 'delivered', next_attempt_ns = NULL",
        "state = 'expired', next_attempt_ns = NULL",
        "state = 'lost'",
        "next_attempt_ns = NULL",
        "token = 1",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(f"UPDATE alerts.outbox SET {change}")


async def test_migrations_run_once_and_refuse_a_changed_history(fresh_dsn):
    assert await migrate(fresh_dsn, "services.alerts.migrations", "alerts") == len(read("services.alerts.migrations"))
    assert await migrate(fresh_dsn, "services.alerts.migrations", "alerts") == 0
    connection = await asyncpg.connect(fresh_dsn)
    await connection.execute("UPDATE alerts.migrations SET digest = 'other'")
    await connection.close()
    with pytest.raises(ConfigurationError, match=r"0001_outbox\.sql"):
        await migrate(fresh_dsn, "services.alerts.migrations", "alerts")


async def test_announcements_are_events_of_the_codec(outbox, pool, make_entry):
    await outbox.enqueue([make_entry("a", valid_until_ns=1)], 1)
    await outbox.sweep(2)
    assert isinstance(decode(await pool.fetchval("SELECT event FROM alerts.announcements")), Delivery)
