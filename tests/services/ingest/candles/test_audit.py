"""Our closed candles against the venue's: what agrees, what differs, what nobody lists, and what cannot be asked."""

import asyncio

import httpx
import msgspec
import pytest

from libs.common.events import DAY_NS, MINUTE_NS, Candle, Gap, Source, Timeframe
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.errors import DependencyDown
from services.ingest.candles.audit import MOST_WAITING, Audit
from services.ingest.candles.candle_tail import CandleTail
from services.ingest.delivery.buffer import Buffer

NOW = 20_000 * DAY_NS + 10 * MINUTE_NS + 30 * 10**9
M1 = Timeframe.M1


def ours(tiny, back: int, **fields) -> Candle:
    """A bar as TinyVenue lists it, `back` minutes before the forming one."""
    values = {
        "venue": "tiny",
        "symbol": tiny.SYMBOL,
        "event_ns": NOW,
        "received_ns": NOW,
        "timeframe": M1,
        "open_ns": M1.open_ns(NOW) - back * MINUTE_NS,
        **dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0),
    }
    return Candle(**(values | fields))


class Room:
    """An audit between a topic, a venue and a buffer."""

    def __init__(self, tiny, rest_of) -> None:
        self.topic: list[Candle] = []
        self.asked: list[str] = []
        self.fault: object = None
        self.reach = 100
        self.now = NOW
        self.away = False
        self.looks = 0
        venue = tiny.Venue()
        self.followed = {tiny.SYMBOL: venue.instrument()}
        self.buffer = Buffer(10_000)
        self.audit = Audit(
            venue,
            self.followed,
            rest_of(self.answer, backoff=Backoff(initial_s=0.001, cap_s=0.002)),
            self.buffer,
            tail=self.tail,
            every_s=0.001,
            clock=lambda: self.now,
        )

    async def tail(self):
        self.looks += 1
        if self.away:
            raise DependencyDown("away")
        new, self.topic = self.topic, []
        for candle in new:
            yield candle

    def answer(self, path: str) -> object:
        self.asked.append(path)
        if self.fault is not None:
            return self.fault
        limit = min(int(path.rpartition("&")[2]), self.reach)
        newest = M1.open_ns(self.now)
        return [[newest - back * MINUTE_NS, back > 0] for back in reversed(range(limit))]

    async def published(self) -> list[object]:
        self.buffer.close()
        return list(await self.buffer.take(10_000))


@pytest.fixture
def room(tiny, rest_of) -> Room:
    return Room(tiny, rest_of)


async def test_bars_that_agree_are_counted_and_nothing_is_said(room, tiny) -> None:
    room.topic = [ours(tiny, back) for back in (3, 2, 1)]
    await room.audit.round()
    assert room.audit.counts() == (3, 0)
    assert len(room.asked) == 1
    assert await room.published() == []


async def test_a_bar_that_differs_is_replaced_by_the_venues_with_a_gap_around_it(room, tiny) -> None:
    wrong = ours(tiny, 2, close=0.9)
    room.topic = [ours(tiny, 3), wrong]
    await room.audit.round()
    assert room.audit.counts() == (2, 1)
    candle, gap = await room.published()
    assert isinstance(candle, Candle)
    assert isinstance(gap, Gap)
    assert (candle.source, candle.open_ns, candle.close) == (Source.REST, wrong.open_ns, 1.0)
    assert (gap.stream, gap.cause, gap.from_ns, gap.to_ns) == ("candles", "audit", wrong.open_ns, wrong.close_ns)
    assert gap.recovered


async def test_a_bar_that_the_venue_does_not_list_is_told_and_stays_unrecovered(room, tiny) -> None:
    missing = ours(tiny, 2)
    room.topic = [missing, ours(tiny, 3)]
    newest = M1.open_ns(NOW)
    room.fault = [[newest - 4 * MINUTE_NS, True], [newest - 3 * MINUTE_NS, True], [newest, False]]
    await room.audit.round()
    assert room.audit.counts() == (2, 1)
    (gap,) = await room.published()
    assert isinstance(gap, Gap)
    assert (gap.from_ns, gap.recovered) == (missing.open_ns, False)


async def test_only_our_own_whole_closed_bars_of_followed_symbols_are_compared(room, tiny) -> None:
    room.topic = [
        ours(tiny, 2, venue="other", close=9.0),
        ours(tiny, 2, symbol="ETH-USDT", close=9.0),
        ours(tiny, 2, source=Source.REST, close=9.0),
        ours(tiny, 2, complete=False, close=9.0),
        ours(tiny, 0, closed=False, close=9.0),
    ]
    await room.audit.round()
    assert room.asked == []
    assert room.audit.counts() == (0, 0)


async def test_a_bar_is_compared_when_it_has_settled(room, tiny) -> None:
    room.now = M1.open_ns(NOW) + 5 * 10**9
    room.topic = [ours(tiny, 1)]
    await room.audit.round()
    assert room.asked == []
    room.now = NOW
    await room.audit.round()
    assert room.audit.counts() == (1, 0)


async def test_what_the_venue_refuses_is_asked_again_in_the_next_round(room, tiny) -> None:
    room.topic = [ours(tiny, 2)]
    room.fault = httpx.Response(400)
    await room.audit.round()
    assert room.audit.counts() == (0, 0)
    room.fault = None
    await room.audit.round()
    assert room.audit.counts() == (1, 0)


async def test_a_page_that_does_not_reach_back_proves_nothing(room, tiny) -> None:
    room.reach = 3
    room.topic = [ours(tiny, 40), ours(tiny, 1)]
    await room.audit.round()
    assert room.audit.counts() == (1, 0)
    assert await room.published() == []


async def test_what_waits_is_bounded_and_what_was_forgotten_is_left(room, tiny) -> None:
    room.now = NOW - 2 * DAY_NS  # nothing is due yet
    room.topic = [ours(tiny, back) for back in range(1, MOST_WAITING + 11)]
    await room.audit.round()
    assert [len(bars) for bars in room.audit._waiting.values()] == [MOST_WAITING]
    room.followed.clear()
    room.now = NOW
    await room.audit.round()
    assert room.audit._waiting == {}
    assert room.asked == []


async def test_rounds_go_on_while_the_broker_is_away(room, tiny) -> None:
    room.away = True
    running = asyncio.create_task(room.audit.run())
    try:
        await tiny.until(lambda: room.looks > 1)
        room.topic = [ours(tiny, 2)]
        room.away = False
        await tiny.until(lambda: room.audit.counts() == (1, 0))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_tail_of_the_topic_is_what_came_since_the_last_look(embedded_broker, tiny) -> None:
    from libs.common.bus.admin import ensure_topics
    from libs.common.bus.publisher import Publisher
    from libs.common.bus.topics import TOPICS

    await ensure_topics(embedded_broker, TOPICS)
    publisher = Publisher(embedded_broker, "test-audit")
    await publisher.start()
    try:
        before, first, second = (ours(tiny, back, symbol="AUDIT-USDT") for back in (3, 2, 1))
        await publisher.publish([before])
        tail = CandleTail(embedded_broker, "test-audit-tail")
        assert [one async for one in tail.new()] == []
        await publisher.publish([first, msgspec.structs.replace(second, venue="other")])
        assert [one.open_ns async for one in tail.new()] == [first.open_ns, second.open_ns]
        await publisher.publish([second])
        assert [one async for one in tail.new()] == [second]
    finally:
        await publisher.stop()
