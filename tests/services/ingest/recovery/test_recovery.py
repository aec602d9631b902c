"""Trades through recovery: holes are fetched, merged once, or said to stay."""

import asyncio
import itertools
import random

import httpx
import msgspec
import pytest

from libs.common.events import Gap, Origin, Trade
from libs.common.runtime.backoff import Backoff
from services.ingest.delivery.buffer import Buffer
from services.ingest.recovery.backfill import Limits
from services.ingest.recovery.gaps import Gaps
from services.ingest.recovery.recovery import Recovery

QUICK = Limits(grace_s=0.01, empty_pages=3, empty_wait_s=0.01, age_s=10)


class Desk:
    """A recovery with a REST oracle that has every trade up to `newest`, and a reader of its buffer."""

    def __init__(self, tiny, rest_of, *, page: int = 10, limits: Limits = QUICK, limit: int = 50) -> None:
        self.newest = 10_000
        self.page = page
        self.asked: list[int] = []
        self.fault: object = None
        self.unfilled: list[tuple[str, int, int]] = []
        self.buffer = Buffer(limit)
        venue = tiny.Venue()
        self.recovery = Recovery(
            venue,
            {tiny.SYMBOL: venue.instrument()},
            rest_of(self.answer, backoff=Backoff(initial_s=0.001, cap_s=0.002)),
            self.buffer,
            Gaps("tiny", Origin.LIVE, self.buffer),
            limits=limits,
            unfilled=lambda *hole: self.unfilled.append(hole),
        )
        self.out: list[object] = []
        self.reading = asyncio.create_task(self.read())

    def answer(self, path: str) -> object:
        after = int(path.rpartition("&")[2])
        self.asked.append(after)
        if self.fault is not None:
            return self.fault
        return list(range(after + 1, min(after + self.page, self.newest) + 1))

    async def read(self) -> None:
        while batch := await self.buffer.take(100):
            self.out += batch

    @property
    def ids(self) -> list[int]:
        return [int(one.trade_id) for one in self.out if isinstance(one, Trade)]

    @property
    def gaps(self) -> list[Gap]:
        return [one for one in self.out if isinstance(one, Gap)]


@pytest.fixture
async def desk_of(tiny, rest_of):
    desks = []

    def make(**options):
        desks.append(Desk(tiny, rest_of, **options))
        return desks[-1]

    yield make
    for desk in desks:
        await desk.recovery.stop()
        desk.buffer.close()
        await desk.reading


async def test_hole_in_the_live_tape_is_filled_before_what_follows(desk_of, tiny) -> None:
    desk = desk_of(page=7)
    for number in (1, 2, 30, 31):
        await desk.recovery.offer(tiny.trade(number))
    await tiny.until(lambda: len(desk.ids) == 31)
    assert desk.ids == list(range(1, 32))
    opened, closed = desk.gaps
    assert (opened.stream, opened.cause, opened.first_missing, opened.last_missing) == ("trades", "sequence", "3", "29")
    assert (opened.recovered, opened.from_ns, opened.to_ns) == (False, 2_000_000, 2_000_000)
    assert (closed.recovered, closed.from_ns, closed.to_ns) == (True, 2_000_000, 30_000_000)
    assert desk.recovery.filling == []


async def test_reordered_frames_need_no_rest_and_no_gap(desk_of, tiny) -> None:
    desk = desk_of(limits=Limits(grace_s=0.2))
    for number in (1, 3, 4, 2, 5):
        await desk.recovery.offer(tiny.trade(number))
    await tiny.until(lambda: not desk.recovery.filling)
    assert desk.ids == [1, 2, 3, 4, 5]
    assert desk.asked == []
    assert desk.gaps == []


async def test_restart_goes_on_behind_the_last_position(desk_of, tiny) -> None:
    desk = desk_of()
    desk.newest = 40
    desk.recovery.resume(tiny.SYMBOL, "5", 5_000_000)
    await desk.recovery.offer(tiny.trade(40))
    await tiny.until(lambda: len(desk.ids) == 35)
    assert desk.ids == list(range(6, 41))
    assert [gap.cause for gap in desk.gaps] == ["restart", "restart"]


async def test_reconnect_without_loss_closes_its_gap_at_once(desk_of, tiny) -> None:
    desk = desk_of()
    await desk.recovery.offer(tiny.trade(1))
    await desk.recovery.interrupted(tiny.SYMBOL, "disconnect")
    await desk.recovery.interrupted(tiny.SYMBOL, "disconnect")
    await desk.recovery.offer(tiny.trade(2))
    await tiny.until(lambda: len(desk.gaps) == 2)
    assert [(gap.cause, gap.recovered) for gap in desk.gaps] == [("disconnect", False), ("disconnect", True)]
    assert desk.asked == []


