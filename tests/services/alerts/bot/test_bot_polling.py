"""Two processes' worth of the bot against one store and one fake: only the holder asks, and it is followed."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.local.sandbox.telegram import FakeTelegram
from deploy.local.sandbox.telegram_faults import Action, Fault, Pattern
from deploy.local.sandbox.telegram_people import Press, Say
from libs.common.runtime.clock import monotonic_s
from services.alerts.bot import COMMANDS
from services.alerts.bot.api import Api
from services.alerts.bot.leases import Lease
from services.alerts.bot.polling import Holder
from services.alerts.bot.robot import Robot
from services.alerts.bot.updates import Updates
from services.alerts.bot.webhook import MOST_BYTES, Webhook
from services.alerts.policy.access import lists_of
from services.alerts.store.outbox import Outbox

TOKEN = "7000000001:sandbox"
SECRET = "a-secret-of-32-letters-or-so_123"
HEADER = "X-Telegram-Bot-Api-Secret-Token"


@pytest.fixture
async def fake():
    server = FakeTelegram(TOKEN, lambda _line: None)
    await server.start()
    yield server
    await server.stop()


class One:
    """What one process has of the bot."""

    def __init__(self, name, pool, fake):
        self.api = Api(TOKEN, fake.url, connect_s=1.0, answer_s=2.0)
        self.nudged = 0
        updates = Updates(pool, Outbox(pool), commands=COMMANDS, lists=lists_of(["1001"], ["42"]), keys=(b"k" * 32,))
        self.robot = Robot(self.api, updates, None, self.nudge, COMMANDS)
        self.lease = Lease(pool, "updates", name)
        self.holder = Holder(self.lease, self.robot)
        self.tasks = []

    def nudge(self):
        self.nudged += 1

    def begin(self, *work):
        self.tasks += [asyncio.create_task(one) for one in (self.holder.keep(), *work)]

    async def die(self):
        """End without a word, as a killed process does."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks = []


@asynccontextmanager
async def running(name, pool, fake):
    one = One(name, pool, fake)
    await one.api.start()
    try:
        yield one
    finally:
        await one.die()
        await one.robot.stop()
        await one.api.stop()


async def eventually(fact, within_s=5.0):
    deadline_s = monotonic_s() + within_s
    while not (found := await fact() if asyncio.iscoroutinefunction(fact) else fact()):
        assert monotonic_s() < deadline_s, "it did not come true"
        await asyncio.sleep(0.02)
    return found


async def test_only_the_holder_asks_and_is_followed_within_ten_seconds(pool, fake):
    async with running("one", pool, fake) as first, running("two", pool, fake) as second:
        first.begin(first.holder.poll())
        fake.bot.act(Say(user=1001, text="/start"))
        await eventually(lambda: first.nudged == 1)
        (menu,) = fake.bot.menu.commands.values()
        assert menu[0]["command"] == "start"
        second.begin(second.holder.poll())
        fake.bot.act(Say(user=1001, text="/help"))
        await eventually(lambda: first.nudged == 2)
        await first.die()
        died_s = monotonic_s()
        fake.bot.act(Say(user=1001, text="/status"))
        await eventually(lambda: second.nudged == 1, within_s=10.0)
        assert monotonic_s() - died_s < 10.0
    assert await pool.fetchval("SELECT count(*) FROM alerts.updates") == 3
    assert await pool.fetchval("SELECT count(*) FROM alerts.outbox") == 3


async def test_who_ends_in_order_is_followed_at_once(pool, fake):
    async with running("one", pool, fake) as first, running("two", pool, fake) as second:
        first.begin(first.holder.poll())
        await eventually(lambda: fake.bot.menu.commands)
        second.begin(second.holder.poll())
        await first.die()
        await first.holder.stop()
        fake.bot.act(Say(user=1001, text="/start"))
        await eventually(lambda: second.nudged == 1, within_s=3.0)


