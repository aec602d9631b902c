"""How the fake hands updates out, against the Bot API's getUpdates and webhook documentation; time is moved by hand."""

import asyncio
from typing import Any

import httpx
import pytest
from telegram import Bot

from deploy.local.children import free_port
from deploy.local.sandbox.telegram import FakeTelegram
from deploy.local.sandbox.telegram_clock import ManualClock
from deploy.local.sandbox.telegram_faults import Action, Fault, Pattern
from deploy.local.sandbox.telegram_http import Answer, Request, Server
from deploy.local.sandbox.telegram_people import Block, Say

TOKEN = "7000000001:sandbox"
SECRET = "X-Telegram-Bot-Api-Secret-Token"
POLL_CONFLICT = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def fake(clock):
    server = FakeTelegram(TOKEN, lambda _line: None, clock=clock)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def ask(fake):
    async with httpx.AsyncClient(base_url=f"{fake.url}/bot{TOKEN}", trust_env=False, timeout=20) as client:

        async def call(method: str, **arguments: Any) -> dict[str, Any]:
            answer: dict[str, Any] = (await client.post(f"/{method}", json=arguments)).json()
            return answer

        yield call


def say(fake: FakeTelegram, *texts: str) -> list[int]:
    return [fake.bot.act(Say(user=5, text=text)) or 0 for text in texts]


def texts(answer: dict[str, Any]) -> list[str]:
    return [update["message"]["text"] for update in answer["result"]]


async def until(fact: Any) -> None:
    async with asyncio.timeout(10):
        while not fact():  # noqa: ASYNC110  (facts of another task, without an event)
            await asyncio.sleep(0.005)


async def test_updates_come_again_until_a_higher_offset_confirms_them(fake, ask):
    first, second, third = say(fake, "a", "b", "c")
    assert (second, third) == (first + 1, first + 2)
    assert texts(await ask("getUpdates")) == ["a", "b", "c"]
    assert texts(await ask("getUpdates", offset=first)) == ["a", "b", "c"]
    assert texts(await ask("getUpdates", offset=second, limit=1)) == ["b"]
    assert texts(await ask("getUpdates", offset=0)) == ["b", "c"]  # an offset forgets what is before it
    assert texts(await ask("getUpdates", offset=third + 1)) == []
    assert texts(await ask("getUpdates")) == []


async def test_a_negative_offset_counts_from_the_end_and_forgets_the_rest(fake, ask):
    say(fake, "a", "b", "c")
    assert texts(await ask("getUpdates", offset=-2)) == ["b", "c"]
    assert texts(await ask("getUpdates")) == ["b", "c"]
    assert texts(await ask("getUpdates", offset=-9)) == ["b", "c"]


async def test_at_most_a_hundred_at_once(fake, ask):
    say(fake, *map(str, range(101)))
    assert len((await ask("getUpdates", limit=5000))["result"]) == 100
    assert len((await ask("getUpdates", limit=0))["result"]) == 1


async def test_they_are_kept_for_a_day(fake, ask, clock):
    say(fake, "old")
    clock.advance(12 * 3600)
    say(fake, "new")
    clock.advance(12 * 3600 + 1)
    assert texts(await ask("getUpdates")) == ["new"]


async def test_a_long_poll_ends_with_the_first_update_or_its_time(fake, ask, clock):
    poll = asyncio.create_task(ask("getUpdates", timeout=50))
    await until(lambda: fake.bot.updates._poll)
    say(fake, "a")
    assert texts(await poll) == ["a"]
    empty = asyncio.create_task(ask("getUpdates", timeout=500, offset=-1))
    assert texts(await empty) == ["a"]
    empty = asyncio.create_task(ask("getUpdates", timeout=500, offset=2**31 - 1))
    await until(lambda: fake.bot.updates._poll)
    clock.advance(49)
    await asyncio.sleep(0.05)
    assert not empty.done()
    clock.advance(1)  # 50 s is the most that is waited
    assert (await empty) == {"ok": True, "result": []}


