"""Connections to a made-up venue on loopback: their births, deaths and successions."""

import asyncio
from collections import Counter
from collections.abc import Hashable
from pathlib import Path

import httpx
import msgspec
import pytest

from libs.common.events import BookDelta, BookSnapshot, Gap, Liquidation, Origin, PositionSide
from libs.common.runtime.backoff import Backoff
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.publisher import Draining
from services.ingest.delivery.rejects import Parking
from services.ingest.recovery.backfill import Limits
from services.ingest.recovery.gaps import Gaps
from services.ingest.recovery.recovery import Recovery
from services.ingest.sockets.feed import Feed
from services.ingest.sockets.intake import Intake, Once
from services.ingest.sockets.line import Line, Rotation
from services.ingest.sockets.pace import Pace
from services.ingest.sockets.timers import Timers
from services.ingest.venues.terms import Heartbeat, Stream, TradeIds

SNAP = {"t": "snap", "seq": 1, "b": [[10, 1]]}


class Rig:
    """A line on the made-up venue, with everything behind it up to the broker."""

    def __init__(self, tiny, rest_of, server, **options) -> None:
        heartbeat = options.pop("heartbeat", Heartbeat(ping=None, idle_s=60, dead_s=60))
        streams = options.pop("streams", (Stream.BOOKS, Stream.TRADES, Stream.LIQUIDATIONS))
        rotation = options.pop("rotation", Rotation())
        trade_ids = options.pop("trade_ids", TradeIds.CONSECUTIVE)
        self.timers = Timers(**{"close_s": 0.2, "subscribe_spacing_s": 0.0, "snapshot_spacing_s": 0.01, **options})
        self.venue = tiny.Venue(server.url, heartbeat)
        self.venue.trade_ids = trade_ids
        self.instruments = {tiny.SYMBOL: self.venue.instrument()}
        self.newest = 10**6
        self.asked: list[str] = []
        self.book = {"t": "snap", "seq": 50, "b": [[10, 5]]}
        self.refusals = 0
        self.rest = rest_of(self.answer, backoff=Backoff(initial_s=0.001, cap_s=0.002))
        self.broker = tiny.Broker()
        self.buffer = Buffer()
        self.gaps = Gaps("tiny", Origin.LIVE, self.buffer)
        self.recovery = Recovery(
            self.venue,
            self.instruments,
            self.rest,
            self.buffer,
            self.gaps,
            limits=Limits(grace_s=0.02),
        )
        self.parking = Parking("tiny", self.broker)
        self.intake = Intake("tiny", self.buffer, self.recovery, self.gaps, self.parking)
        (plan,) = self.venue.plan(list(self.instruments.values()), streams)
        self.feeds: list[Feed] = []
        self.line = Line(
            "tiny", plan, self.open, self.intake, rotation=rotation, backoff=Backoff(initial_s=0.01, cap_s=0.05)
        )
        self.tasks: list[asyncio.Task[None]] = []

    def answer(self, path: str) -> object:
        self.asked.append(path)
        if path.startswith("book"):
            self.refusals -= 1
            return self.book if self.refusals < 0 else httpx.Response(400)
        after = int(path.rpartition("&")[2])
        return list(range(after + 1, min(after + 50, self.newest) + 1))

    def open(self, plan, active: bool) -> Feed:
        feed = Feed(
            "tiny",
            plan,
            self.venue,
            self.venue.session(plan, {}, Origin.LIVE),
            instruments=self.instruments,
            intake=self.intake,
            rest=self.rest,
            timers=self.timers,
            active=active,
        )
        self.feeds.append(feed)
        return feed

    def start(self) -> None:
        draining = Draining("tiny", self.buffer, self.broker, backoff=Backoff(initial_s=0.001, cap_s=0.01))
        for work in (draining.run(), self.parking.run(), self.line.run()):
            self.tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        draining, parking, line = self.tasks
        await self.line.stop()
        await asyncio.wait_for(line, 5)
        await self.recovery.stop()
        self.buffer.close()
        await asyncio.wait_for(draining, 5)
        parking.cancel()
        await asyncio.gather(parking, return_exceptions=True)
        await self.rest.stop()

    def gaps_of(self, stream: str) -> list[Gap]:
        return [gap for gap in self.broker.of(Gap) if gap.stream == stream]


