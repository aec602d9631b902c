"""What the fake refuses of keyboards, files, menus and answers: values from core.telegram.org/bots/api."""

import json
import struct
import zlib
from typing import Any

import httpx
import pytest
from telegram import Bot, BotCommand, BotCommandScopeChat
from telegram.constants import CallbackQueryLimit, InlineKeyboardButtonLimit, MessageLimit

from deploy.local.sandbox.telegram import FakeTelegram
from deploy.local.sandbox.telegram_bot import MOST_ANSWER, QUERY_S
from deploy.local.sandbox.telegram_clock import ManualClock
from deploy.local.sandbox.telegram_keyboard import MOST_DATA_BYTES
from deploy.local.sandbox.telegram_messages import MOST_CAPTION_UNITS, MOST_UNITS
from deploy.local.sandbox.telegram_people import Press

TOKEN = "7000000001:sandbox"


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
async def api(fake):
    async with httpx.AsyncClient(base_url=f"{fake.url}/bot{TOKEN}", trust_env=False, timeout=20) as client:
        yield client


async def call(api: httpx.AsyncClient, method: str, files: Any = None, **arguments: Any) -> dict[str, Any]:
    flat = {key: value if isinstance(value, str) else json.dumps(value) for key, value in arguments.items()}
    answer: dict[str, Any] = (await api.post(f"/{method}", data=flat, files=files)).json()
    return answer


def keyboard(*buttons: Any) -> dict[str, Any]:
    return {"inline_keyboard": [list(buttons)]}


def button(data: str = "x", text: str = "Chart") -> dict[str, str]:
    return {"text": text, "callback_data": data}


def png(width: int = 4, height: int = 3) -> bytes:
    rows = zlib.compress((b"\x00" + b"\x00" * width) * height)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(inside)) + name + inside + struct.pack(">I", zlib.crc32(name + inside))
        for name, inside in chunks
    )


def test_the_limits_are_those_the_library_knows():
    known = (
        MessageLimit.MAX_TEXT_LENGTH,
        MessageLimit.CAPTION_LENGTH,
        InlineKeyboardButtonLimit.MAX_CALLBACK_DATA,
        CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH,
    )
    assert [int(one) for one in known] == [MOST_UNITS, MOST_CAPTION_UNITS, MOST_DATA_BYTES, MOST_ANSWER]


@pytest.mark.parametrize(
    "markup",
    [
        keyboard(button("a" * 64)),
        keyboard(button("ä" * 32)),
        keyboard({"text": "open", "url": "https://host/signals/1"}),
        {"inline_keyboard": [[button()] * 8] * 12},
        {"remove_keyboard": True},
        "",
    ],
)
async def test_keyboards_that_are_taken(api, markup):
    answer = await call(api, "sendMessage", chat_id=1, text="x", reply_markup=markup)
    assert answer["ok"], answer
    shown = answer["result"].get("reply_markup")
    assert shown == (markup if "inline_keyboard" in markup else None)


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        (keyboard(button("")), "BUTTON_DATA_INVALID"),
        (keyboard(button("a" * 65)), "BUTTON_DATA_INVALID"),
        (keyboard(button("ä" * 33)), "BUTTON_DATA_INVALID"),
        (keyboard({"text": "x", "callback_data": 5}), "BUTTON_DATA_INVALID"),
        (keyboard({"text": "x", "url": "javascript:1"}), "BUTTON_URL_INVALID"),
        (keyboard({"text": "x"}), "can't parse inline keyboard button: Text buttons are unallowed"),
        (keyboard({"text": "x", "url": "https://h", "callback_data": "x"}), "can't parse inline keyboard button"),
        (keyboard(button(text=" ")), "can't parse inline keyboard button"),
        (keyboard("x"), "can't parse inline keyboard button"),
        ({"inline_keyboard": [button()]}, 'field "inline_keyboard"'),
        ({"inline_keyboard": [[button()] * 101]}, "REPLY_MARKUP_TOO_LONG"),
        ([], "object expected as reply markup"),
        ("{", "can't parse reply keyboard markup JSON object"),
    ],
)
async def test_keyboards_that_are_refused(fake, api, markup, reason):
    answer = await call(api, "sendMessage", chat_id=1, text="x", reply_markup=markup)
    assert answer["error_code"] == 400
    assert answer["description"].startswith(f"Bad Request: {reason}")
    assert fake.bot.accepted == []


