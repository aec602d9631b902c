"""In which order REST calls are served: by urgency, by rank, and nobody waits for ever; on a clock of our own."""

import asyncio
import itertools
import math
import selectors
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.runtime.backoff import Backoff
from services.ingest.calls.rest import Rest, RestError
from services.ingest.calls.waiting import AGE_S, TURN, Urgency, Waiting, Wish
from services.ingest.venues.terms import Request


class TimeFlies(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Leaping(self))

    def time(self) -> float:
        return self.now


class _Leaping(selectors.DefaultSelector):
    def __init__(self, loop: TimeFlies) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self._loop.now += timeout + 1e-6  # a wait of less than the clock can show would last for ever
        return super().select(0)


def run(work: Coroutine[Any, Any, None]) -> None:
    loop = TimeFlies()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


class Venue:
    """Answers each call after a while, and says 429 to more than its limit in any minute."""

    def __init__(self, per_minute: int, took_s: float = 0.4) -> None:
        self.loop = asyncio.get_running_loop()
        self.per_minute = per_minute
        self.took_s = took_s
        self.asked: list[tuple[float, str]] = []
        self.answered: dict[str, float] = {}
        self.in_flight = self.most = self.refused = 0
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def rest(self, budget: float) -> Rest:
        return Rest("x", self.client, weight_per_minute=budget, clock=self.loop.time, backoff=Backoff(0.25, 8, seed=1))

    async def answer(self, request: httpx.Request) -> httpx.Response:
        now, name = self.loop.time(), request.url.path.removeprefix("/")
        self.asked.append((now, name))
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        await asyncio.sleep(self.took_s)
        self.in_flight -= 1
        if sum(at > now - 60 for at, _ in self.asked) > self.per_minute:
            self.refused += 1
            return httpx.Response(429, headers={"Retry-After": "61"})
        self.answered[name] = self.loop.time()
        return httpx.Response(200, content=name.encode())


def call(name: str, weight: int = 1) -> Request:
    return Request(url=f"http://x/{name}", weight=weight)


def test_fifty_books_at_ten_calls_a_minute_come_majors_first_within_the_time_that_ten_a_minute_take() -> None:
    async def scene() -> None:
        venue = Venue(per_minute=11)  # ten a minute, and the one that the first two seconds allow
        rest = venue.rest(10)
        order = [(rank * 31) % 50 for rank in range(50)]  # they ask in no order
        fetches = [asyncio.create_task(rest.fetch(call(f"s{rank:02}"), Urgency.BOOK, rank)) for rank in order]
        bodies = await asyncio.gather(*fetches)
        assert [body.decode() for body in bodies] == [f"s{rank:02}" for rank in order]
        assert [name for _, name in venue.asked] == [f"s{rank:02}" for rank in range(50)]
        assert venue.loop.time() == pytest.approx(49 * 6 + venue.took_s, abs=0.1)
        assert venue.refused == 0
        assert venue.most <= 2
        await rest.stop()
        await venue.client.aclose()

    run(scene())


def test_history_that_asked_first_waits_for_books_but_not_for_ever() -> None:
    async def scene() -> None:
        venue = Venue(per_minute=31)
        rest = venue.rest(30)
        past = [asyncio.create_task(rest.fetch(call(f"h{number:02}"), Urgency.HISTORY, 0)) for number in range(20)]
        await asyncio.sleep(0)
        storm = 0
        while any(not one.done() for one in past):
            books = [rest.fetch(call(f"b{storm + n:04}"), Urgency.BOOK, n) for n in range(10)]  # more than the budget
            storm += 10
            await asyncio.wait([asyncio.ensure_future(book) for book in books], timeout=15)
            assert venue.loop.time() < 3600
        # They share the eighth turns with at most the 40 books of their own first minute; a call takes two seconds.
        assert venue.loop.time() <= AGE_S + (20 + 40) * TURN * 2
        assert venue.refused == 0
        await rest.stop()
        await venue.client.aclose()

    run(scene())