@pytest.fixture
async def rig_of(tiny, rest_of, server):
    rigs: list[Rig] = []

    def make(**options) -> Rig:
        rigs.append(Rig(tiny, rest_of, server, **options))
        rigs[-1].start()
        return rigs[-1]

    yield make
    for rig in rigs:
        await rig.stop()


async def test_frames_become_events_and_the_subscription_is_sent(rig_of, server, tiny) -> None:
    rig = rig_of()
    await tiny.until(lambda: len(server.said) == 2)
    await server.send(SNAP, {"t": "trade", "id": 1}, {"t": "delta", "seq": 2, "b": [[11, 1]]})
    await server.send(msgspec.json.encode({"t": "trade", "id": 2}))  # as a binary frame
    await tiny.until(lambda: rig.broker.trade_ids == [1, 2] and rig.broker.of(BookDelta))
    assert server.said == [b'{"t":"subscribe"}', b'{"t":"more"}']
    assert rig.broker.events[0].received_ns > 0


async def test_closed_connection_is_replaced_and_the_gaps_are_closed(rig_of, server, tiny) -> None:
    rig = rig_of()
    await tiny.until(lambda: server.open)
    await server.send({"t": "ack"}, SNAP, {"t": "trade", "id": 1}, {"t": "trade", "id": 2})
    await tiny.until(lambda: rig.broker.trade_ids == [1, 2])
    for connection in server.open:
        await connection.close(1001)
    await tiny.until(lambda: len(server.open) == 1 and len(server.connections) == 2)
    rig.newest = 9
    await server.send({"t": "ack"}, {"t": "snap", "seq": 9, "b": [[12, 1]]}, {"t": "trade", "id": 9})
    await tiny.until(lambda: len(rig.broker.of(Gap)) == 6)
    await tiny.until(lambda: rig.broker.trade_ids == list(range(1, 10)))
    assert [(gap.cause, gap.recovered) for gap in rig.gaps_of("trades")] == [
        ("disconnect", False),
        ("disconnect", True),
    ]
    assert [(gap.cause, gap.recovered) for gap in rig.gaps_of("books")] == [("disconnect", False), ("disconnect", True)]
    lost, closed = rig.gaps_of("liquidations")
    assert (lost.recovered, closed.recovered) == (False, False)  # nobody can fetch them: the hole is known, and stays
    assert closed.to_ns > closed.from_ns == lost.to_ns


async def test_connection_cut_without_a_word_is_replaced(rig_of, server, tiny) -> None:
    rig = rig_of()
    await tiny.until(lambda: server.open)
    await server.send({"t": "trade", "id": 1})
    await tiny.until(lambda: rig.broker.trade_ids)
    server.open[0].transport.abort()
    await tiny.until(lambda: len(server.connections) == 2)


async def test_half_open_connection_is_noticed(rig_of, server, tiny) -> None:
    rig = rig_of(heartbeat=Heartbeat(ping=b"ping", idle_s=0.05, dead_s=0.3))
    await tiny.until(lambda: server.open)
    await server.send({"t": "trade", "id": 1})
    server.open[0].transport.pause_reading()  # it answers nothing more, not even a close
    await tiny.until(lambda: len(server.connections) == 2)
    await tiny.until(lambda: rig.gaps_of("trades"))
    assert rig.gaps_of("trades")[0].cause == "timeout"


async def test_idle_connection_is_pinged_in_the_venues_way(rig_of, server, tiny) -> None:
    rig_of(heartbeat=Heartbeat(ping=b"ping", idle_s=0.05, dead_s=30))
    await tiny.until(lambda: server.said.count(b"ping") >= 2)


