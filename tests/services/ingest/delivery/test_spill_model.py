"""Outages, kills, full and torn disks at random: every trade is on the topic in order, every event is accounted for."""

import asyncio
import selectors
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aiokafka.errors import MessageSizeTooLargeError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from libs.common.events import (
    BookDelta,
    BookSnapshot,
    Event,
    FundingRate,
    Gap,
    Liquidation,
    MarketEvent,
    PositionSide,
    Side,
    Trade,
)
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.errors import DependencyDown
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.ledger import Ledger
from services.ingest.delivery.publisher import Draining, Mark, mark_of
from services.ingest.delivery.ring import Ring
from services.ingest.delivery.spill import Spill

SYMBOLS = ("BTC-USDT", "ETH-USDT")
LIMIT = 5
RING_BYTES = 4000
"""About twenty trades."""


async def at_once(call: Callable[..., Any], *arguments: Any) -> Any:
    """Run a disk's call without a thread."""
    return call(*arguments)


def common(symbol: str, number: int) -> dict[str, Any]:
    return {"venue": "test", "symbol": symbol, "event_ns": number, "received_ns": number}


def trade(symbol: str, number: int) -> Trade:
    return Trade(**common(symbol, number), price=1.0, size=1.0, side=Side.BUY, trade_id=str(number))


class _NoWait(selectors.DefaultSelector):
    """Lets a loop's clock jump to its next timer."""

    jumped_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        self.jumped_s += timeout or 0.0
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    """A loop in which waiting takes no time: the same rules give the same run."""

    def __init__(self) -> None:
        self.sleeper = _NoWait()
        super().__init__(self.sleeper)

    def time(self) -> float:
        return self.sleeper.jumped_s


