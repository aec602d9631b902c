"""The pace that all senders of a channel share, in virtual time, on real PostgreSQL."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.events import DeliveryState
from services.alerts.policy.budget import Limits
from services.alerts.policy.pace import Pace
from services.alerts.store.outbox import Outbox

UNBOUND = {"telegram": Limits(per_h=0)}

S = 1_000_000_000
LEASE_NS = 30 * S
START = 1_700_000_000 * S


@pytest.fixture
def wishes(outbox, make_entry):
    """Put `count` alerts into the outbox for each of some chats."""

    async def make(count, *chats):
        entries = [make_entry(f"{chat}/{n:03}", chat, created_ns=START + n) for chat in chats for n in range(count)]
        await outbox.enqueue(entries, START)

    return make


async def send(outbox: Outbox, now_ns: int, *, takes_ns: int = 0, limit: int = 100) -> list[str]:
    """Claim and deliver all that is allowed at `now_ns`; return whom it reached."""
    claims = await outbox.claim("telegram", now_ns, lease_ns=LEASE_NS, limit=limit)
    for one in claims:
        assert await outbox.begin(one, now_ns, lease_ns=LEASE_NS)
    for one in claims:
        await outbox.settle(one, DeliveryState.DELIVERED, now_ns + takes_ns, message_id="1")
    return [one.recipient for one in claims]


async def times(outbox: Outbox, until_ns: int, now_ns: int = START) -> list[tuple[int, str]]:
    """Send whenever the outbox says that more may go; return when whom."""
    sent: list[tuple[int, str]] = []
    while now_ns <= until_ns:
        sent += [(now_ns, chat) for chat in await send(outbox, now_ns)]
        next_ns = await outbox.next_ns("telegram", now_ns)
        if next_ns is None:
            break
        assert next_ns > now_ns or sent[-1][0] == now_ns
        now_ns = max(next_ns, now_ns + 1)
    return sent


async def test_one_a_second_to_one_chat(outbox, wishes):
    await wishes(3, "1")
    assert [at - START for at, _ in await times(outbox, START + 9 * S)] == [0, S, 2 * S]


async def test_the_second_counts_from_the_answer(outbox, wishes):
    await wishes(2, "1")
    await send(outbox, START, takes_ns=3 * S // 10)
    assert await outbox.next_ns("telegram", START) == START + 13 * S // 10
    assert await send(outbox, START + 13 * S // 10 - 1) == []
    assert await send(outbox, START + 13 * S // 10) == ["1"]


@pytest.mark.parametrize("group", ["-100123", "@channel"])
async def test_twenty_a_minute_to_one_group(outbox, wishes, group):
    await wishes(42, group)
    sent = [(at - START) // S for at, _ in await times(outbox, START + 200 * S)]
    assert sent == [*range(20), *range(60, 80), 120, 121]


async def test_a_person_may_be_told_more(outbox, wishes):
    await wishes(60, "1")
    assert len(await times(outbox, START + 59 * S)) == 60


async def test_twenty_five_a_second_over_all_and_over_all_senders(outbox, pool, wishes):
    await wishes(1, *(str(chat) for chat in range(60)))
    other = Outbox(pool, limits=UNBOUND)
    assert len(await send(outbox, START, limit=10)) == 10
    assert len(await send(other, START + S // 2)) == 15
    assert await send(outbox, START + S // 2) == []
    assert await outbox.next_ns("telegram", START + S // 2) == START + S
    assert len(await send(other, START + S)) == 10
    assert len(await send(outbox, START + 3 * S // 2)) == 15


async def test_a_successor_knows_what_was_sent(outbox, pool, wishes):
    await wishes(2, "1")
    await send(outbox, START)
    assert await send(Outbox(pool, limits=UNBOUND), START + S // 2) == []
    assert await send(Outbox(pool, limits=UNBOUND), START + S) == ["1"]


async def test_an_attempt_of_a_sender_that_died_counts_when_it_is_found(outbox, wishes):
    await wishes(2, "1")
    (one,) = await outbox.claim("telegram", START, lease_ns=LEASE_NS, limit=9)
    await outbox.begin(one, START, lease_ns=LEASE_NS)
    assert await outbox.sweep(START + LEASE_NS) == 1
    assert await outbox.claim("telegram", START + LEASE_NS + S - 1, lease_ns=LEASE_NS, limit=9) == []
    assert await send(outbox, START + LEASE_NS + S) == ["1"]


async def test_what_never_began_costs_nothing(outbox, wishes):
    await wishes(2, "1")
    (one,) = await outbox.claim("telegram", START, lease_ns=LEASE_NS, limit=9)
    await outbox.settle(one, DeliveryState.EXPIRED, START, reason="cooldown")
    assert await send(outbox, START + 1) == ["1"]


async def test_one_chat_s_wait_stops_no_other_and_a_shorter_one_never_ends_it(outbox, wishes):
    await wishes(1, "1", "2")
    one, two = await outbox.claim("telegram", START, lease_ns=LEASE_NS, limit=9)
    await outbox.hold(one, START, until_ns=START + 1386 * S, reason="flood")
    await outbox.settle(two, DeliveryState.DELIVERED, START, message_id="1")
    await wishes(2, "2")
    assert [chat for _, chat in await times(outbox, START + 9 * S)] == ["2"]
    (again,) = await outbox.claim("telegram", START + 1386 * S, lease_ns=LEASE_NS, limit=9)
    await outbox.hold(again, START + 1386 * S, until_ns=START + 1387 * S, reason="flood")
    assert await outbox.next_ns("telegram", START + 1386 * S) == START + 1387 * S


async def test_a_channel_that_is_too_fast_stops_and_goes_on_slower_until_quiet_gives_it_back(outbox, wishes):
    await wishes(8, *(str(chat) for chat in range(30)))
    assert len(await send(outbox, START)) == 25
    await outbox.stop_all("telegram", START, until_ns=START + 7 * S)
    assert await send(outbox, START + 6 * S) == []
    assert await outbox.next_ns("telegram", START + 6 * S) == START + 7 * S
    assert len(await send(outbox, START + 7 * S)) == 17  # 25 x 0.7 = 17.5
    assert len(await send(outbox, START + 65 * S)) == 18  # and one more for a whole minute of quiet
    assert len(await send(outbox, START + 600 * S)) == 25


async def test_channels_have_paces_of_their_own(pool, make_entry):
    outbox = Outbox(pool, {"webhook": Pace(overall_per_s=3)}, limits=UNBOUND)
    entries = [
        make_entry(f"{channel}{n}", str(n), channel=channel) for channel in ("telegram", "webhook") for n in range(5)
    ]
    await outbox.enqueue(entries, START)
    assert len(await outbox.claim("webhook", START, lease_ns=LEASE_NS, limit=99)) == 3
    assert len(await outbox.claim("telegram", START, lease_ns=LEASE_NS, limit=99)) == 5


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(0, 9), min_size=3, max_size=3), takes=st.integers(0, 3 * S), two=st.booleans())
async def test_whoever_sends_no_budget_is_exceeded(pool: Any, make_entry: Any, counts: Any, takes: int, two: bool):
    await pool.execute("TRUNCATE alerts.outbox, alerts.recipients, alerts.pace")
    pace = {"telegram": Pace(chat_interval_s=0.5, group_per_minute=4, overall_per_s=3)}
    senders = (
        [Outbox(pool, pace, limits=UNBOUND), Outbox(pool, pace, limits=UNBOUND)]
        if two
        else [Outbox(pool, pace, limits=UNBOUND)]
    )
    chats = ("1", "2", "-5")
    await senders[0].enqueue(
        [
            make_entry(f"{chat}/{n}", chat, created_ns=n)
            for chat, count in zip(chats, counts, strict=True)
            for n in range(count)
        ],
        START,
    )
    now_ns, ends, begins = START, [], []
    while (next_ns := await senders[0].next_ns("telegram", now_ns)) is not None:
        now_ns = max(next_ns, now_ns + 1)
        for sender in senders:
            reached = await send(sender, now_ns, takes_ns=takes)
            begins += [(now_ns, chat) for chat in reached]
            ends += [(now_ns + takes, chat) for chat in reached]
    assert len(begins) == sum(counts)
    for at, _ in begins:
        assert sum(at <= other < at + S for other, _ in begins) <= 3
    for at, chat in begins:  # whatever way a request takes, it arrives between its beginning and its end
        assert all(other >= at + takes + S // 2 for other, name in begins if name == chat and other > at)
        if chat == "-5":
            assert sum(at <= other < at + takes + 60 * S for other, name in begins if name == chat) <= 4


async def test_recipients_of_a_channel_without_groups_have_no_budget_of_a_minute(pool, make_entry):
    machines = Pace(chat_interval_s=0.05, group_per_minute=0, overall_per_s=100)
    outbox = Outbox(pool, {"webhook": machines}, limits={"webhook": Limits(per_h=0)})
    url = "https://hook.example.com/in"
    await outbox.enqueue([make_entry(f"{n:02}", url, channel="webhook", created_ns=n) for n in range(45)], START)
    now_ns, sent = START, []
    while (next_ns := await outbox.next_ns("webhook", now_ns)) is not None:
        now_ns = max(next_ns, now_ns)
        (claim,) = await outbox.claim("webhook", now_ns, lease_ns=LEASE_NS, limit=9)
        assert await outbox.begin(claim, now_ns, lease_ns=LEASE_NS)
        await outbox.settle(claim, DeliveryState.DELIVERED, now_ns, message_id="1")
        sent.append(now_ns - START)
    assert sent == [n * S // 20 for n in range(45)]
    assert await pool.fetchval("SELECT told_ns FROM alerts.recipients") == []