async def test_slow_broker_is_not_taken_for_a_silent_venue(rig_of, server, tiny) -> None:
    rig = rig_of(heartbeat=Heartbeat(ping=b"ping", idle_s=0.02, dead_s=0.2))
    rig.broker.down = True
    await tiny.until(lambda: server.open)

    async def flood() -> None:
        for number in range(1, 3001):
            await server.send({"t": "trade", "id": number})

    flooding = asyncio.create_task(flood())
    await tiny.until(lambda: rig.buffer.counts["trades"].waited)
    pings = server.said.count(b"ping")
    await tiny.until(lambda: server.said.count(b"ping") >= pings + 25)  # over half a second, longer than `dead_s`
    assert len(server.connections) == 1
    rig.broker.down = False
    await flooding
    await tiny.until(lambda: len(rig.broker.trade_ids) == 3000)
    assert rig.broker.trade_ids == list(range(1, 3001))
    assert len(server.connections) == 1


async def test_garbage_is_counted_and_parked_and_the_feed_lives_on(rig_of, server, tiny) -> None:
    rig = rig_of()
    await tiny.until(lambda: server.open)
    await server.send(b"\xff\xfe", "{", '{"t":"trade","id":1', b"")
    await server.send("x" * (16 * 2**20))
    await server.send({"t": "trade", "id": 1})
    await tiny.until(lambda: rig.broker.trade_ids == [1] and len(rig.broker.rejects) == 5)
    assert len(server.connections) == 1
    assert {reject.reason for reject in rig.broker.rejects} == {"decode"}
    assert all(len(reject.payload) <= 4 * 4096 for reject in rig.broker.rejects)


async def test_invalid_utf8_in_a_text_frame_is_garbage_not_the_end(rig_of, server, tiny) -> None:
    rig = rig_of()
    await tiny.until(lambda: server.open)
    await server.open[0].send(b"\xff\xff", text=True)
    await server.send({"t": "trade", "id": 1})
    await tiny.until(lambda: rig.broker.trade_ids == [1] and rig.broker.rejects)
    assert len(server.connections) == 1


async def test_frame_beyond_every_bound_costs_the_connection_and_is_counted(rig_of, server, tiny) -> None:
    rig = rig_of()
    await tiny.until(lambda: server.open)
    await server.send("x" * (33 * 2**20))
    await tiny.until(lambda: len(server.connections) == 2)
    await tiny.until(lambda: rig.broker.rejects)
    assert rig.broker.rejects[0].reason == "oversize"


async def test_session_that_breaks_costs_its_connection_only(rig_of, server, tiny) -> None:
    rig = rig_of()
    await tiny.until(lambda: server.open)
    await server.send({"t": "boom"})
    await tiny.until(lambda: len(server.connections) == 2 and len(server.open) == 1)
    await server.send({"t": "trade", "id": 1})
    await tiny.until(lambda: rig.broker.trade_ids == [1])
    assert rig.broker.rejects[0].reason == "handler"


async def test_book_is_fetched_once_for_a_wish_and_the_gap_closed(rig_of, server, tiny) -> None:
    rig = rig_of()
    await tiny.until(lambda: server.open)
    await server.send(SNAP, {"t": "lose"}, {"t": "lose"})
    await tiny.until(lambda: len(rig.gaps_of("books")) == 2)
    assert rig.asked.count("book?BTC-USDT") <= 2
    assert rig.broker.of(BookSnapshot)[-1].sequence == 50
    assert rig.gaps_of("books")[-1].recovered


async def test_book_that_rest_refuses_is_asked_for_again(rig_of, server, tiny) -> None:
    rig = rig_of()
    rig.refusals = 2
    await tiny.until(lambda: server.open)
    await server.send({"t": "lose"})
    await tiny.until(lambda: rig.broker.of(BookSnapshot))
    assert rig.asked.count("book?BTC-USDT") == 3


async def test_a_book_that_rest_goes_on_refusing_costs_no_connection(rig_of, server, tiny) -> None:
    rig = rig_of(resyncs=3)
    rig.refusals = 8
    await tiny.until(lambda: server.open)
    await server.send({"t": "lose"})
    await tiny.until(lambda: rig.broker.of(BookSnapshot))
    assert rig.asked.count("book?BTC-USDT") == 9
    assert len(server.connections) == 1


