"""A market that brings no trade after a lost connection: what it missed is asked for, and its hole closes."""

import asyncio

import httpx
import pytest

from libs.common.events import Gap, Origin, Trade
from libs.common.runtime.backoff import Backoff
from services.ingest.delivery.buffer import Buffer
from services.ingest.recovery.backfill import Limits
from services.ingest.recovery.gaps import Gaps
from services.ingest.recovery.recovery import Recovery
from services.ingest.venues.terms import TradeIds

QUIET = Limits(grace_s=0.01, quiet_s=0.02, empty_pages=3, empty_wait_s=0.01)


class Desk:
    """A recovery of one market whose venue knows every trade up to `newest`."""

    def __init__(self, tiny, rest_of, *, origin: Origin = Origin.RECORDED, limits: Limits = QUIET) -> None:
        self.newest = 3
        self.asked: list[int] = []
        self.fault: object = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.buffer = Buffer(50)
        self.symbol = tiny.SYMBOL
        self.trade = tiny.trade
        self.venue = tiny.Venue()
        self.recovery = Recovery(
            self.venue,
            {tiny.SYMBOL: self.venue.instrument()},
            rest_of(self.answer, backoff=Backoff(initial_s=0.001, cap_s=0.002)),
            self.buffer,
            Gaps("tiny", origin, self.buffer),
            origin=origin,
            limits=limits,
        )
        self.out: list[object] = []
        self.reading = asyncio.create_task(self.read())

    async def answer(self, path: str) -> object:
        after = int(path.rpartition("&")[2])
        self.asked.append(after)
        await self.gate.wait()
        return self.fault or list(range(after + 1, min(after + 4, self.newest) + 1))

    async def read(self) -> None:
        while batch := await self.buffer.take(100):
            self.out += batch

    async def lose(self) -> None:
        """Three trades came, then the connection was lost and made anew."""
        for number in (1, 2, 3):
            await self.recovery.offer(self.trade(number))
        await self.recovery.interrupted(self.symbol, "disconnect")
        self.recovery.listening(self.symbol)

    @property
    def ids(self) -> list[int]:
        return [int(one.trade_id) for one in self.out if isinstance(one, Trade)]

    @property
    def told(self) -> list[bool]:
        return [one.recovered for one in self.out if isinstance(one, Gap)]


@pytest.fixture
async def desk_of(tiny, rest_of):
    desks = []

    def make(**options):
        desks.append(Desk(tiny, rest_of, **options))
        return desks[-1]

    yield make
    for desk in desks:
        desk.gate.set()
        await desk.recovery.stop()
        desk.buffer.close()
        await desk.reading


async def test_what_was_missed_is_published_and_the_hole_closed(desk_of, tiny) -> None:
    desk = desk_of()
    desk.newest = 9
    await desk.lose()
    await tiny.until(lambda: desk.told == [False, True])
    assert desk.ids == list(range(1, 10))
    asked = list(desk.asked)
    await desk.recovery.offer(desk.trade(9))  # the venue told it by the socket as well
    await desk.recovery.offer(desk.trade(10))
    await tiny.until(lambda: desk.ids[-1] == 10)
    assert desk.ids == list(range(1, 11))
    assert desk.asked == asked


async def test_where_nothing_was_missed_the_hole_closes_too(desk_of, tiny) -> None:
    desk = desk_of()
    await desk.lose()
    await tiny.until(lambda: desk.told == [False, True])
    assert desk.ids == [1, 2, 3]
    assert desk.asked == [3]


async def test_a_live_trade_that_comes_in_time_makes_the_question_needless(desk_of, tiny) -> None:
    desk = desk_of(limits=Limits(grace_s=0.01, quiet_s=0.05))
    await desk.lose()
    await desk.recovery.offer(desk.trade(4))
    await tiny.until(lambda: desk.told == [False, True])
    await asyncio.sleep(0.1)
    assert desk.asked == []


async def test_an_answer_from_before_another_loss_proves_nothing(desk_of, tiny) -> None:
    desk = desk_of()
    desk.gate.clear()
    await desk.lose()
    await tiny.until(lambda: desk.asked == [3])
    await desk.recovery.interrupted(desk.symbol, "disconnect")
    desk.gate.set()
    await tiny.until(desk.recovery._markets[desk.symbol].probing.done)
    assert desk.told == [False]
    desk.recovery.listening(desk.symbol)
    await tiny.until(lambda: desk.told == [False, True])


async def test_where_the_venue_does_not_say_the_next_trade_tells(desk_of, tiny) -> None:
    desk = desk_of()
    desk.fault = httpx.Response(400)
    await desk.lose()
    await tiny.until(lambda: desk.asked and desk.recovery._markets[desk.symbol].probing.done())
    assert desk.told == [False]
    desk.fault = None
    desk.newest = 6
    await desk.recovery.offer(desk.trade(6))
    await tiny.until(lambda: desk.told == [False, True])
    assert desk.ids == [1, 2, 3, 4, 5, 6]


async def test_without_an_order_an_empty_page_proves_nothing_and_one_with_trades_does(desk_of, tiny, rest_of) -> None:
    class Unordered(tiny.Venue):  # type: ignore[misc]  # the fixture's class
        trade_ids = TradeIds.UNORDERED

    for newest, told in ((3, [False]), (5, [False, True])):
        desk = desk_of()
        venue = Unordered()
        desk.recovery = Recovery(
            venue,
            {tiny.SYMBOL: venue.instrument()},
            rest_of(desk.answer),
            desk.buffer,
            Gaps("tiny", Origin.RECORDED, desk.buffer),
            origin=Origin.RECORDED,
            limits=QUIET,
        )
        desk.newest = newest
        await desk.lose()
        await tiny.until(lambda desk=desk: desk.asked and desk.recovery._markets[desk.symbol].probing.done())
        await tiny.until(lambda desk=desk, told=told: desk.told == told)
        assert desk.ids == list(range(1, newest + 1))


async def test_what_is_too_old_is_left_to_the_live_tape(desk_of, tiny) -> None:
    desk = desk_of(origin=Origin.LIVE)  # the trades of these tests happened in 1970
    await desk.lose()
    await tiny.until(desk.recovery._markets[desk.symbol].probing.done)
    assert desk.asked == []