async def test_of_two_pollers_the_earlier_is_told_to_stop(fake, ask):
    first = asyncio.create_task(ask("getUpdates", timeout=50))
    await until(lambda: fake.bot.updates._poll)
    second = asyncio.create_task(ask("getUpdates", timeout=50))
    assert await first == {"ok": False, "error_code": 409, "description": POLL_CONFLICT}
    await until(lambda: fake.bot.updates._poll)
    say(fake, "a")
    assert texts(await second) == ["a"]


async def test_only_the_kinds_asked_for_and_not_in_hindsight(fake, ask):
    say(fake, "before")
    assert texts(await ask("getUpdates", allowed_updates=["my_chat_member"])) == ["before"]
    assert fake.bot.act(Say(user=5, text="not wanted")) is None
    fake.bot.act(Block(user=6))
    kinds = [min(update) for update in (await ask("getUpdates"))["result"]]
    assert kinds == ["message", "my_chat_member"]  # the setting stays until it is changed
    await ask("getUpdates", allowed_updates=[])
    assert say(fake, "wanted") != [0]
    assert (await ask("getUpdates", allowed_updates="message"))["error_code"] == 400


@pytest.mark.parametrize("retry_after", [1, 35, 1386])
async def test_a_method_without_a_chat_can_be_flooded_too(fake, ask, clock, retry_after):
    fake.script.add([Fault(action=Action.FLOOD, retry_after=retry_after, match=Pattern(method="getUpdates"))])
    told = await ask("getUpdates")
    assert told["parameters"] == {"retry_after": retry_after}
    clock.advance(retry_after - 0.5)
    assert (await ask("getUpdates"))["parameters"] == {"retry_after": 1}
    assert (await ask("getMe"))["ok"]  # another method is another matter
    assert [(one.method, one.too_early_s) for one in fake.bot.floods.early] == [("getUpdates", 0.5)]
    clock.advance(0.5)
    assert (await ask("getUpdates"))["ok"]


@pytest.mark.parametrize("method", ["getUpdates", "setMyCommands", "answerCallbackQuery", "sendPhoto", "setWebhook"])
async def test_faults_meet_any_method(fake, method):
    fake.script.add(
        [Fault(action=action, match=Pattern(method=method)) for action in (Action.BAD_GATEWAY, Action.FLOOD)]
    )
    async with httpx.AsyncClient(base_url=f"{fake.url}/bot{TOKEN}", trust_env=False) as client:
        gateway = await client.post(f"/{method}")
        assert (gateway.status_code, gateway.headers["content-type"]) == (502, "text/html")
        overrun = (await client.post(f"/{method}")).json()
        assert overrun == {"ok": False, "error_code": 429, "description": "Too Many Requests"}


