"""The fake over HTTP, as any client would use it."""

import asyncio
import json
import signal
import sys
from typing import Any

import httpx
import pytest

from deploy.local.children import free_port
from deploy.local.sandbox.telegram import FakeTelegram

TOKEN = "7000000001:sandbox"


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
async def fake(lines):
    server = FakeTelegram(TOKEN, lines.append, chats=frozenset({1001, 1002, -100123}))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def api(fake):
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False, timeout=5) as client:
        yield client


def path(method: str, token: str = TOKEN) -> str:
    return f"/bot{token}/{method}"


async def send(api: httpx.AsyncClient, **arguments: str) -> dict[str, Any]:
    answer = await api.post(path("sendMessage"), data={"chat_id": "1001", **arguments})
    assert answer.headers["content-type"] == "application/json"
    assert answer.status_code == answer.json().get("error_code", 200)
    result: dict[str, Any] = answer.json()
    return result


async def test_a_message_is_accepted_and_told(lines, api):
    answer = await send(api, text="SIMULATED <b>BUY</b>\nBTC", parse_mode="HTML")
    assert answer["ok"] is True
    result = answer["result"]
    assert result["message_id"] == 1
    assert result["chat"] == {"id": 1001, "type": "private"}
    assert result["text"] == "SIMULATED BUY\nBTC"
    assert result["entities"] == [{"type": "bold", "offset": 10, "length": 3}]
    assert lines == ['telegram: chat 1001 <- "SIMULATED BUY BTC"']
    (kept,) = (await api.get("/control/messages")).json()
    assert (kept["chat_id"], kept["text"], kept["message_id"]) == (1001, "SIMULATED BUY\nBTC", 1)


async def test_json_and_query_arguments_are_read_too(api):
    answer = await api.post(path("sendMessage"), json={"chat_id": 1001, "text": "a", "disable_notification": True})
    assert answer.json()["ok"]
    assert (await api.get(path("SENDmessage"), params={"chat_id": "-100123", "text": "b"})).json()["result"][
        "chat"
    ] == {
        "id": -100123,
        "type": "supergroup",
    }
    assert [message["silent"] for message in (await api.get("/control/messages")).json()] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "description"),
    [
        ({"text": "<b>x", "parse_mode": "HTML"}, "Bad Request: can't parse entities: Can't find end tag"),
        ({"text": ""}, "Bad Request: message text is empty"),
        ({"text": " \n "}, "Bad Request: message text is empty"),
        ({"text": "<b></b>", "parse_mode": "HTML"}, "Bad Request: message text is empty"),
        ({"text": "x" * 4097}, "Bad Request: message is too long"),
        ({"text": "😀" * 2049}, "Bad Request: message is too long"),
        ({"text": "x", "parse_mode": "Wiki"}, "Bad Request: unsupported parse_mode"),
        ({"text": "x", "chat_id": ""}, "Bad Request: chat_id is empty"),
        ({"text": "x", "chat_id": "5"}, "Bad Request: chat not found"),
        ({"text": "x", "chat_id": "@nobody"}, "Bad Request: chat not found"),
    ],
)
async def test_bad_requests_are_refused_and_kept_nowhere(api, arguments, description):
    answer = await send(api, **arguments)
    assert answer["ok"] is False
    assert answer["error_code"] == 400
    assert answer["description"].startswith(description)
    assert (await api.get("/control/messages")).json() == []


async def test_the_limit_counts_after_parsing(api):
    assert (await send(api, text="<b>" + "x" * 4096 + "</b>", parse_mode="HTML"))["ok"]
    assert (await send(api, text="&amp;" * 4096, parse_mode="HTML"))["ok"]


@pytest.mark.parametrize(
    ("url", "code", "description"),
    [
        (path("sendMessage", "7000000001:wrong"), 401, "Unauthorized"),
        (path("sendMessage", "nonsense"), 404, "Not Found"),
        (path("sendRocket"), 404, "Not Found"),
        ("/", 404, "Not Found"),
    ],
)
async def test_wrong_tokens_and_methods(api, url, code, description):
    answer = await api.post(url, data={"chat_id": "1001", "text": "x"})
    assert (answer.status_code, answer.json()["description"]) == (code, description)