async def test_an_edit_replaces_the_keyboard_or_takes_it_away(api):
    await call(api, "sendMessage", chat_id=1, text="x", reply_markup=keyboard(button()))
    same = await call(api, "editMessageText", chat_id=1, message_id=1, text="x", reply_markup=keyboard(button()))
    assert same["description"].startswith("Bad Request: message is not modified")
    changed = await call(api, "editMessageText", chat_id=1, message_id=1, text="x")
    assert "reply_markup" not in changed["result"]
    marked = keyboard(button("y"))
    assert (await call(api, "editMessageReplyMarkup", chat_id=1, message_id=1, reply_markup=marked))["ok"]
    again = await call(api, "editMessageReplyMarkup", chat_id=1, message_id=1, reply_markup=marked)
    assert again["description"].startswith("Bad Request: message is not modified")


async def test_texts_are_trimmed_and_their_entities_with_them(api):
    answer = await call(api, "sendMessage", chat_id=1, text=" \n<b> a</b> b <i> </i>\n", parse_mode="HTML")
    assert answer["result"]["text"] == "a b"
    assert answer["result"]["entities"] == [{"type": "bold", "offset": 0, "length": 1}]


async def test_a_photo_comes_with_its_sizes(fake, api):
    files = {"photo": ("c.png", png(40, 30), "image/png")}
    answer = await call(api, "sendPhoto", files, chat_id=1, caption="<b>x</b>", parse_mode="HTML")
    result = answer["result"]
    assert (result["caption"], result["caption_entities"][0]["type"], "text" in result) == ("x", "bold", False)
    (size,) = result["photo"]
    assert (size["width"], size["height"], size["file_size"]) == (40, 30, len(png(40, 30)))
    attached = await call(api, "sendPhoto", {"up": ("c.png", png(), "image/png")}, chat_id=1, photo="attach://up")
    assert attached["ok"]
    text = await call(api, "editMessageText", chat_id=1, message_id=1, text="y")
    assert text["description"] == "Bad Request: there is no text in the message to edit"
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False) as control:
        assert (await control.get(f"/control/files/{size['file_id']}")).content == png(40, 30)


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        (b"", 400, "Bad Request: file must be non-empty"),
        (b"GIF89a", 400, "Bad Request: IMAGE_PROCESS_FAILED"),
        (png()[:-5], 400, "Bad Request: IMAGE_PROCESS_FAILED"),
        (png()[:-20] + b"x" + png()[-19:], 400, "Bad Request: IMAGE_PROCESS_FAILED"),
        (png(9999, 2), 400, "Bad Request: PHOTO_INVALID_DIMENSIONS"),
        (png(21, 1), 400, "Bad Request: PHOTO_INVALID_DIMENSIONS"),
        (png() + b"\x00" * 10 * 1024 * 1024, 413, "Request Entity Too Large"),
    ],
)
async def test_photos_that_are_refused(fake, api, content, code, reason):
    answer = await call(api, "sendPhoto", {"photo": ("c.png", content, "image/png")}, chat_id=1)
    assert (answer["error_code"], answer["description"]) == (code, reason)
    assert fake.bot.accepted == []


async def test_photos_at_the_edge_are_taken(api):
    for size in ((20, 1), (9000, 1000)):
        assert (await call(api, "sendPhoto", {"photo": ("c.png", png(*size), "image/png")}, chat_id=1))["ok"]


async def test_captions_and_missing_files(api):
    files = {"photo": ("c.png", png(), "image/png")}
    assert (await call(api, "sendPhoto", files, chat_id=1, caption="😀" * 512))["ok"]
    long = await call(api, "sendPhoto", files, chat_id=1, caption="😀" * 513)
    assert long["description"] == "Bad Request: message caption is too long"
    none = await call(api, "sendPhoto", chat_id=1)
    assert none["description"] == "Bad Request: there is no photo in the request"
    astray = await call(api, "sendPhoto", {"up": ("c", png(), "image/png")}, chat_id=1, photo="attach://other")
    assert astray["description"] == "Bad Request: there is no photo in the request"


async def test_a_document_may_be_anything(fake, api):
    raw = b'{"signal_id": "x"}\r\n--not-the-boundary\r\n'
    answer = await call(api, "sendDocument", {"document": ("raw.json", raw, "application/json")}, chat_id=1)
    document = answer["result"]["document"]
    assert (document["file_name"], document["mime_type"]) == ("raw.json", "application/json")
    assert fake.bot.files[document["file_id"]] == raw
    assert fake.bot.accepted[0].document.size == len(raw)


