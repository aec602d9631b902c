"""One answer for many: who waits, who has the old one, what is never kept."""

import asyncio
import inspect
from dataclasses import dataclass, field

import pytest
from prometheus_client import REGISTRY

from services.gateway.cache.cache import AnswerCache
from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.operation import Freshness
from services.gateway.problems import Problem

SECOND = Freshness(1.0, 2.0)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Store:
    """Counts who asks it, and answers when it is let."""

    asked: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    fault: Exception | None = None

    async def __call__(self) -> bytes:
        self.asked += 1
        body = b"answer %d" % self.asked
        await self.open.wait()
        if self.fault:
            raise self.fault
        return body


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> AnswerCache:
    return AnswerCache(1 << 20, clock)


@pytest.fixture
def store() -> Store:
    store = Store()
    store.open.set()
    return store


def results() -> dict[str, float]:
    return {
        result: REGISTRY.get_sample_value("csx_gateway_cache_total", {"result": result}) or 0.0
        for result in ("fresh", "stale", "miss", "shared")
    }


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_f19_a_hundred_at_once_ask_the_store_once(cache, store):
    before = results()
    store.open.clear()
    waiting = [asyncio.create_task(cache.get("k", SECOND, store)) for _ in range(100)]
    await settled()
    store.open.set()
    found = await asyncio.gather(*waiting)
    assert {one.body for one in found} == {b"answer 1"}
    assert store.asked == 1
    assert {name: n - before[name] for name, n in results().items()} == {
        "fresh": 0,
        "stale": 0,
        "miss": 1,
        "shared": 99,
    }


async def test_f19_a_fresh_answer_asks_nobody(cache, store, clock):
    first = await cache.get("k", SECOND, store)
    clock.now += 0.99
    assert await cache.get("k", SECOND, store) is first
    assert cache.age_s(first) == pytest.approx(0.99)
    assert store.asked == 1


async def test_f19_a_stale_answer_comes_at_once_while_one_new_one_is_made(cache, store, clock):
    before = results()
    first = await cache.get("k", SECOND, store)
    clock.now += 2.5
    store.open.clear()
    async with asyncio.timeout(1):
        found = [await cache.get("k", SECOND, store) for _ in range(10)]
    assert all(one is first for one in found)
    store.open.set()
    await settled()
    assert (await cache.get("k", SECOND, store)).body == b"answer 2"
    assert store.asked == 2
    assert {name: n - before[name] for name, n in results().items()} == {
        "fresh": 1,
        "stale": 10,
        "miss": 1,
        "shared": 0,
    }


async def test_f19_an_answer_too_old_is_not_served(cache, store, clock):
    await cache.get("k", SECOND, store)
    clock.now += 3.0
    assert (await cache.get("k", SECOND, store)).body == b"answer 2"


async def test_f19_a_failure_goes_to_all_who_wait_and_is_not_kept(cache, store):
    store.fault = Problem("book_unavailable", "there is no book yet")
    store.open.clear()
    waiting = [asyncio.create_task(cache.get("k", SECOND, store)) for _ in range(5)]
    await settled()
    store.open.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [one.code for one in found if isinstance(one, Problem)] == ["book_unavailable"] * 5
    assert len({id(one) for one in found}) == 5  # each adds headers of its own
    assert store.asked == 1
    store.fault = None
    assert (await cache.get("k", SECOND, store)).body == b"answer 2"


async def test_f19_a_failed_renewal_leaves_the_old_answer_and_is_tried_again(cache, store, clock):
    first = await cache.get("k", SECOND, store)
    clock.now += 1.5
    store.fault = ConnectionRefusedError()
    for _ in range(2):
        assert await cache.get("k", SECOND, store) is first
        await settled()
    assert store.asked == 3


async def test_f19_who_stops_waiting_does_not_end_the_work(cache, store):
    store.open.clear()
    first, second = (asyncio.create_task(cache.get("k", SECOND, store)) for _ in range(2))
    await settled()
    first.cancel()
    await settled()
    assert first.cancelled()
    store.open.set()
    assert (await second).body == b"answer 1"
    assert store.asked == 1


async def test_f19_without_its_stores_an_answer_lives_a_little_longer(cache, store, clock):
    first = await cache.get("k", SECOND, store)
    store.fault = ConnectionRefusedError()
    clock.now += 10.9
    assert await cache.get("k", SECOND, store) is first
    clock.now += 0.2
    with pytest.raises(ConnectionRefusedError):
        await cache.get("k", SECOND, store)


async def test_f19_a_problem_is_no_outage(cache, store, clock):
    await cache.get("k", SECOND, store)
    store.fault = Problem("book_out_of_sync", "a hole")
    clock.now += 4
    with pytest.raises(Problem):
        await cache.get("k", SECOND, store)


def test_f19_what_is_shared_does_not_depend_on_who_asks():
    shared = [operation for operation in OPERATIONS if operation.freshness is not None]
    assert len(shared) > 20
    for operation in shared:
        assert operation.read
        _desk, caller, _wanted = inspect.signature(operation.read).parameters
        assert caller.startswith("_"), f"{operation.name} looks at who asks"  # the linter's word for what is unused


async def test_memory_is_given_back(cache, store):
    await cache.get("k", SECOND, store)
    assert REGISTRY.get_sample_value("csx_gateway_cache_bytes") == 8 + 400
    cache.clear()
    assert REGISTRY.get_sample_value("csx_gateway_cache_bytes") == 0
    assert (await cache.get("k", SECOND, store)).body == b"answer 2"


async def test_a_cache_that_stops_ends_what_is_being_made(cache, store):
    store.open.clear()
    waiting = asyncio.create_task(cache.get("k", SECOND, store))
    await settled()
    await cache.stop()
    with pytest.raises(asyncio.CancelledError):
        await waiting