async def test_trades_that_a_session_misses_are_fetched(rig_of, server, tiny) -> None:
    rig = rig_of(trade_ids=TradeIds.RISING)
    rig.newest = 9
    await tiny.until(lambda: server.open)
    await server.send({"t": "trade", "id": 1}, {"t": "trade", "id": 4})  # ids of aggregates may jump
    await server.send({"t": "skipped"}, {"t": "trade", "id": 9})
    await tiny.until(lambda: rig.broker.trade_ids == [1, 4, 5, 6, 7, 8, 9])
    await tiny.until(lambda: len(rig.gaps_of("trades")) == 2)
    assert [gap.recovered for gap in rig.gaps_of("trades")] == [False, True]


async def test_fresh_book_by_subscription_is_paced(rig_of, server, tiny) -> None:
    rig_of(resubscribe_spacing_s=0.2)
    await tiny.until(lambda: server.open)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for count in (1, 2):
        await server.send({"t": "resub"}, {"t": "resub"})
        await tiny.until(lambda count=count: server.said.count(b'{"t":"again"}') == count)
    assert loop.time() - began >= 0.2


async def test_storm_of_fresh_books_costs_the_connection(rig_of, server, tiny) -> None:
    rig_of(resubscribe_spacing_s=0.0, resyncs=3)
    await tiny.until(lambda: server.open)
    for count in (1, 2, 3):
        await server.send({"t": "resub"})
        await tiny.until(lambda count=count: server.said.count(b'{"t":"again"}') == count)
    await server.send({"t": "resub"})
    await tiny.until(lambda: len(server.connections) == 2)


async def test_reply_goes_back(rig_of, server, tiny) -> None:
    rig_of()
    await tiny.until(lambda: server.open)
    await server.send({"t": "ping"})
    await tiny.until(lambda: b'{"t":"pong"}' in server.said)


async def test_acknowledged_and_silent_stream_costs_the_connection(rig_of, server, tiny) -> None:
    rig_of(first_data_s=0.2)
    await tiny.until(lambda: server.open)
    await server.send({"t": "ack"}, {"t": "trade", "id": 1})  # trades come, books never
    await tiny.until(lambda: len(server.connections) >= 2)


@pytest.mark.parametrize("way", ["announced", "planned"])
async def test_rotation_makes_the_next_before_it_breaks_the_last(rig_of, server, tiny, way: str) -> None:
    sequence = most_open = 1

    async def open_with_snapshot(connection) -> None:
        nonlocal most_open
        most_open = max(most_open, len(server.open))
        await connection.send(msgspec.json.encode({"t": "snap", "seq": sequence, "b": [[10, sequence]]}).decode())

    server.on_open = open_with_snapshot
    planned = Rotation(every_s=0.3, jitter=0.0, overlap_s=2.0)
    rig = rig_of(rotation=planned if way == "planned" else Rotation(overlap_s=2.0))
    await tiny.until(lambda: server.open)
    announced = 0
    number = 1
    while len(server.connections) < 4:
        number = sequence = number + 1
        await server.send(
            {"t": "delta", "seq": number, "b": [[10, number]]},
            {"t": "trade", "id": number},
            {"t": "liq", "seq": number},
        )
        if way == "announced" and number % 60 == 0 and announced < 3:
            announced += 1
            await server.send({"t": "rotate"})
        await asyncio.sleep(0.001)
    await tiny.until(lambda: rig.broker.trade_ids and rig.broker.trade_ids[-1] == number)
    assert rig.broker.trade_ids == list(range(2, number + 1))
    assert most_open == 2
    assert rig.broker.of(Gap) == []
    assert [one.event_ns for one in rig.broker.of(Liquidation)] == list(range(2, number + 1))
    assert rig.asked == []
    book = -1
    for event in rig.broker.events:
        if isinstance(event, BookSnapshot):
            book = event.sequence
        elif isinstance(event, BookDelta):
            assert event.first_sequence == book + 1
            book = event.last_sequence
    assert book == number