class Receiver:
    """A webhook of ours: what it was sent, and what it will answer next."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.answers: list[int] = []
        self.server = Server(self._take)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/hook"

    async def _take(self, request: Request) -> Answer:
        self.got.append(request)
        return Answer(self.answers.pop(0) if self.answers else 200, b"{}")


@pytest.fixture
async def receiver():
    made = Receiver()
    await made.server.start()
    yield made
    await made.server.stop()


async def test_a_webhook_gets_updates_in_order_and_again_until_it_says_200(fake, ask, clock, receiver):
    receiver.answers = [500, 302, 200]
    say(fake, "a")
    set_ = await ask("setWebhook", url=receiver.url, secret_token="s3-_x", max_connections=2)
    assert set_ == {"ok": True, "result": True}
    await until(lambda: len(receiver.got) == 1)
    say(fake, "b")
    await until(lambda: clock._sleepers)
    info = (await ask("getWebhookInfo"))["result"]
    assert info["last_error_message"] == "Wrong response from the webhook: 500 Internal Server Error"
    assert (info["url"], info["pending_update_count"], info["max_connections"]) == (receiver.url, 2, 2)
    clock.advance(1)
    await until(lambda: len(receiver.got) == 2)
    await until(lambda: clock._sleepers)
    clock.advance(2)
    await until(lambda: not fake.bot.updates.pending())
    bodies = [request.body for request in receiver.got]
    assert bodies[0] == bodies[1] == bodies[2]
    assert b'"text":"b"' in bodies[3]
    assert [request.headers[SECRET.lower()] for request in receiver.got] == ["s3-_x"] * 4
    assert receiver.got[0].kind == "application/json"


async def test_a_webhook_ends_a_poll_and_forbids_the_next(fake, ask, receiver):
    poll = asyncio.create_task(ask("getUpdates", timeout=50))
    await until(lambda: fake.bot.updates._poll)
    assert (await ask("setWebhook", url=receiver.url))["ok"]
    assert (await poll)["description"] == "Conflict: terminated by setWebhook request"
    refused = await ask("getUpdates")
    assert refused["error_code"] == 409
    assert refused["description"].startswith("Conflict: can't use getUpdates method while webhook is active")
    say(fake, "a")
    await until(lambda: receiver.got)
    assert SECRET.lower() not in receiver.got[0].headers  # none was asked for
    assert (await ask("deleteWebhook"))["result"] is True
    assert (await ask("getWebhookInfo"))["result"]["url"] == ""
    say(fake, "b")
    assert texts(await ask("getUpdates")) == ["b"]
    assert len(receiver.got) == 1


async def test_a_webhook_nobody_listens_at_loses_nothing(fake, ask, clock, receiver):
    await ask("setWebhook", url=f"http://127.0.0.1:{free_port()}/")
    say(fake, "a")
    await until(lambda: fake.bot.webhook._error)
    assert (await ask("getWebhookInfo"))["result"]["last_error_message"] == "Connection refused"
    await ask("setWebhook", url=receiver.url)
    await until(lambda: receiver.got)


async def test_pending_updates_can_be_dropped(fake, ask, receiver):
    say(fake, "a")
    await ask("setWebhook", url=receiver.url, drop_pending_updates=True)
    say(fake, "b")
    await until(lambda: receiver.got)
    assert b'"text":"b"' in receiver.got[0].body
    await ask("deleteWebhook")
    say(fake, "c")
    await ask("setWebhook", url="", drop_pending_updates=True)  # an empty address removes it as well
    assert texts(await ask("getUpdates")) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"url": "http://example.org/"}, "bad webhook: An HTTPS URL must be provided for webhook"),
        ({"url": "ftp://127.0.0.1/"}, "bad webhook: An HTTPS URL must be provided for webhook"),
        ({"url": "https://example.org:8000/"}, "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"),
        ({"url": "https://example.org:8443/"}, "bad webhook: Failed to resolve host: Name or service not known"),
        ({"url": "http://127.0.0.1:1/", "secret_token": "a b"}, "secret token contains unallowed characters"),
        ({"url": "http://127.0.0.1:1/", "secret_token": "a" * 257}, "secret token is too long"),
    ],
)
async def test_webhooks_that_are_refused(ask, arguments, reason):
    answer = await ask("setWebhook", **arguments)
    assert (answer["error_code"], answer["description"]) == (400, f"Bad Request: {reason}")
    assert (await ask("getUpdates"))["ok"]  # nothing was set


async def test_a_reset_forgets_updates_and_webhook(fake, ask, receiver):
    await ask("setWebhook", url=receiver.url)
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False) as client:
        assert (await client.post("/control/reset")).status_code == 200
    assert (await ask("getWebhookInfo"))["result"] == {
        "url": "",
        "has_custom_certificate": False,
        "pending_update_count": 0,
    }


async def test_the_library_reads_what_it_gets(fake):
    say(fake, "/start abc")
    async with Bot(TOKEN, base_url=f"{fake.url}/bot") as bot:
        (update,) = await bot.get_updates(timeout=0)
        assert update.message
        assert (update.message.text, update.message.chat.type) == ("/start abc", "private")
        assert update.message.parse_entities() == {update.message.entities[0]: "/start"}
        assert (await bot.get_webhook_info()).pending_update_count == 1
