"""What users do to the fake, and what the bot hears of it; read with the real library."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from telegram import Bot, Update

from deploy.local.sandbox.telegram import FakeTelegram
from deploy.local.sandbox.telegram_clock import ManualClock, WallClock
from deploy.local.sandbox.telegram_people import (
    Add,
    Block,
    Deactivate,
    Kick,
    Migrate,
    Press,
    Say,
    Stranger,
    Unblock,
)

TOKEN = "7000000001:sandbox"
KEYS = {"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}


@pytest.fixture
async def fake():
    server = FakeTelegram(TOKEN, lambda _line: None, clock=ManualClock())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def api(fake):
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False) as client:
        yield client


async def heard(fake: FakeTelegram) -> list[Update]:
    """Everything the bot has not confirmed, as python-telegram-bot reads it."""
    async with Bot(TOKEN, base_url=f"{fake.url}/bot") as bot:
        return list(await bot.get_updates(timeout=0))


async def send(api: httpx.AsyncClient, chat: int, **more: Any) -> Any:
    return (await api.post(f"/bot{TOKEN}/sendMessage", json={"chat_id": chat, "text": "x", **more})).json()


async def test_a_user_writes_edits_and_forwards(fake):
    fake.bot.act(Say(user=5, text="/mute BTC 4h"))
    fake.bot.act(Say(user=5, text="/mute ETH 4h", edits=1))
    fake.bot.act(Say(user=5, text="hello", forwarded=True))
    first, edited, forwarded = await heard(fake)
    assert first.message
    assert first.effective_user
    assert (first.effective_user.id, first.message.chat_id, first.message.text) == (5, 5, "/mute BTC 4h")
    assert edited.message is None
    assert edited.edited_message
    assert edited.edited_message.message_id == first.message.message_id
    assert forwarded.message
    assert forwarded.message.forward_origin


async def test_of_groups_the_bot_hears_its_commands_only(fake):
    words = ["good morning", "/status", "/status@csx_sandbox_bot now", "/status@other_bot", "not /a command"]
    told = [fake.bot.act(Say(user=5, chat=-77, text=text)) is not None for text in words]
    assert told == [False, True, True, False, False]
    fake.bot.act(Say(user=5, chat=-10077, text="/panic", anonymous=True))
    *_, anonymous = await heard(fake)
    assert anonymous.message
    assert anonymous.message.sender_chat
    assert (anonymous.message.sender_chat.id, anonymous.message.chat.type) == (-10077, "supergroup")
    assert anonymous.message.from_user
    assert anonymous.message.from_user.id != 5


async def test_buttons_that_exist_are_pressed_and_others_only_by_forgers(fake, api):
    await send(api, 5, reply_markup=KEYS)
    fake.bot.act(Press(user=5, message_id=1, data="go"))
    with pytest.raises(ValueError, match="no button"):
        fake.bot.act(Press(user=5, message_id=1, data="stop"))
    with pytest.raises(ValueError, match="no message"):
        fake.bot.act(Press(user=6, message_id=1, data="go"))  # not in their chat
    fake.bot.act(Press(user=5, message_id=1, data="stop", forged=True))
    pressed, forged = [update.callback_query for update in await heard(fake)]
    assert pressed
    assert forged
    assert (pressed.data, pressed.from_user.id, forged.data) == ("go", 5, "stop")
    assert pressed.message
    assert pressed.message.message_id == 1
    assert pressed.id != forged.id


async def test_blocking_is_told_once_and_felt(fake, api):
    for act in (Block(user=5), Block(user=5), Unblock(user=5), Unblock(user=5)):
        fake.bot.act(act)
    changes = [update.my_chat_member for update in await heard(fake)]
    assert [change and (change.old_chat_member.status, change.new_chat_member.status) for change in changes] == [
        ("member", "kicked"),
        ("kicked", "member"),
    ]
    assert (await send(api, 5))["ok"]
    fake.bot.act(Block(user=5))
    assert (await send(api, 5))["description"] == "Forbidden: bot was blocked by the user"
    edit = await api.post(f"/bot{TOKEN}/editMessageText", json={"chat_id": 5, "message_id": 1, "text": "y"})
    assert edit.json()["error_code"] == 403
    with pytest.raises(ValueError, match="nobody can write"):
        fake.bot.act(Say(user=5, text="x"))


async def test_groups_remove_add_and_move(fake, api):
    fake.bot.act(Kick(user=5, chat=-77))
    assert (await send(api, -77))["description"] == "Forbidden: bot was kicked from the group chat"
    fake.bot.act(Add(user=5, chat=-77))
    assert (await send(api, -77))["ok"]
    fake.bot.act(Migrate(user=5, chat=-77, to=-10077))
    refused = await send(api, -77)
    assert (refused["error_code"], refused["parameters"]) == (400, {"migrate_to_chat_id": -10077})
    assert (await send(api, -10077))["ok"]
    moved = [update.message for update in await heard(fake)][-2:]
    assert [message and (message.migrate_to_chat_id, message.migrate_from_chat_id) for message in moved] == [
        (-10077, None),
        (None, -77),
    ]


async def test_strangers_and_the_dead_are_not_told_of(fake, api):
    assert fake.bot.act(Stranger(user=5)) is None
    assert fake.bot.act(Deactivate(user=6)) is None
    assert (await send(api, 5))["description"] == "Forbidden: bot can't initiate conversation with a user"
    assert (await send(api, 6))["description"] == "Forbidden: user is deactivated"
    fake.bot.act(Say(user=5, text="/start"))
    assert (await send(api, 5))["ok"]


async def test_a_test_in_another_process_uses_http(api):
    acts: list[dict[str, Any]] = [{"act": "say", "user": 5, "text": "/start"}, {"act": "block", "user": 5}]
    answer = await api.post("/control/acts", json=acts)
    first, second = answer.json()
    assert second == first + 1
    assert [update["update_id"] for update in (await api.get("/control/updates")).json()] == [first, second]
    assert (await api.get("/control/answers")).json() == []
    for bad in ([{"act": "fly", "user": 5}], [{"act": "say", "user": 5}], [{"act": "say", "user": 5, "text": "x"}]):
        assert (await api.post("/control/acts", json=bad)).status_code == 400  # the last: who blocked cannot write


async def test_time_may_run_faster():
    clock = WallClock(speed=50)
    began, fake_began, wall_ns = time.monotonic(), clock.monotonic_s(), clock.now_ns()
    await clock.sleep(5)
    assert time.monotonic() - began < 2
    assert clock.monotonic_s() - fake_began >= 5
    assert clock.now_ns() - wall_ns >= 5_000_000_000


async def test_time_may_stand_still():
    clock = ManualClock()
    sleep = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)
    clock.advance(9.9)
    await asyncio.sleep(0)
    assert not sleep.done()
    clock.advance(0.1)
    await asyncio.wait_for(sleep, 5)
    assert clock.monotonic_s() == clock.now_ns() / 1e9
