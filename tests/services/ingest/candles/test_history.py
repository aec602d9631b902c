"""Candles by REST: the past at the start, the bar nobody watched begin, and the bars of an unfilled gap."""

import asyncio
from collections import Counter

import httpx
import pytest

from libs.common.events import DAY_NS, MINUTE_NS, SECOND_NS, Candle, Origin, Timeframe
from libs.common.runtime.backoff import Backoff
from services.ingest.candles.history import History
from services.ingest.delivery.buffer import Buffer

NOW = 20_000 * DAY_NS + 10 * MINUTE_NS + 30 * SECOND_NS


class Past:
    """A venue that shows `limit` bars up to the clock, the last one forming."""

    def __init__(self, tiny, rest_of, bars: int, origin: Origin = Origin.LIVE) -> None:
        self.now = NOW
        self.asked: list[str] = []
        self.fault: object = None
        self.late_ns = 0
        self.buffer = Buffer(10_000)
        venue = tiny.Venue()
        self.history = History(
            venue,
            {tiny.SYMBOL: venue.instrument()},
            rest_of(self.answer, backoff=Backoff(initial_s=0.001, cap_s=0.002)),
            self.buffer,
            bars=bars,
            origin=origin,
            clock=lambda: self.now,
        )
        self.out: list[Candle] = []

    def answer(self, path: str) -> object:
        self.asked.append(path)
        if self.fault is not None:
            return self.fault
        _, name, limit = path.split("&")
        timeframe = Timeframe(name)
        newest = timeframe.open_ns(self.now - self.late_ns)
        return [[newest - back * timeframe.ns, back > 0] for back in reversed(range(int(limit)))]

    async def read(self) -> None:
        while batch := await self.buffer.take(1000):
            self.out += [event for event in batch if isinstance(event, Candle)]

    def of(self, timeframe: Timeframe) -> list[int]:
        return [one.open_ns for one in self.out if one.timeframe == timeframe]


@pytest.fixture
async def past_of(tiny, rest_of):
    running: list[asyncio.Task[None]] = []

    def make(bars: int, **options):
        past = Past(tiny, rest_of, bars, **options)
        running.extend([asyncio.create_task(past.history.run()), asyncio.create_task(past.read())])
        return past

    yield make
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_start_fetches_the_closed_past_of_every_timeframe(past_of, tiny) -> None:
    past = past_of(5)
    past.history.begin()
    await tiny.until(lambda: len(past.out) == 4 * len(Timeframe))
    for timeframe in Timeframe:
        forming = timeframe.open_ns(NOW)
        assert past.of(timeframe) == [forming - back * timeframe.ns for back in (4, 3, 2, 1)]


async def test_bar_that_was_open_at_the_start_is_fetched_after_its_close(past_of, tiny) -> None:
    past = past_of(0)
    past.history.begin()
    assert past.asked == []
    past.now = NOW + 33 * SECOND_NS  # 3 s into the next minute
    past.history._news.set()
    await tiny.until(lambda: past.out)
    assert past.of(Timeframe.M1) == [Timeframe.M1.open_ns(NOW)]
    assert len(past.asked) == 1


async def test_bar_that_the_venue_closes_late_is_asked_for_again(past_of, tiny, caplog) -> None:
    caplog.set_level("INFO")
    past = past_of(0)
    past.late_ns = 10 * SECOND_NS
    past.history.begin()
    past.now = NOW + 33 * SECOND_NS
    past.history._news.set()
    await tiny.until(lambda: "candles are fetched again later" in caplog.text)
    assert len(past.asked) == 1
    assert past.of(Timeframe.M1) == []
    past.now += 30 * SECOND_NS
    past.history._news.set()
    await tiny.until(lambda: past.out)
    assert past.of(Timeframe.M1) == [Timeframe.M1.open_ns(NOW)]


async def test_unfilled_gap_wants_every_bar_it_touches(past_of, tiny) -> None:
    past = past_of(0)
    begin = NOW - 3 * MINUTE_NS
    past.history.unfilled(tiny.SYMBOL, begin, NOW - 90 * SECOND_NS)
    await tiny.until(lambda: past.of(Timeframe.M1))
    first = Timeframe.M1.open_ns(begin)
    assert past.of(Timeframe.M1)[:2] == [first, first + MINUTE_NS]


async def test_failing_rest_is_tried_later_and_not_for_ever(past_of, tiny, caplog) -> None:
    past = past_of(0)
    past.fault = httpx.Response(400)
    past.history.unfilled(tiny.SYMBOL, NOW - 2 * MINUTE_NS, NOW - 2 * MINUTE_NS)

    def given_up() -> bool:
        past.now += 120 * SECOND_NS
        past.history._news.set()
        return "candles stay missing" in caplog.text

    await tiny.until(given_up)
    asked = Counter(path.split("&")[1] for path in past.asked)
    assert max(asked.values()) == 21


async def test_recording_is_asked_for_its_past_only(past_of, tiny) -> None:
    past = past_of(2, origin=Origin.RECORDED)
    past.history.begin()
    past.history.unfilled(tiny.SYMBOL, NOW, NOW)
    await tiny.until(lambda: len(past.out) == len(Timeframe))
    assert past.history._errands == []
