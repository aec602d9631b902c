"""The small port against httpx, and against clients that do not behave."""

import asyncio
import contextlib

import httpx
import pytest

from libs.common.runtime.door import Answer, Door, Request


async def echo(request: Request) -> Answer:
    if request.path == "/none":
        return Answer(204)
    body = await request.body(int(request.headers.get("content-length", "0")))
    return Answer(200, f"{request.method} {request.path} {request.headers.get('x-a')} ".encode() + body)


@pytest.fixture
async def door():
    made = Door(echo, at_once=2, read_within_s=0.2)
    await made.start("127.0.0.1", 0)
    yield made
    await made.stop()


@pytest.fixture
async def http(door):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{door.port}", trust_env=False) as client:
        yield client


async def test_a_request_is_read_and_answered(http):
    answer = await http.post("/in?x=1", content=b"hello", headers={"X-A": "b"})
    assert (answer.status_code, answer.text) == (200, "POST /in b hello")
    assert (answer.headers["content-length"], answer.headers["connection"]) == ("16", "close")
    head = await http.head("/in")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "14")


async def test_no_content_has_no_length(http):
    answer = await http.get("/none")
    assert answer.status_code == 204
    assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nhalf", b"x" * 70_000]
)
async def test_who_says_half_or_too_much_is_cut_off_and_others_are_served(door, http, said):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(said)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):  # reset, as what was said is not all read
            assert await reader.read() == b""
    writer.close()
    assert (await http.get("/none")).status_code == 204


async def test_a_flood_of_connections_is_refused_and_passes(door, http):
    held = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(2)]
    assert (await http.get("/none")).status_code == 503
    async with asyncio.timeout(5):
        for reader, writer in held:
            assert await reader.read() == b""  # they said nothing in time
            writer.close()
    assert (await http.get("/none")).status_code == 204