async def test_another_poller_makes_us_step_down(pool, fake):
    async with running("one", pool, fake) as one, httpx.AsyncClient(trust_env=False) as other:
        one.begin(one.holder.poll())
        await eventually(lambda: fake.bot.menu.commands)
        await eventually(lambda: fake.bot.updates._poll is not None)
        await other.post(f"{fake.url}/bot{TOKEN}/getUpdates")
        await eventually(lambda: not one.lease.held(0) and one.holder._conflicts == 1)
        assert await pool.fetchval("SELECT until_ns FROM alerts.leases") == 0


async def test_an_update_waits_for_the_store_and_acts_once(pool, fake):
    async with running("one", pool, fake) as one:
        one.begin(one.holder.poll())
        await eventually(lambda: fake.bot.updates._poll is not None)
        await pool.execute("ALTER TABLE alerts.updates RENAME TO gone")
        fake.bot.act(Say(user=1001, text="/subscribe"))
        await asyncio.sleep(0.3)  # it is tried meanwhile
        assert one.nudged == 0
        await pool.execute("ALTER TABLE alerts.gone RENAME TO updates")
        await eventually(lambda: one.nudged == 1)
    assert await pool.fetchval("SELECT count(*) FROM alerts.announcements") == 1


async def test_an_update_that_nobody_can_read_does_not_come_back(pool, fake):
    async with running("one", pool, fake) as one:
        fake.bot.updates.add("message", {"message_id": "no date"})
        fake.bot.updates.add("callback_query", {"id": "7", "from": 5})
        one.begin(one.holder.poll())
        fake.bot.act(Say(user=1001, text="/start"))
        await eventually(lambda: one.nudged == 1)
        await eventually(lambda: fake.bot.updates.pending() == [])


async def test_two_processes_that_hear_the_same_act_once(pool, fake):
    async with running("one", pool, fake) as one, running("two", pool, fake) as two:
        for number in range(10):
            await asyncio.gather(
                *(each.robot.take(update(f"/mute BTC-USDT {number + 1}h", number)) for each in (one, two))
            )
    assert await pool.fetchval("SELECT count(*) FROM alerts.updates") == 10
    assert await pool.fetchval("SELECT count(*) FROM alerts.outbox") == 10


@pytest.fixture
async def one(pool, fake):
    async with running("one", pool, fake) as made:
        yield made


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_update_breaks_us(one, data):
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    )
    told = update(data.draw(st.text(max_size=30).map(lambda text: f"/mute {text}")), data.draw(st.integers(1, 2**40)))
    place = data.draw(st.sampled_from([(), ("chat",), ("from",)]))
    spot = told["message"]
    for key in place:
        spot = spot[key]
    spot[data.draw(st.sampled_from(sorted(spot)))] = data.draw(values)
    await one.robot.take(told)


async def test_floods_and_faults_of_telegram_are_outlasted(pool, fake):
    faults = [Fault(action=action, match=Pattern(method="getUpdates")) for action in (Action.ERROR, Action.BAD_GATEWAY)]
    fake.script.add([*faults, Fault(action=Action.FLOOD, retry_after=1, match=Pattern(method="getUpdates"))])
    async with running("one", pool, fake) as one:
        one.begin(one.holder.poll())
        fake.bot.act(Say(user=1001, text="/start"))
        await eventually(lambda: one.nudged == 1, within_s=8.0)
    assert fake.bot.floods.early == []


async def test_every_press_is_answered(pool, fake):
    async with running("one", pool, fake) as one, httpx.AsyncClient(trust_env=False) as other:
        sent = await other.post(f"{fake.url}/bot{TOKEN}/sendMessage", json={"chat_id": 1001, "text": "x"})
        message_id = sent.json()["result"]["message_id"]
        one.begin(one.holder.poll())
        for data in ("x", "A" * 64):
            fake.bot.act(Press(user=1001, message_id=message_id, data=data, forged=True))
        await eventually(lambda: len(fake.bot.answered) == 2)
    assert [(one.text, one.alert) for one in fake.bot.answered] == [
        ("This button is not ours", True),
        ("This button is not for you, or not of this chat", True),
    ]


