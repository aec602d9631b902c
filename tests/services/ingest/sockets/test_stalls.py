"""A topic that falls silent among others on a real socket: what is published, sent and made anew; and what is left."""

import asyncio
import contextlib
import random
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from libs.common.events import BookSnapshot, Gap, Origin
from libs.common.runtime.backoff import Backoff
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.publisher import Draining
from services.ingest.delivery.rejects import Parking
from services.ingest.recovery.backfill import Limits
from services.ingest.recovery.gaps import Gaps
from services.ingest.recovery.recovery import Recovery
from services.ingest.sockets.feed import Feed
from services.ingest.sockets.habits import Habits
from services.ingest.sockets.intake import Intake
from services.ingest.sockets.line import Line, Rotation
from services.ingest.sockets.rhythm import ENOUGH
from services.ingest.sockets.timers import Timers
from services.ingest.venues.terms import Stream

SYMBOLS = ("BTC-USDT", "ETH-USDT", "SOL-USDT")
TOPICS = [(symbol, stream) for symbol in SYMBOLS for stream in (Stream.BOOKS, Stream.TRADES)]


class Exchange:
    """Speaks on every topic of every connection, ten times a second, but for those that are told to be still."""

    def __init__(self, server: Any) -> None:
        self.still: set[tuple[str, Stream]] = set()
        self.number = 1
        self._server = server
        server.on_open = self._opened

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            self.number += 1
            frames = [self._frame(*topic) for topic in TOPICS if topic not in self.still]
            await self._server.send(*frames)

    def _frame(self, symbol: str, stream: Stream) -> dict[str, Any]:
        if stream is Stream.TRADES:
            return {"t": "trade", "s": symbol, "id": self.number}
        return {"t": "delta", "s": symbol, "seq": self.number, "b": [[10, self.number]]}

    async def _opened(self, connection: Any) -> None:
        for symbol in SYMBOLS:
            whole = {"t": "snap", "s": symbol, "seq": self.number, "b": [[10, self.number]]}
            with contextlib.suppress(Exception):
                await connection.send(msgspec.json.encode(whole).decode())


class Rig:
    """A line on the made-up venue whose habits are known."""

    def __init__(self, tiny: Any, rest_of: Any, server: Any, *, alone: bool, **timers: float) -> None:
        self.venue = tiny.Venue(server.url)
        self.alone = alone
        quick: dict[str, Any] = {"close_s": 0.2, "subscribe_spacing_s": 0.0, "snapshot_spacing_s": 0.01, **timers}
        self.timers = Timers(**quick)
        self.instruments = {symbol: self.venue.instrument(symbol) for symbol in SYMBOLS}
        self.exchange = Exchange(server)
        self.rest = rest_of(self.answer, backoff=Backoff(initial_s=0.001, cap_s=0.002))
        self.broker = tiny.Broker()
        self.buffer = Buffer()
        gaps = Gaps("tiny", Origin.LIVE, self.buffer)
        self.recovery = Recovery(
            self.venue, self.instruments, self.rest, self.buffer, gaps, limits=Limits(grace_s=0.02, empty_wait_s=0.01)
        )
        self.parking = Parking("tiny", self.broker)
        self.intake = Intake("tiny", self.buffer, self.recovery, gaps, self.parking)
        (plan,) = self.venue.plan(list(self.instruments.values()), (Stream.BOOKS, Stream.TRADES))
        self.habits = Habits()
        for symbol, stream in TOPICS:
            for number in range(ENOUGH):
                self.habits.of(stream, symbol).rhythm.heard(0.1, number)
        self.line = Line(
            "tiny", plan, self.open, self.intake, rotation=Rotation(), backoff=Backoff(initial_s=0.01, cap_s=0.05)
        )
        self.tasks: list[asyncio.Task[None]] = []

    def answer(self, path: str) -> object:
        after = int(path.rpartition("&")[2])
        return list(range(after + 1, min(after + 50, self.exchange.number) + 1))

    def open(self, plan: Any, active: bool) -> Feed:
        session = self.venue.session(plan, {}, Origin.LIVE)
        if self.alone:
            session.resubscribe = lambda symbol, stream: (f"again {symbol} {stream}".encode(),)
        return Feed(
            "tiny",
            plan,
            self.venue,
            session,
            instruments=self.instruments,
            intake=self.intake,
            rest=self.rest,
            timers=self.timers,
            active=active,
            habits=self.habits,
        )

    def start(self) -> None:
        draining = Draining("tiny", self.buffer, self.broker, backoff=Backoff(initial_s=0.001, cap_s=0.01))
        for work in (draining.run(), self.parking.run(), self.line.run(), self.exchange.run()):
            self.tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        draining, parking, line, exchange = self.tasks
        await self.line.stop()
        await asyncio.wait_for(line, 5)
        await self.recovery.stop()
        self.buffer.close()
        await asyncio.wait_for(draining, 5)
        for task in (parking, exchange):
            task.cancel()
        await asyncio.gather(parking, exchange, return_exceptions=True)
        await self.rest.stop()

    def gaps_of(self, symbol: str, stream: Stream) -> list[tuple[str, bool]]:
        found = [gap for gap in self.broker.of(Gap) if (gap.symbol, gap.stream) == (symbol, stream)]
        return [(gap.cause, gap.recovered) for gap in found]

    def trades_of(self, symbol: str) -> list[int]:
        return [
            int(event.trade_id)
            for event in self.broker.events
            if getattr(event, "trade_id", "") and event.symbol == symbol
        ]


