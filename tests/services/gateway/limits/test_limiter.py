"""The limiter over a real server: one call for all that wait; never open when it stops, hangs or forgets."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from deploy.local.children import free_port
from deploy.local.valkey import EmbeddedValkey
from services.gateway.limits.limiter import RedisLimiter
from services.gateway.limits.policy import Bucket

DAY = 86_400


@pytest.fixture
async def limiter(fresh_redis_url: str) -> AsyncIterator[RedisLimiter]:
    limiter = RedisLimiter.at(fresh_redis_url, answer_s=20.0)  # a busy machine is slow, not away
    yield limiter
    await limiter.stop()


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="csx-test-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def until_together(limiter: RedisLimiter) -> None:
    async with asyncio.timeout(20):
        while limiter.degraded:  # noqa: ASYNC110  (a task of the limiter's ends it)
            await asyncio.sleep(0.01)


async def test_a_thousand_at_once_take_sixteen_calls(limiter):
    before = counted("csx_gateway_limit_calls_total")
    found = await asyncio.gather(*(limiter.take((Bucket("day", "k", 400, DAY),)) for _ in range(1_000)))
    assert counted("csx_gateway_limit_calls_total") - before == 16  # ceil(1000 / 64)
    assert [one.admitted for one in found] == [True] * 400 + [False] * 600
    assert [one.remaining for one in found[:400]] == [(n,) for n in range(399, -1, -1)]
    assert not any(one.degraded for one in found)
    assert {one.retry_after_s for one in found[400:]} == {216}  # a unit comes back each 86,400 / 400 s


async def test_a_script_that_the_server_forgot_is_sent_again(limiter):
    bucket = Bucket("day", "k", 10, DAY)
    assert (await limiter.take((bucket,))).remaining == (9,)
    await limiter._redis.script_flush()
    found = await limiter.take((bucket,))
    assert (found.remaining, found.degraded) == ((8,), False)


async def test_nothing_to_take_passes_without_a_question(limiter):
    before = counted("csx_gateway_limit_calls_total")
    assert (await limiter.take(())).admitted
    assert counted("csx_gateway_limit_calls_total") == before


async def test_who_gave_up_waiting_takes_nothing_and_harms_nobody(limiter):
    bucket = Bucket("day", "k", 10, DAY)
    waiting = [asyncio.create_task(limiter.take((bucket,))) for _ in range(5)]
    await asyncio.sleep(0)
    for task in waiting[:3]:
        task.cancel()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in found] == [True] * 3 + [False] * 2
    assert [one.remaining for one in found if not isinstance(one, BaseException)] == [(9,), (8,)]


async def test_a_server_that_is_not_there_leaves_the_limits_to_the_process():
    limiter = RedisLimiter.at(f"redis://127.0.0.1:{free_port()}/0", replicas=2)
    faults = counted("csx_gateway_limit_faults_total")
    found = await asyncio.gather(*(limiter.take((Bucket("day", "k", 1_000, DAY),)) for _ in range(2_000)))
    assert sum(one.admitted for one in found) == 500
    assert all(one.degraded for one in found)
    assert limiter.degraded
    assert counted("csx_gateway_limit_degraded") == 1
    assert counted("csx_gateway_limit_faults_total") > faults
    await limiter.stop()


async def test_a_server_that_stops_and_comes_back(folder):
    port, server = free_port(), EmbeddedValkey()
    limiter = RedisLimiter.at(server.start(folder, port))
    limiter._again_s = 0.05
    bucket = Bucket("day", "k", 100, DAY)
    assert (await limiter.take((bucket,))).remaining == (99,)
    server.stop()
    away = await limiter.take((bucket,))
    assert (away.admitted, away.remaining, away.degraded) == (True, (99,), True)
    server.start(folder, port)
    await until_together(limiter)
    back = await limiter.take((bucket,))
    assert (back.remaining, back.degraded) == ((98,), False)  # what was taken before is in its append-only file
    assert counted("csx_gateway_limit_degraded") == 0
    await limiter.stop()
    server.stop()


async def test_a_server_that_hangs_keeps_nobody_waiting(folder):
    server = EmbeddedValkey()
    limiter = RedisLimiter.at(server.start(folder, free_port()))
    limiter._again_s = 0.05
    bucket = Bucket("day", "k", 100, DAY)
    await limiter.take((bucket,))
    os.kill(server.child.pid, signal.SIGSTOP)
    async with asyncio.timeout(5):
        found = [await limiter.take((bucket,)) for _ in range(101)]
    assert [one.admitted for one in found] == [True] * 100 + [False]
    assert all(one.degraded for one in found)
    os.kill(server.child.pid, signal.SIGCONT)
    await until_together(limiter)
    assert not (await limiter.take((bucket,))).degraded
    await limiter.stop()
    server.stop()


async def test_a_limiter_that_stops_answers_who_still_waits(fresh_redis_url):
    limiter = RedisLimiter.at(fresh_redis_url)
    waiting = [asyncio.create_task(limiter.take((Bucket("day", "k", 10, DAY),))) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await limiter.stop()
    found = await asyncio.gather(*waiting)
    assert [one.admitted for one in found] == [True] * 3


@pytest.mark.parametrize("subject", ["", "*", "a:b", "\r\nSET x 1\r\n", "\x00", "\ud800", "x" * 10_000, "{a}", "🜁"])
async def test_a_hostile_subject_has_a_bucket_of_its_own(limiter, subject):
    hostile = await limiter.take((Bucket("day", subject, 10, DAY),))
    assert (hostile.admitted, hostile.remaining, hostile.degraded) == (True, (9,), False)
    (key,) = await limiter._redis.keys("*")
    assert key.startswith(b"csx:gateway:gcra:day:")
    assert len(key) < 128
    assert (await limiter.take((Bucket("day", "other", 10, DAY),))).remaining == (9,)
