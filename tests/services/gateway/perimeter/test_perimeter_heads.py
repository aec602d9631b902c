"""Heads of requests and answers: ids, traces, other origins, and what stands on every answer."""

import asyncio
import re

import pytest

from services.gateway.perimeter.perimeter import Rules
from tests.services.gateway.perimeter.walled import client

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ({"X-Request-Id": "mine-1"}, "mine-1"),
        ({"X-Request-Id": "a b"}, None),
        ({"X-Request-Id": "x" * 65}, None),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id": "mine-1"}, "mine-1"),
        ({"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"}, None),
        ({"traceparent": f"00-{TRACE.upper()}-b7ad6b7169203331-01"}, None),
        ({"traceparent": f"00-{TRACE}-{'0' * 16}-01"}, None),
        ({"traceparent": "nonsense"}, None),
        ({}, None),
    ],
)
async def test_a_request_keeps_its_id_or_its_trace(sent, found):
    async with client() as one:
        answer = await one.get("/", headers=sent)
    request_id = answer.headers["x-request-id"]
    assert answer.json()["id"] == request_id
    if found is None:
        assert re.fullmatch(r"[0-9a-f]{16}", request_id)
    else:
        assert request_id == found
    traced = TRACE in sent.get("traceparent", "") and "0000000000000000-" not in sent["traceparent"]
    assert (answer.headers.get("traceparent", "").split("-")[1:2] == [TRACE]) == traced


LISTED = Rules(origins=frozenset({"https://desk.example:8443", "http://other.example"}))


async def test_a_listed_page_may_ask_and_read():
    async with client(LISTED) as one:
        answer = await one.post("/", headers={"Origin": "https://desk.example:8443"}, json={})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://desk.example:8443"
    assert "ETag" in answer.headers["access-control-expose-headers"]
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers


async def test_cookies_are_for_listed_pages_where_the_settings_say_so():
    async with client(Rules(origins=LISTED.origins, credentials=True)) as one:
        listed = await one.get("/", headers={"Origin": "http://other.example"})
        foreign = await one.get("/", headers={"Origin": "http://evil.example"})
    assert listed.headers["access-control-allow-credentials"] == "true"
    assert {name for name in foreign.headers if name.startswith("access-control")} == set()
    assert foreign.headers["vary"] == "Origin"


async def test_a_browser_that_asks_first_is_told_what_it_may():
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with client(LISTED) as one:
        answer = await one.options("/", headers={"Origin": "http://other.example", **ask})
        foreign = await one.options("/", headers={"Origin": "http://evil.example", **ask})
    assert answer.status_code == 204
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert (foreign.status_code, foreign.json()["code"]) == (403, "origin_not_allowed")
    assert "access-control-allow-methods" not in foreign.headers


async def test_any_page_may_read_where_the_settings_say_any():
    async with client(Rules(origins=frozenset({"*"}))) as one:
        answer = await one.get("/", headers={"Origin": "http://anybody.example"})
        alone = await one.get("/")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in alone.headers


async def test_every_answer_has_the_headers_of_the_perimeter():
    async with client(Rules(hosts=frozenset({"desk.example"}))) as one:
        for answer in (await one.get("/"), await one.get("/", headers={"Host": "evil.example"})):
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "strict-transport-security" not in answer.headers


async def test_an_application_that_does_not_begin_is_answered_for():
    async def hang(scope, receive, send):
        await asyncio.Event().wait()

    async with client(Rules(answer_s=0.05), app=hang) as one:
        answer = await one.get("/")
    assert (answer.status_code, answer.json()["code"]) == (503, "time_exceeded")


async def test_an_answer_that_has_begun_may_last():
    async def slow(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(4):
            await asyncio.sleep(0.03)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with client(Rules(answer_s=0.05), app=slow) as one:
        answer = await one.get("/")
    assert answer.content == b"xxxx"