def counted(stream: Stream, outcome: str) -> float:
    labels = {"venue": "tiny", "stream": stream.value, "outcome": outcome}
    return REGISTRY.get_sample_value("csx_ingest_stalls_total", labels) or 0.0


@pytest.fixture
async def rig_of(tiny, rest_of, server):
    rigs: list[Rig] = []

    def make(*, alone: bool = False, **timers: float) -> Rig:
        rigs.append(Rig(tiny, rest_of, server, alone=alone, **timers))
        rigs[-1].start()
        return rigs[-1]

    yield make
    for rig in rigs:
        await rig.stop()


async def test_a_tape_that_stops_while_others_flow_is_made_anew_with_overlap_and_loses_nothing(
    rig_of, server, tiny
) -> None:
    before = counted(Stream.TRADES, "recycled")
    rig = rig_of()
    await tiny.until(lambda: len(rig.trades_of("ETH-USDT")) > 3)
    eth = ("ETH-USDT", Stream.TRADES)
    rig.exchange.still.add(eth)
    await tiny.until(lambda: eth in rig.habits.silent, 6)
    await tiny.until(lambda: len(server.connections) == 2, 10)
    rig.exchange.still.clear()
    await tiny.until(lambda: rig.gaps_of(*eth)[-1:] == [("timeout", True)])
    assert rig.gaps_of(*eth) == [("timeout", False), ("timeout", True)]
    assert rig.habits.silent == frozenset()
    assert counted(Stream.TRADES, "recycled") == before + 1
    for symbol in SYMBOLS:
        ids = rig.trades_of(symbol)
        assert ids == list(range(ids[0], ids[-1] + 1))  # each once, in order, also those of the silence
    assert {gap.symbol for gap in rig.broker.of(Gap)} == {"ETH-USDT"}  # nobody else noticed


async def test_a_book_that_speaks_after_it_was_asked_for_again_is_published_whole(rig_of, server, tiny) -> None:
    rig = rig_of(alone=True)
    await tiny.until(lambda: len(rig.trades_of("ETH-USDT")) > 3)
    book = ("SOL-USDT", Stream.BOOKS)
    rig.exchange.still.add(book)
    await tiny.until(lambda: b"again SOL-USDT books" in server.said, 6)
    await tiny.until(lambda: rig.gaps_of(*book) == [("timeout", False)])
    rig.exchange.still.clear()
    await tiny.until(lambda: rig.gaps_of(*book) == [("timeout", False), ("timeout", True)])
    whole = [event for event in rig.broker.of(BookSnapshot) if event.symbol == "SOL-USDT"][-1]
    assert whole.sequence > 20
    assert len(server.connections) == 1


async def test_a_first_datum_that_never_comes_does_not_cost_the_others_their_connection_for_ever(
    rig_of, server, tiny
) -> None:
    rig = rig_of(first_data_s=0.5)
    dead = ("SOL-USDT", Stream.TRADES)
    rig.exchange.still.add(dead)
    await tiny.until(lambda: len(server.connections) == 2, 10)
    await tiny.until(lambda: len(rig.trades_of("BTC-USDT")) > 40, 15)
    assert len(server.connections) == 2
    assert dead in rig.habits.silent


async def test_two_hundred_reconnects_of_every_kind_leave_nothing_behind(rig_of, server, tiny) -> None:
    """Tasks, descriptors and threads come back to where they were, plus or minus two."""
    chance = random.Random(20261121)
    rig = rig_of(first_data_s=5)
    rig.exchange.number = 10
    await tiny.until(lambda: len(rig.trades_of("BTC-USDT")) > 2)
    before = _left()
    boom = b'{"t":"boom"}'
    ways = [
        lambda one: one.transport.abort(),
        lambda one: asyncio.ensure_future(one.close(1001)),
        lambda one: asyncio.ensure_future(one.send(boom.decode())),  # the session breaks
        lambda one: asyncio.ensure_future(one.send('{"t":"rotate"}')),
        lambda one: one.transport.write(b"\xff\xff\xff"),  # no frame of WebSocket at all
    ]
    ended = 0
    while ended < 200:
        await tiny.until(lambda: server.open, 10)
        one = server.open[-1]
        chance.choice(ways)(one)
        await tiny.until(lambda one=one: one.state.name == "CLOSED", 10)
        ended += 1
    await tiny.until(lambda: server.open, 10)
    last = rig.trades_of("BTC-USDT")[-1]
    await tiny.until(lambda: rig.trades_of("BTC-USDT")[-1] > last + 5, 10)
    await tiny.until(lambda: all(abs(now - then) <= 2 for now, then in zip(_left(), before, strict=True)), 10)
    ids = rig.trades_of("BTC-USDT")
    assert ids == list(range(ids[0], ids[-1] + 1))


def _left() -> tuple[int, int, int]:
    return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
