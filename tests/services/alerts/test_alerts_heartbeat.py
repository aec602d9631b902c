"""A beat leaves only while the check says yes; nothing that goes wrong ends the beating."""

import asyncio

import httpx
import pytest
from prometheus_client import REGISTRY

from services.alerts.deadman.listener import Listener
from services.alerts.heartbeat import Heartbeat, Moving


def _counted(result: str) -> float:
    return REGISTRY.get_sample_value("csx_alerts_heartbeats_total", {"result": result}) or 0.0


async def _yes() -> bool:
    return True


async def _no() -> bool:
    return False


async def _broken() -> bool:
    raise ConnectionRefusedError("no store")


async def _stuck() -> bool:
    await asyncio.sleep(60)
    return True


@pytest.fixture
async def heard():
    beats: list[int] = []
    listener = Listener(lambda: beats.append(1))
    await listener.start("127.0.0.1", 0)
    yield beats, f"http://127.0.0.1:{listener.port}"
    await listener.stop()


@pytest.fixture
async def client():
    async with httpx.AsyncClient(trust_env=False) as made:
        yield made


async def test_a_beat_is_heard_and_counted(heard, client):
    beats, url = heard
    before = _counted("sent")
    assert await Heartbeat(f"{url}/beat", _yes).beat(client)
    assert beats == [1]
    assert _counted("sent") == before + 1


@pytest.mark.parametrize("alive", [_no, _broken, _stuck])
async def test_no_life_no_beat(heard, client, alive):
    beats, url = heard
    before = _counted("withheld")
    assert not await Heartbeat(f"{url}/beat", alive, within_s=0.1).beat(client)
    assert beats == []
    assert _counted("withheld") == before + 1


async def test_what_is_not_taken_is_counted_and_its_address_not_logged(heard, client, caplog):
    beats, url = heard
    before = _counted("failed")
    assert not await Heartbeat(f"{url}/elsewhere?key=secret", _yes).beat(client)
    await asyncio.sleep(0)
    assert not await Heartbeat("http://127.0.0.1:1/beat?key=secret", _yes).beat(client)
    assert beats == []
    assert _counted("failed") == before + 2
    assert "heartbeat: failed" in caplog.text
    assert "secret" not in "".join(one.getMessage() for one in caplog.records if one.name.startswith("services"))


async def test_the_service_lives_while_its_sender_looks_and_its_store_answers():
    rounds = [0]
    asked: list[str] = []
    broken: list[Exception] = []

    async def ask() -> None:
        asked.append("store")
        for one in broken:
            raise one

    alive = Moving(lambda: rounds[0], ask)
    assert not await alive()  # no round yet
    rounds[0] = 3
    assert await alive()
    assert not await alive()  # none since
    rounds[0] = 4
    broken.append(ConnectionRefusedError())
    with pytest.raises(ConnectionRefusedError):
        await alive()
    broken.clear()
    assert await alive()
    assert len(asked) == 5


async def test_it_goes_on_for_ever(heard):
    beats, url = heard
    answers = iter([True, False, True, True])

    async def sometimes() -> bool:
        try:
            return next(answers)
        except StopIteration:
            raise RuntimeError("over") from None

    before = _counted("withheld")
    task = asyncio.create_task(Heartbeat(f"{url}/beat", sometimes, every_s=0.01).run())
    async with asyncio.timeout(5):
        while _counted("withheld") < before + 3:  # noqa: ASYNC110  (a counter wakes nobody)
            await asyncio.sleep(0.01)
    assert len(beats) == 3
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    "request_bytes",
    [b"GET /beat HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"POST /beat", b"\xff" * 20_000],
)
async def test_only_a_beat_is_a_beat(heard, request_bytes):
    beats, url = heard
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    writer.write(request_bytes)
    writer.write_eof()
    try:
        answer = await reader.read()
    except ConnectionError:
        answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 404 ")
    assert beats == []
    writer.close()
