"""The buffer against a naive model: nothing is lost but what a snapshot stands for."""

import asyncio
from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from libs.common.events import BookDelta, BookSnapshot, Gap, MarketEvent, Side, Trade
from services.ingest.delivery.buffer import Buffer, BufferClosed

SYMBOLS = ("BTC-USDT", "ETH-USDT")
LIMIT = 5


def trade(symbol: str, number: int) -> Trade:
    return Trade(
        venue="test",
        symbol=symbol,
        event_ns=number,
        received_ns=number,
        price=1.0,
        size=1.0,
        side=Side.BUY,
        trade_id=str(number),
    )


def delta(symbol: str, sequence: int, level: tuple[float, float] = (1.0, 1.0)) -> BookDelta:
    return BookDelta(
        venue="test",
        symbol=symbol,
        event_ns=sequence,
        received_ns=sequence,
        bids=(level,),
        asks=(),
        first_sequence=sequence,
        last_sequence=sequence,
    )


class _Book:
    """The session's side: true levels and sequence, in sync or not."""

    def __init__(self) -> None:
        self.levels: dict[float, float] = {}
        self.sequence = 0
        self.synced = True

    def snapshot(self, symbol: str) -> BookSnapshot | None:
        if not self.synced:
            return None
        return BookSnapshot(
            venue="test",
            symbol=symbol,
            event_ns=self.sequence,
            received_ns=0,
            bids=tuple(sorted(self.levels.items(), reverse=True)),
            asks=(),
            sequence=self.sequence,
        )