@asynccontextmanager
async def listening(pool, fake):
    async with running("one", pool, fake) as one:
        webhook = Webhook(one.robot, "https://bot.example.com/hook", SECRET)
        await webhook.start("127.0.0.1", 0)
        try:
            async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{webhook.port}") as client:
                yield one, client
        finally:
            await webhook.stop()


def update(text="/subscribe", update_id=5):
    user = {"id": 1001, "is_bot": False, "first_name": "A"}
    chat = {"id": 1001, "type": "private"}
    message = {"message_id": 1, "date": 4_000_000_000, "chat": chat, "from": user, "text": text}
    return {"update_id": update_id, "message": message}


async def test_a_post_is_answered_after_its_commit(pool, fake):
    async with listening(pool, fake) as (one, client):
        answer = await client.post("/hook", json=update(), headers={HEADER: SECRET})
        assert answer.status_code == 200
        assert await pool.fetchval("SELECT count(*) FROM alerts.announcements") == 1
        again = await client.post("/hook", json=update(), headers={HEADER: SECRET})
        assert (again.status_code, one.nudged) == (200, 2)
        assert await pool.fetchval("SELECT count(*) FROM alerts.announcements") == 1


async def test_a_post_without_the_secret_changes_nothing(pool, fake):
    async with listening(pool, fake) as (one, client):
        for headers in (
            {},
            {HEADER: ""},
            {HEADER: SECRET[:-1]},
            {HEADER: SECRET + "x"},
            {HEADER: "ä".encode("latin-1")},
        ):
            assert (await client.post("/hook", json=update(), headers=headers)).status_code == 401
        assert one.nudged == 0
    assert await pool.fetchval("SELECT count(*) FROM alerts.updates") == 0


async def test_other_requests_are_refused(pool, fake):
    async with listening(pool, fake) as (_one, client):
        headers = {HEADER: SECRET}
        assert (await client.get("/hook", headers=headers)).status_code == 405
        assert (await client.post("/", json=update(), headers=headers)).status_code == 404
        assert (await client.post("/hook", content=b"{", headers=headers)).status_code == 400
        assert (await client.post("/hook", json=[1], headers=headers)).status_code == 400
        assert (await client.post("/hook", json={"message": {}}, headers=headers)).status_code == 400
        unreadable = {"update_id": 7, "message": {"text": 5}}
        assert (await client.post("/hook", json=unreadable, headers=headers)).status_code == 200  # not to come again

        async def pieces():
            yield b"{}"

        assert (await client.post("/hook", content=pieces(), headers=headers)).status_code == 411
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        head = f"POST /hook HTTP/1.1\r\n{HEADER}: {SECRET}\r\nContent-Length: {MOST_BYTES + 1}\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
        writer.close()


async def test_while_the_store_is_down_the_post_is_to_come_again(pool, fake):
    async with listening(pool, fake) as (_one, client):
        await pool.execute("ALTER TABLE alerts.updates RENAME TO gone")
        assert (await client.post("/hook", json=update(), headers={HEADER: SECRET})).status_code == 503
        await pool.execute("ALTER TABLE alerts.gone RENAME TO updates")
        assert (await client.post("/hook", json=update(), headers={HEADER: SECRET})).status_code == 200


async def test_telegram_posts_to_the_webhook_that_the_holder_sets(pool, fake):
    async with running("one", pool, fake) as one:
        webhook = Webhook(one.robot, "http://127.0.0.1/hook", SECRET)
        await webhook.start("127.0.0.1", 0)
        one.begin(one.holder.post(f"http://127.0.0.1:{webhook.port}/hook", SECRET))
        await eventually(lambda: fake.bot.menu.commands)
        fake.bot.act(Say(user=1001, text="/start"))
        await eventually(lambda: one.nudged == 1)
        await eventually(lambda: fake.bot.updates.pending() == [])
        await webhook.stop()
    assert await pool.fetchval("SELECT count(*) FROM alerts.outbox") == 1