async def test_replacement_that_never_comes_leaves_the_old_one_alone(rig_of, server, tiny) -> None:
    rig = rig_of(rotation=Rotation(every_s=0.1, jitter=0.0, overlap_s=0.2), connect_s=0.2)
    await tiny.until(lambda: server.open)

    async def never(connection) -> None:
        await connection.close(1013)

    server.on_open = never
    await tiny.until(lambda: len(server.connections) >= 3)
    await server.open[0].send('{"t":"trade","id":1}')
    await tiny.until(lambda: rig.broker.trade_ids == [1])


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_hundred_reconnects_leave_no_task_and_no_socket_behind(rig_of, server, tiny) -> None:
    rig = rig_of()
    await tiny.until(lambda: server.open)
    await server.send(SNAP, {"t": "trade", "id": 1})
    await tiny.until(lambda: rig.broker.trade_ids)
    tasks, descriptors = len(asyncio.all_tasks()), _descriptors()
    for count in range(2, 102):
        server.open[0].transport.abort()
        await tiny.until(lambda count=count: len(server.connections) >= count and len(server.open) == 1)
    await server.send(SNAP, {"t": "trade", "id": 2})
    await tiny.until(lambda: len(rig.broker.trade_ids) == 2)
    await tiny.until(lambda: len(asyncio.all_tasks()) <= tasks + 2)
    assert _descriptors() <= descriptors + 2


async def test_stop_publishes_what_was_read(rig_of, server, tiny) -> None:
    rig = rig_of()
    await tiny.until(lambda: server.open)
    rig.broker.down = True
    await server.send(*({"t": "trade", "id": number} for number in range(1, 101)))
    await tiny.until(lambda: rig.buffer.counts["trades"].offered == 100)
    stopping = asyncio.create_task(rig.line.stop())
    await asyncio.wait_for(stopping, 5)
    rig.broker.down = False
    await tiny.until(lambda: rig.broker.trade_ids == list(range(1, 101)))


async def test_venue_that_is_not_there_is_dialled_for_ever(tiny, rest_of, server) -> None:
    server.url = "ws://127.0.0.1:1"
    rig = Rig(tiny, rest_of, server)
    rig.start()
    await tiny.until(lambda: len(rig.feeds) > 10)
    assert not rig.line.connected
    assert rig.broker.of(Gap) == []  # nothing was ever heard: nothing is missing
    await rig.stop()


async def test_whole_books_are_published_on_demand(rig_of, server, tiny) -> None:
    rig = rig_of()
    await tiny.until(lambda: server.open)
    await server.send(SNAP)
    await tiny.until(lambda: rig.broker.of(BookSnapshot))
    rig.line.publish_books()
    await tiny.until(lambda: len(rig.broker.of(BookSnapshot)) == 2)
    assert rig.line.connected
    await rig.line.stop()
    await tiny.until(lambda: not rig.line.connected)  # a connection that was open does not count when it is gone


def test_pace_spaces_and_limits() -> None:
    pace = Pace(spacing_s=2, most=3, window_s=100)
    assert [pace.ask(0), pace.ask(0), pace.ask(1), pace.ask(5)] == [0, 2, 3, None]
    assert pace.ask(101) == 0


def test_equal_events_of_one_connection_are_two_and_of_two_connections_one() -> None:
    liquidation = Liquidation(
        venue="tiny", symbol="BTC-USDT", event_ns=1, received_ns=1, price=1, size=1, liquidated=PositionSide.LONG
    )
    once = Once(remembered=2)
    first: Counter[Hashable] = Counter()
    second: Counter[Hashable] = Counter()
    assert [once.admit(liquidation, first), once.admit(liquidation, first)] == [True, True]
    later = msgspec.structs.replace(liquidation, received_ns=2)
    assert [once.admit(later, second) for _ in range(3)] == [False, False, True]
    for number in range(5):
        assert once.admit(msgspec.structs.replace(liquidation, event_ns=number + 10), first)
    assert len(once._passed) == 2