class BufferMachine(RuleBasedStateMachine):
    """Feeds and takes at random; a reader's book and tape must equal the truth whenever the buffer is drained."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.buffer = Buffer(LIMIT)
        self.books = {symbol: _Book() for symbol in SYMBOLS}
        self.started: set[str] = set()
        self.offered_trades: dict[str, list[str]] = defaultdict(list)
        self.read_trades: dict[str, list[str]] = defaultdict(list)
        self.read_books: dict[str, tuple[dict[float, float], int] | None] = dict.fromkeys(SYMBOLS)
        self.waiting: list[asyncio.Task[None]] = []
        self.taking: asyncio.Task[list[MarketEvent]] | None = None
        self.number = 0

    def teardown(self) -> None:
        self._take(10_000)
        while self._left() or any(not task.done() for task in self.waiting):
            self._take(10_000)
        self._compare()
        for counts in self.buffer.counts.values():
            assert counts.offered == counts.taken + counts.conflated
        self.buffer.close()
        if self.taking is not None:
            self._take(1)
        self.loop.close()

    def _spin(self) -> None:
        for _ in range(4):
            self.loop.run_until_complete(asyncio.sleep(0))

    def _take(self, most: int) -> None:
        if self.taking is None:
            self.taking = self.loop.create_task(self.buffer.take(most))
        self._spin()
        if not self.taking.done():  # it waits for the next event
            return
        batch, self.taking = self.taking.result(), None
        for event in batch:
            match event:
                case Trade():
                    self.read_trades[event.symbol].append(event.trade_id)
                case BookSnapshot():
                    self.read_books[event.symbol] = (dict(event.bids), event.sequence)
                case BookDelta():
                    self._apply(event)
        self._spin()

    def _left(self) -> bool:
        """Say whether anything is to be had: an event, a snapshot that is due, or what an earlier take holds."""
        return bool(self.buffer._queue) or (self.taking is not None and self.taking.done())

    def _apply(self, event: BookDelta) -> None:
        state = self.read_books[event.symbol]
        assert state is not None, "a delta before any snapshot"
        levels, sequence = state
        assert event.first_sequence == sequence + 1, "a delta that does not continue the reader's book"
        levels = dict(levels)
        for price, size in event.bids:
            if size:
                levels[price] = size
            else:
                levels.pop(price, None)
        self.read_books[event.symbol] = (levels, event.last_sequence)

    def _compare(self) -> None:
        for symbol, book in self.books.items():
            assert self.read_trades[symbol] == self.offered_trades[symbol]
            if book.synced and symbol in self.started:
                assert self.read_books[symbol] == (book.levels, book.sequence)

    @rule(symbol=st.sampled_from(SYMBOLS))
    def trade(self, symbol: str) -> None:
        self.number += 1
        self.offered_trades[symbol].append(str(self.number))
        self.waiting.append(self.loop.create_task(self.buffer.put(trade(symbol, self.number))))
        self._spin()

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        changes=st.lists(st.tuples(st.sampled_from([1.0, 2.0, 3.0]), st.sampled_from([0.0, 4.0, 5.0])), max_size=8),
    )
    def change(self, symbol: str, changes: list[tuple[float, float]]) -> None:
        book = self.books[symbol]
        if not book.synced or symbol not in self.started:
            return
        for price, size in changes:  # one frame: the session is ahead of each event but the last
            book.sequence += 1
            if size:
                book.levels[price] = size
            else:
                book.levels.pop(price, None)
        first = book.sequence - len(changes) + 1
        for number, level in enumerate(changes):
            self.buffer.offer_book(delta(symbol, first + number, level), book.snapshot)

    @rule(symbol=st.sampled_from(SYMBOLS))
    def snapshot(self, symbol: str) -> None:
        book = self.books[symbol]
        self.started.add(symbol)
        if not book.synced:
            book.synced = True
            book.sequence += 100
            book.levels = {9.0: float(book.sequence)}
        whole = book.snapshot(symbol)
        assert whole is not None
        self.buffer.offer_book(whole, book.snapshot)

    @rule(symbol=st.sampled_from(SYMBOLS))
    def lose(self, symbol: str) -> None:
        self.books[symbol].synced = False

    @rule()
    def shed(self) -> None:
        self.buffer.shed()
        assert not any(lane.events for (name, _), lane in self.buffer._lanes.items() if name == "books")

    @rule(most=st.integers(1, 12))
    def take(self, most: int) -> None:
        self._take(most)

    @precondition(lambda self: self.buffer.pending)
    @rule()
    def drain(self) -> None:
        while self._left():
            self._take(1000)
        if all(task.done() for task in self.waiting):
            self._compare()

    @invariant()
    def bounded(self) -> None:
        for lane in self.buffer._lanes.values():
            assert len(lane.events) <= LIMIT

    @invariant()
    def counted(self) -> None:
        counts = self.buffer.counts.values()
        assert sum(one.offered for one in counts) == self.buffer.pending + sum(
            one.taken + one.conflated for one in counts
        )


BufferMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBufferAgainstModel = BufferMachine.TestCase


async def test_full_lane_makes_its_reader_wait_and_no_other() -> None:
    buffer = Buffer(1)
    await buffer.put(trade("BTC-USDT", 1))
    waiting = asyncio.create_task(buffer.put(trade("BTC-USDT", 2)))
    await buffer.put(trade("ETH-USDT", 3))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert [event.event_ns for event in await buffer.take(10)] == [1, 3]
    await asyncio.wait_for(waiting, 1)
    assert [event.event_ns for event in await buffer.take(10)] == [2]
    assert buffer.counts["trades"].waited == 1


async def test_take_waits_for_the_first_event_and_ends_with_close() -> None:
    buffer = Buffer()
    taking = asyncio.create_task(buffer.take(10))
    await asyncio.sleep(0)
    assert not taking.done()
    await buffer.put(trade("BTC-USDT", 1))
    assert len(await asyncio.wait_for(taking, 1)) == 1
    await buffer.put(trade("BTC-USDT", 2))
    buffer.close()
    assert len(await buffer.take(10)) == 1
    assert await buffer.take(10) == []
    with pytest.raises(BufferClosed):
        await buffer.put(trade("BTC-USDT", 3))


async def test_close_releases_who_waits() -> None:
    buffer = Buffer(1)
    await buffer.put(trade("BTC-USDT", 1))
    waiting = asyncio.create_task(buffer.put(trade("BTC-USDT", 2)))
    await asyncio.sleep(0)
    buffer.close()
    with pytest.raises(BufferClosed):
        await asyncio.wait_for(waiting, 1)


async def test_overflowing_book_is_conflated_once_and_counted() -> None:
    buffer, book = Buffer(2), _Book()
    for sequence in range(1, 8):
        book.sequence = sequence
        book.levels = {1.0: float(sequence)}
        buffer.offer_book(delta("BTC-USDT", sequence), book.snapshot)
    (whole,) = await buffer.take(10)
    assert isinstance(whole, BookSnapshot)
    assert (whole.sequence, whole.bids) == (7, ((1.0, 7.0),))
    counts = buffer.counts["books"]
    assert (counts.offered, counts.taken, counts.conflated, counts.made) == (7, 0, 7, 1)


async def test_gaps_do_not_stand_in_the_way_of_trades() -> None:
    buffer = Buffer(1)
    gap = Gap(
        venue="test",
        symbol="BTC-USDT",
        event_ns=1,
        received_ns=1,
        stream="trades",
        from_ns=1,
        to_ns=1,
        cause="sequence",
    )
    await buffer.put(gap)
    await asyncio.wait_for(buffer.put(trade("BTC-USDT", 1)), 1)
    assert buffer.pending == 2


async def test_who_waits_is_not_overtaken_when_room_comes() -> None:
    buffer, read = Buffer(2), []
    offers = [asyncio.create_task(buffer.put(trade("BTC-USDT", number))) for number in range(1, 6)]
    await asyncio.sleep(0)
    read += await buffer.take(10)
    for number in range(6, 12):
        offers.append(asyncio.create_task(buffer.put(trade("BTC-USDT", number))))
        await asyncio.sleep(0)
    while len(read) < 11:
        read += await buffer.take(10)
    assert [event.event_ns for event in read] == list(range(1, 12))
    assert all(offer.done() for offer in offers)