OPEN = b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx'


@pytest.mark.parametrize("body", [b"--b\r\n\r\nx\r\n--b--\r\n", b"no boundary", OPEN])
async def test_broken_multipart_is_refused(api, body):
    answer = await api.post("/sendPhoto", content=body, headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.json()["description"] == "Bad Request: can't parse the request"


async def test_pictures_count_as_messages(api):
    files = {"photo": ("c.png", png(), "image/png")}
    answers = [await call(api, "sendPhoto", files, chat_id=1) for _ in range(4)]
    assert [answer["ok"] for answer in answers] == [True, True, True, False]
    assert answers[3]["parameters"] == {"retry_after": 1}


async def press(fake: FakeTelegram, api: httpx.AsyncClient) -> str:
    await call(api, "sendMessage", chat_id=5, text="x", reply_markup=keyboard(button("go")))
    fake.bot.act(Press(user=5, message_id=len(fake.bot.accepted), data="go"))
    return str(fake.bot.updates.pending()[-1]["callback_query"]["id"])


async def test_a_query_is_answered_once_and_in_time(fake, api, clock):
    old = "Bad Request: query is too old and response timeout expired or query ID is invalid"
    query = await press(fake, api)
    assert (await call(api, "answerCallbackQuery", callback_query_id="1"))["description"] == old
    long = await call(api, "answerCallbackQuery", callback_query_id=query, text="x" * 201)
    assert long["description"] == "Bad Request: MESSAGE_TOO_LONG"
    assert (await call(api, "answerCallbackQuery", callback_query_id=query, text="x" * 200, show_alert=True))["result"]
    assert (await call(api, "answerCallbackQuery", callback_query_id=query))["description"] == old
    (answered,) = fake.bot.answered
    assert (answered.query_id, answered.text, answered.alert) == (query, "x" * 200, True)
    late = await press(fake, api)
    clock.advance(QUERY_S + 1)
    assert (await call(api, "answerCallbackQuery", callback_query_id=late))["description"] == old


def command(name: str = "status", description: str = "How we are") -> dict[str, str]:
    return {"command": name, "description": description}


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        ([command("Status")], "BOT_COMMAND_INVALID"),
        ([command("/status")], "BOT_COMMAND_INVALID"),
        ([command("a" * 33)], "BOT_COMMAND_INVALID"),
        ([command("")], "BOT_COMMAND_INVALID"),
        ([command(description=" ")], "BOT_COMMAND_DESCRIPTION_INVALID"),
        ([command(description="x" * 257)], "BOT_COMMAND_DESCRIPTION_INVALID"),
        ([command()] * 101, "BOT_COMMANDS_TOO_MUCH"),
        ([{"command": "x"}], "can't parse BotCommand"),
        ({}, "expected an Array of BotCommand"),
        ("[", "can't parse commands JSON object"),
        ("", "expected an Array of BotCommand"),
    ],
)
async def test_menus_that_are_refused(fake, api, commands, reason):
    answer = await call(api, "setMyCommands", commands=commands)
    assert answer["error_code"] == 400
    assert answer["description"].startswith(f"Bad Request: {reason}")
    assert fake.bot.menu.commands == {}


@pytest.mark.parametrize("more", [{"scope": {"type": "moon"}}, {"scope": {"type": "chat"}}, {"language_code": "eng"}])
async def test_scopes_that_are_refused(api, more):
    assert (await call(api, "setMyCommands", commands=[command()], **more))["error_code"] == 400


async def test_menus_are_kept_by_scope_and_language(fake):
    async with Bot(TOKEN, base_url=f"{fake.url}/bot") as bot:
        await bot.set_my_commands([BotCommand("a" * 32, "x" * 256)] * 100)
        await bot.set_my_commands([("panic", "Stop all")], scope=BotCommandScopeChat(5), language_code="de")
        assert len(await bot.get_my_commands()) == 100
        (only,) = await bot.get_my_commands(scope=BotCommandScopeChat(5), language_code="de")
        assert only.command == "panic"
        await bot.delete_my_commands()
        assert await bot.get_my_commands() == ()
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False) as control:
        shown = (await control.get("/control/commands")).json()
    assert shown == [
        {"scope": {"chat_id": 5, "type": "chat"}, "language_code": "de", "commands": [command("panic", "Stop all")]}
    ]