def test_an_equal_and_more_urgent_wish_carries_the_waiting_one_along() -> None:
    async def scene() -> None:
        venue = Venue(per_minute=1000)
        rest = venue.rest(60)
        tasks = [asyncio.create_task(rest.fetch(call(f"{n}"), Urgency.HISTORY)) for n in range(8)]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(rest.fetch(call("7"), Urgency.BOOK, 0)))
        tasks.append(asyncio.create_task(rest.fetch(call("9"), Urgency.TRADES, 0)))
        await asyncio.gather(*tasks)
        order = [name for _, name in venue.asked]
        assert sorted(order) == ["0", "1", "2", "3", "4", "5", "6", "7", "9"]
        assert order.index("7") <= 2
        assert order.index("9") <= 3
        await venue.client.aclose()

    run(scene())


def test_a_full_room_gives_the_place_of_the_least_urgent() -> None:
    waiting: Waiting[str] = Waiting(most=2)

    def wish(urgency: Urgency, rank: int) -> Wish[str]:
        return Wish(request=call("x"), answer=f"{urgency.name}{rank}", urgency=urgency, rank=rank, since_s=0, tries=1)

    assert waiting.add(wish(Urgency.CANDLES, 5)) is None
    assert waiting.add(wish(Urgency.HISTORY, 0)) is None
    displaced = waiting.add(wish(Urgency.BOOK, 9))
    assert displaced is not None
    assert displaced.answer == "HISTORY0"
    newest = wish(Urgency.HISTORY, 1)
    assert waiting.add(newest) is newest
    assert sorted(one.answer for one in waiting) == ["BOOK9", "CANDLES5"]


def test_who_is_displaced_hears_of_it() -> None:
    async def scene() -> None:
        venue = Venue(per_minute=10**6)
        rest = venue.rest(60)
        tasks = [asyncio.create_task(rest.fetch(call(f"{n}"), Urgency.HISTORY, n)) for n in range(1_010)]
        await asyncio.sleep(0.1)
        lost = [task for task in tasks if task.done() and task.exception()]
        assert len(lost) >= 5
        with pytest.raises(RestError, match="more urgent calls wait"):
            lost[0].result()
        await rest.stop()
        await asyncio.gather(*tasks, return_exceptions=True)
        await venue.client.aclose()

    run(scene())


@given(st.lists(st.tuples(st.sampled_from(Urgency), st.integers(0, 5)), min_size=1, max_size=60))
def test_within_a_minute_the_order_is_that_of_urgency_rank_and_arrival(asked: list[tuple[Urgency, int]]) -> None:
    waiting: Waiting[int] = Waiting()
    for number, (urgency, rank) in enumerate(asked):
        waiting.add(Wish(request=call("x"), answer=number, urgency=urgency, rank=rank, since_s=0, tries=1))
    served = []
    while (wish := waiting.next(AGE_S / 2)) is not None:
        waiting.take(wish)
        served.append(wish.answer)
    assert served == sorted(range(len(asked)), key=lambda number: (*asked[number], number))


@given(st.integers(1, 40))
def test_one_that_has_waited_long_is_served_within_a_round(crowd: int) -> None:
    waiting: Waiting[str] = Waiting()
    waiting.add(Wish(request=call("x"), answer="old", urgency=Urgency.HISTORY, rank=99, since_s=0, tries=1))
    served = 0
    for number in range(crowd + TURN):
        waiting.add(
            Wish(request=call("x"), answer=f"{number}", urgency=Urgency.BOOK, rank=0, since_s=2 * AGE_S, tries=1)
        )
        wish = waiting.next(2 * AGE_S)
        assert wish is not None
        waiting.take(wish)
        served += 1
        if wish.answer == "old":
            break
    assert served <= TURN


def test_the_venue_that_says_429_is_left_alone_for_as_long_as_it_says() -> None:
    async def scene() -> None:
        venue = Venue(per_minute=5, took_s=0.1)
        rest = venue.rest(600)  # a budget that is wrong
        await asyncio.gather(*(rest.fetch(call(f"{n}"), Urgency.BOOK, n) for n in range(12)))
        assert venue.most <= 2
        times = [at for at, _ in venue.asked]
        assert venue.refused <= 2 * (math.ceil(12 / 5) - 1)  # the two in flight, once for each minute
        pauses = [b - a for a, b in itertools.pairwise(times) if b - a > 1]
        assert pauses == [pytest.approx(61, abs=0.2)] * 2
        await venue.client.aclose()

    run(scene())