async def test_rest_that_lags_behind_the_socket_is_asked_again(desk_of, tiny) -> None:
    desk = desk_of()
    desk.newest = 3
    for number in (1, 6):
        await desk.recovery.offer(tiny.trade(number))
    await tiny.until(lambda: desk.asked.count(3) >= 2)
    desk.newest = 6
    await tiny.until(lambda: len(desk.ids) == 6)
    assert desk.ids == [1, 2, 3, 4, 5, 6]
    assert desk.gaps[-1].recovered


@pytest.mark.parametrize("fault", [httpx.Response(400, text="no"), httpx.Response(503), {"code": "50011"}, []], ids=str)
async def test_hole_that_cannot_be_filled_stays_a_gap_and_the_tape_goes_on(desk_of, tiny, fault) -> None:
    desk = desk_of()
    desk.fault = fault
    for number in (1, 5, 6):
        await desk.recovery.offer(tiny.trade(number))
    await tiny.until(lambda: len(desk.gaps) == 2 and len(desk.ids) == 3)
    assert desk.ids == [1, 5, 6]
    lost = desk.gaps[-1]
    assert (lost.cause, lost.recovered, lost.from_ns, lost.to_ns) == ("backfill", False, 1_000_000, 5_000_000)
    assert desk.unfilled == [(tiny.SYMBOL, 1_000_000, 5_000_000)]
    await desk.recovery.offer(tiny.trade(7))
    await tiny.until(lambda: desk.ids[-1] == 7)


async def test_hole_older_than_the_limit_is_not_fetched(desk_of, tiny) -> None:
    desk = desk_of()
    desk.recovery.resume(tiny.SYMBOL, "1", 1_000_000)
    await desk.recovery.offer(tiny.trade(20_000))  # 20 s later
    await tiny.until(lambda: desk.ids == [20_000])
    assert desk.asked == []
    assert desk.gaps[-1].cause == "backfill"


async def test_more_held_trades_than_allowed_end_the_backfill(desk_of, tiny) -> None:
    desk = desk_of(limits=Limits(grace_s=60, held=5))
    for number in (1, *range(10, 20)):
        await desk.recovery.offer(tiny.trade(number))
    await tiny.until(lambda: len(desk.ids) == 11)
    assert desk.ids == [1, *range(10, 20)]
    assert desk.recovery.held == 0


async def test_pages_are_limited(desk_of, tiny) -> None:
    desk = desk_of(page=1, limits=Limits(grace_s=0.0, pages=3))
    for number in (1, 100):
        await desk.recovery.offer(tiny.trade(number))
    await tiny.until(lambda: desk.ids and desk.ids[-1] == 100)
    assert desk.ids == [1, 2, 3, 4, 100]


async def test_unknown_symbol_and_unordered_id_pass_through(desk_of, tiny) -> None:
    desk = desk_of()
    await desk.recovery.offer(tiny.trade(1, symbol="ETH-USDT"))
    await desk.recovery.offer(msgspec.structs.replace(tiny.trade(2), trade_id="no-number"))
    await tiny.until(lambda: len(desk.out) == 2)


@pytest.mark.parametrize("seed", range(8))
async def test_random_disconnects_under_backpressure_end_in_the_uninterrupted_tape(desk_of, tiny, seed: int) -> None:
    chance = random.Random(seed)
    desk = desk_of(page=chance.choice([3, 50]), limit=chance.choice([3, 100]))
    desk.newest = number = 0
    for _ in range(30):
        await desk.recovery.interrupted(tiny.SYMBOL, "disconnect")
        number += chance.randint(0, 20)
        for _ in range(chance.randint(1, 15)):
            desk.newest = number = number + 1
            for one in [number] * chance.choice([1, 1, 2]):
                await desk.recovery.offer(tiny.trade(one))
        await asyncio.sleep(chance.choice([0, 0.005]))
    await tiny.until(lambda: desk.ids and desk.ids[-1] == number and not desk.recovery.filling)
    assert desk.ids == list(range(desk.ids[0], number + 1))
    gaps = [gap for gap in desk.gaps if gap.stream == "trades"]
    assert all(one.recovered != other.recovered for one, other in itertools.pairwise(gaps))
    assert not gaps or gaps[-1].recovered