class _Topic:
    """A broker that outlives the process under test: up, down, deaf (nothing comes back) or forgetful (no answer)."""

    def __init__(self) -> None:
        self.mode = "up"
        self.trades: dict[str, list[int]] = defaultdict(list)
        self.liquidations: dict[str, list[int]] = defaultdict(list)
        self.books: dict[str, int | None] = {}
        self.gaps: list[Gap] = []
        self.rejects = 0
        self.uncertain: set[tuple[str, int]] = set()
        """Trades and liquidations of batches whose acknowledgement nobody heard."""
        self.in_hand: Sequence[Event] = ()
        self.changed = asyncio.Event()

    async def publish(self, events: Sequence[Event], *, topic: Any = None) -> None:
        await asyncio.sleep(0)
        self.in_hand = events
        while self.mode == "deaf":
            self.changed.clear()
            await self.changed.wait()
        if self.mode == "down":
            raise DependencyDown("down")
        if topic is not None:
            self.rejects += len(events)
            return
        if any(isinstance(event, Trade) and event.size > 1 for event in events):
            raise DependencyDown("too large") from MessageSizeTooLargeError()
        taken = events[: len(events) // 2 + 1] if self.mode == "forgetful" else events
        for event in taken:
            self._take(event)
        if self.mode == "forgetful":
            self.unsure()
            raise DependencyDown("no answer")

    def unsure(self) -> None:
        """Nobody knows what became of the last call."""
        for event in self.in_hand:
            if isinstance(event, Trade | Liquidation):
                self.uncertain.add((event.symbol, event.event_ns))

    def _take(self, event: Event) -> None:
        match event:
            case Trade():
                self.trades[event.symbol].append(event.event_ns)
            case Liquidation():
                self.liquidations[event.symbol].append(event.event_ns)
            case Gap():
                self.gaps.append(event)
            case BookSnapshot():
                self.books[event.symbol] = event.sequence
            case BookDelta():
                at = self.books.get(event.symbol)
                assert at is not None, "a delta before any snapshot"
                assert event.first_sequence <= at + 1, "a delta that does not continue the reader's book"
                self.books[event.symbol] = max(at, event.last_sequence)

    async def put(self, topic: Any, key: bytes, value: bytes | None, *, partition: int | None = None) -> int:
        while self.mode == "deaf":
            self.changed.clear()
            await self.changed.wait()
        if self.mode != "up":
            raise DependencyDown("down")
        return 1


class SpillMachine(RuleBasedStateMachine):
    """The oracle is the plain list of what was offered."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = _Loop()
        self.folder = Path(tempfile.mkdtemp(prefix="csx-spill-"))
        self.topic = _Topic()
        self.cursor = dict.fromkeys(SYMBOLS, 0)
        self.newest = dict.fromkeys(SYMBOLS, 0)
        self.large: set[tuple[str, int]] = set()
        self.liquidations: dict[str, list[int]] = defaultdict(list)
        self.number = 0
        self.kills = 0
        self.rewinds = 0
        self.start()

    def start(self) -> None:
        self.buffer = Buffer(LIMIT)
        self.books = dict.fromkeys(SYMBOLS, 0)
        self.session: set[str] = set()
        self.ring = Ring(self.folder, RING_BYTES)
        found = self.ring.open()
        marks = {symbol: Mark(str(seen[-1]), seen[-1]) for symbol, seen in self.topic.trades.items() if seen}
        self.ledger = Ledger("test", self.buffer)
        self.spill = Spill(
            "test",
            self.ring,
            self.buffer,
            self.ledger,
            grace_s=0.0004,
            backoff=Backoff(0.0001, 0.0002),
            disk=at_once,
        )
        self.spill.begin(found, {symbol: mark.event_ns for symbol, mark in marks.items()})
        self.spill.shedding.serve(self.rewind, lambda *_: None, lambda _: None)
        self.marks = marks | {symbol: mark_of(one) for symbol, one in self.spill.kept.items()}
        for symbol in SYMBOLS:
            self.cursor[symbol] = self.marks[symbol].event_ns if symbol in self.marks else 0
        self.draining = Draining(
            "test",
            self.buffer,
            self.topic,
            ledger=self.ledger,
            spill=self.spill,
            backoff=Backoff(0.0001, 0.0002),
            clock=lambda: 0.0,
        )
        self.running = self.loop.create_task(self.draining.run())
        self.waiting: list[asyncio.Task[None]] = []

    async def rewind(self, symbol: str, rewound: Callable[[], None]) -> bool:
        """What `Recovery` does: offer everything behind the mark again, nothing of before."""
        mark = self.draining.marks.get(symbol) or self.marks.get(symbol)
        if mark is None and self.newest[symbol] == 0:
            return False
        if self.waiting:  # who waits holds the symbol's turn
            await asyncio.wait(self.waiting)
        self.cursor[symbol] = mark.event_ns if mark else 0
        self.rewinds += 1
        rewound()
        return True

    def spin(self) -> None:
        for _ in range(12):
            self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.run_until_complete(asyncio.sleep(0.001))
        assert not self.running.done(), self.running

    def offer(self, event: MarketEvent) -> None:
        self.waiting = [task for task in self.waiting if not task.done()]
        self.waiting.append(self.loop.create_task(self.buffer.put(event)))
        self.loop.run_until_complete(asyncio.sleep(0))

    @rule(symbol=st.sampled_from(SYMBOLS), count=st.integers(1, 25), large=st.booleans())
    def trades(self, symbol: str, count: int, large: bool) -> None:
        for _ in range(count):
            self.cursor[symbol] += 1
            number = self.cursor[symbol]
            self.newest[symbol] = max(self.newest[symbol], number)
            event = trade(symbol, number)
            if (large and number % 5 == 0) or (symbol, number) in self.large:
                self.large.add((symbol, number))
                event = Trade(**common(symbol, number), price=1.0, size=2.0, side=Side.BUY, trade_id=str(number))
            self.offer(event)
        self.spin()

    @rule(symbol=st.sampled_from(SYMBOLS), count=st.integers(1, 8))
    def states(self, symbol: str, count: int) -> None:
        for _ in range(count):
            self.number += 1
            self.offer(FundingRate(**common(symbol, self.number), rate=0.1))
            self.number += 1
            self.liquidations[symbol].append(self.number)
            liquidation = Liquidation(**common(symbol, self.number), price=1.0, size=1.0, liquidated=PositionSide.LONG)
            self.offer(liquidation)
        self.spin()

    @rule(symbol=st.sampled_from(SYMBOLS), count=st.integers(1, 8))
    def book(self, symbol: str, count: int) -> None:
        if symbol not in self.session:
            self.session.add(symbol)
            self.books[symbol] = self.number = self.number + 10
            self.buffer.offer_book(self.whole(symbol), self.whole)
        for _ in range(count):
            self.books[symbol] += 1
            at = self.books[symbol]
            delta = BookDelta(**common(symbol, at), bids=(), asks=(), first_sequence=at, last_sequence=at)
            self.buffer.offer_book(delta, self.whole)
        self.spin()

    def whole(self, symbol: str) -> BookSnapshot:
        return BookSnapshot(**common(symbol, self.books[symbol]), bids=(), asks=(), sequence=self.books[symbol])

    @rule(mode=st.sampled_from(["up", "down", "deaf", "forgetful"]))
    def broker(self, mode: str) -> None:
        self.topic.mode = mode
        self.topic.changed.set()
        self.spin()

    @rule(torn=st.integers(0, 40), garbage=st.booleans())
    def kill(self, torn: int, garbage: bool) -> None:
        """The process dies; the record that it was writing may be torn."""
        self.kills += 1
        self.topic.unsure()
        self.end()
        files = sorted(self.folder.glob("trades-*.ring"))
        if files and garbage:
            with files[-1].open("ab") as file:
                file.write(b"\x50\x00\x00\x00" * (torn // 4))
        elif files and torn:
            data = files[-1].read_bytes()
            files[-1].write_bytes(data[: max(0, len(data) - torn)])
        self.start()
        self.spin()

    def end(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks))
        self.ring.abandon()
        for lane in self.ring._lanes:
            lane._abandon()

    def teardown(self) -> None:
        self.broker("up")
        for _ in range(400):
            self.spin()
            behind = [symbol for symbol in SYMBOLS if self.cursor[symbol] < self.newest[symbol]]
            for symbol in behind:  # what the venue's REST would give
                self.trades(symbol, min(4, self.newest[symbol] - self.cursor[symbol]), large=False)
            busy = self.spill.away or self.buffer.pending or any(not task.done() for task in self.waiting)
            if not behind and not busy and not self.ring.shut:
                break
        else:
            raise AssertionError("it does not come to rest")
        self.spin()
        self.compare()
        self.buffer.close()
        self.loop.run_until_complete(asyncio.wait_for(self.running, 5))
        self.end()
        self.loop.close()
        shutil.rmtree(self.folder)

    def compare(self) -> None:
        for symbol in SYMBOLS:
            expected = [n for n in range(1, self.newest[symbol] + 1) if (symbol, n) not in self.large]
            seen = self.topic.trades[symbol]
            assert list(dict.fromkeys(seen)) == expected
            twice = {number for number in seen if seen.count(number) > 1}
            assert all((symbol, number) in self.topic.uncertain for number in twice)
            if symbol in self.session:
                assert self.topic.books[symbol] == self.books[symbol]
            told = list(dict.fromkeys(self.topic.liquidations[symbol]))
            assert told == sorted(told)
            if not self.kills:
                holes = [gap for gap in self.topic.gaps if gap.symbol == symbol and gap.stream == "liquidations"]
                for number in set(self.liquidations[symbol]) - set(told):
                    assert any(gap.from_ns < number < gap.to_ns for gap in holes), "lost unseen"
        for account in self.ledger.accounts.values():
            assert account.in_flight == account.on_disk == 0

    @invariant()
    def accounted(self) -> None:
        for stream in self.ledger.accounts:
            assert self.ledger.unaccounted(stream) == 0
        counts = self.buffer.counts.values()
        assert sum(one.offered for one in counts) == self.buffer.pending + sum(
            one.taken + one.conflated for one in counts
        )

    @invariant()
    def bounded(self) -> None:
        assert self.ring.size <= RING_BYTES
        assert sum(file.stat().st_size for file in self.folder.glob("*.ring")) <= RING_BYTES
        for lane in self.buffer._lanes.values():
            assert len(lane.events) <= LIMIT


SpillMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestSpillAgainstModel = SpillMachine.TestCase