async def test_other_bodies_are_refused(api):
    answer = await api.post(path("sendMessage"), content=b"\xff", headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert (await api.put(path("sendMessage"))).status_code == 405
    assert (await api.post("/control/faults", content=b"{}")).status_code == 400
    assert (await api.get("/control/nothing")).status_code == 404
    assert (await api.post(path("getMe"), content=b"x" * (1024 * 1024 + 1))).status_code == 413


async def test_get_me(api):
    assert (await api.get(path("getMe"))).json()["result"]["is_bot"] is True


async def test_edits_and_deletions(api):
    await send(api, text="one")
    edit = {"chat_id": "1001", "message_id": "1", "text": "two"}
    assert (await api.post(path("editMessageText"), data=edit)).json()["result"]["text"] == "two"
    again = (await api.post(path("editMessageText"), data=edit)).json()
    assert again["error_code"] == 400
    assert again["description"].startswith("Bad Request: message is not modified")
    missing = (await api.post(path("editMessageText"), data={**edit, "message_id": "9"})).json()
    assert missing["description"] == "Bad Request: message to edit not found"
    foreign = (await api.post(path("editMessageText"), data={**edit, "chat_id": "1002"})).json()
    assert foreign["description"] == "Bad Request: message to edit not found"
    nameless = (await api.post(path("editMessageText"), data={**edit, "message_id": ""})).json()
    assert nameless["description"] == "Bad Request: message identifier is not specified"
    gone = {"chat_id": "1001", "message_id": "1"}
    assert (await api.post(path("deleteMessage"), data=gone)).json()["result"] is True
    assert (await api.post(path("deleteMessage"), data=gone)).json()["description"].endswith("to delete not found")


async def test_too_fast_is_429_with_the_seconds_to_wait(api):
    answers = [await send(api, text=str(number)) for number in range(4)]
    assert [answer["ok"] for answer in answers] == [True, True, True, False]
    assert answers[3]["error_code"] == 429
    assert answers[3]["description"] == "Too Many Requests: retry after 1"
    assert answers[3]["parameters"] == {"retry_after": 1}
    assert (await send(api, text="too early"))["error_code"] == 429
    (early,) = (await api.get("/control/early")).json()
    assert 0 < early["too_early_s"] <= 1


async def script(api: httpx.AsyncClient, *faults: dict[str, Any]) -> None:
    answer = await api.post("/control/faults", content=json.dumps(faults))
    assert answer.status_code == 200, answer.text


async def test_scripted_answers_come_once_each_where_they_fit(api):
    await script(
        api,
        {"action": "429", "retry_after": 35, "match": {"chat_id": "1002"}},
        {"action": "500", "match": {"contains": "BTC"}, "times": 2},
        {"action": "429", "match": {"method": "sendMessage"}},
    )
    assert (await send(api, text="BTC"))["error_code"] == 500
    assert (await send(api, text="BTC"))["error_code"] == 500
    overrun = await send(api, text="BTC")
    assert overrun["error_code"] == 429
    assert "parameters" not in overrun
    assert (await send(api, text="BTC"))["ok"]
    assert (await send(api, text="x", chat_id="1002"))["parameters"] == {"retry_after": 35}
    assert (await send(api, text="x", chat_id="1002"))["parameters"] == {"retry_after": 35}  # the ban holds


async def test_other_scripted_answers(api):
    await script(
        api,
        {"action": "502"},
        {"action": "403"},
        {"action": "400", "description": "Bad Request: odd"},
        {"action": "migrate", "migrate_to": -100123},
    )
    gateway = await api.post(path("sendMessage"), data={"chat_id": "1001", "text": "x"})
    assert (gateway.status_code, gateway.headers["content-type"]) == (502, "text/html")
    assert (await send(api, text="x"))["description"] == "Forbidden: bot was blocked by the user"
    assert (await send(api, text="x"))["description"] == "Bad Request: odd"
    assert (await send(api, text="x"))["parameters"] == {"migrate_to_chat_id": -100123}


@pytest.mark.parametrize(("action", "kept"), [("reset_before", 0), ("reset_after", 1), ("hang", 0), ("hang_after", 1)])
async def test_answers_that_never_come(api, action, kept):
    await script(api, {"action": action})
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout)):
        await api.post(path("sendMessage"), data={"chat_id": "1001", "text": "x"}, timeout=0.5)
    assert len((await api.get("/control/messages")).json()) == kept
    assert (await api.post("/control/reset")).status_code == 200
    assert (await api.get("/control/messages")).json() == []


async def test_no_http_is_answered_with_400(fake):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(fake.url.rpartition(":")[2]))
    writer.write(b"nonsense\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_the_command_serves_until_told_to_stop(tmp_path):
    port, log = free_port(), tmp_path / "telegram.log"
    command = ["-m", "deploy.local.sandbox.telegram", "--port", str(port), "--token", TOKEN, "--log-file", str(log)]
    child = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=asyncio.subprocess.PIPE)
    assert child.stderr
    said = await asyncio.wait_for(child.stderr.readline(), 20)
    assert f"http://127.0.0.1:{port}".encode() in said
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as api:
        assert (await send(api, text="hello " * 40))["ok"]
    second = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=asyncio.subprocess.PIPE)
    assert b"cannot be used" in (await asyncio.wait_for(second.communicate(), 20))[1]
    assert second.returncode == 5
    child.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(child.wait(), 20) == 0
    assert 'chat 1001 <- "hello hello' in log.read_text(encoding="utf-8")
