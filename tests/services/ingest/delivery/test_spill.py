"""The broker away under a running publisher: to disk after the grace, back in order, and what a full disk costs."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from libs.common.events import BookDelta, BookSnapshot, Gap, Liquidation, PositionSide
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.settings import load
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.ledger import Ledger
from services.ingest.delivery.leftovers import Leftovers, leftovers
from services.ingest.delivery.publisher import Draining, Mark
from services.ingest.delivery.ring import Ring
from services.ingest.delivery.spill import Spill
from services.ingest.recovery.backfill import Limits
from services.ingest.recovery.gaps import Gaps
from services.ingest.recovery.recovery import Recovery
from services.ingest.settings import Settings

MIB = 2**20


def quick() -> Backoff:
    return Backoff(initial_s=0.001, cap_s=0.002)


class _Parts:
    """A buffer, a ring and a publisher that run."""

    def __init__(
        self, folder: Path, broker: Any, *, limit_bytes: int = MIB, lane: int = 50, grace_s: float = 0.02
    ) -> None:
        self.ring = Ring(folder, limit_bytes)
        found = self.ring.open()
        self.buffer = Buffer(lane)
        self.ledger = Ledger("tiny", self.buffer)
        self.spill = Spill("tiny", self.ring, self.buffer, self.ledger, grace_s=grace_s, backoff=quick())
        self.spill.begin(found, {})
        self.now = 0.0
        self.draining = Draining(
            "tiny",
            self.buffer,
            broker,
            ledger=self.ledger,
            spill=self.spill,
            backoff=quick(),
            clock=lambda: self.now,
        )
        self.running = asyncio.create_task(self.draining.run())

    async def end(self) -> None:
        self.buffer.close()
        await asyncio.wait_for(self.running, 10)
        await self.spill.close()
        assert all(self.ledger.unaccounted(stream) == 0 for stream in self.ledger.accounts)

    async def kill(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        self.ring.close()


async def test_while_the_broker_is_away_nobody_waits_and_nothing_is_lost(tmp_path, tiny) -> None:
    broker = tiny.Broker()
    parts = _Parts(tmp_path, broker)
    broker.down = True
    for number in range(1, 3001):
        await asyncio.wait_for(parts.buffer.put(tiny.trade(number)), 5)
    await tiny.until(lambda: parts.ledger.on_disk > 2900)
    assert parts.buffer.pending < 60
    assert (parts.draining.fault() or "").startswith("the broker does not take records: ")
    assert parts.draining.marks["BTC-USDT"].event_ns > 2900 * 1_000_000
    broker.down = False
    await tiny.until(lambda: len(broker.events) == 3000)
    await tiny.until(lambda: parts.draining.fault() is None)
    await parts.end()
    assert broker.trade_ids == list(range(1, 3001))
    account = parts.ledger.accounts["trades"]
    assert account.spilled > 2900
    assert account.published == 3000
    assert not list(tmp_path.glob("*.ring"))


async def test_short_trouble_costs_no_disk(tmp_path, tiny) -> None:
    broker = tiny.Broker()
    parts = _Parts(tmp_path, broker, grace_s=5.0)
    broker.down = True
    await parts.buffer.put(tiny.trade(1))
    await tiny.until(lambda: broker.refused > 3)
    broker.down = False
    await tiny.until(lambda: broker.trade_ids == [1])
    assert parts.ledger.accounts["trades"].spilled == 0
    await parts.end()


async def test_the_next_process_publishes_first_what_is_left(tmp_path, tiny) -> None:
    broker = tiny.Broker()
    broker.down = True
    parts = _Parts(tmp_path, broker)
    for number in range(1, 501):
        await parts.buffer.put(tiny.trade(number))
    await tiny.until(lambda: parts.ledger.on_disk == 500)
    await parts.kill()
    broker.down = False
    left = await leftovers(tmp_path.parent, 1, tmp_path.name)
    assert left is not None
    buffer = Buffer()
    ledger = Ledger("tiny", buffer)
    spill, marks = left.spill("tiny", buffer, ledger, {"BTC-USDT": Mark("0", 0)}, load(Settings))
    assert marks == {"BTC-USDT": Mark("500", 500_000_000)}
    draining = asyncio.create_task(Draining("tiny", buffer, broker, ledger=ledger, spill=spill).run())
    await buffer.put(tiny.trade(501))
    await tiny.until(lambda: len(broker.events) == 501)
    assert broker.trade_ids == list(range(1, 502))
    buffer.close()
    await draining
    await spill.close()


async def test_leftovers_that_later_runs_overtook_are_not_published_again(tmp_path, tiny) -> None:
    with Ring(tmp_path / "tiny", MIB) as ring:
        ring.append([tiny.trade(number) for number in range(1, 11)])
    left = await leftovers(tmp_path, 1, "tiny")
    assert left is not None
    buffer, broker = Buffer(), tiny.Broker()
    ledger = Ledger("tiny", buffer)
    newest = {"BTC-USDT": Mark("99", 99_000_000)}
    spill, marks = left.spill("tiny", buffer, ledger, newest, load(Settings))
    assert marks == newest
    buffer.close()
    await Draining("tiny", buffer, broker, ledger=ledger, spill=spill).run()
    await spill.close()
    assert broker.events == []
    assert ledger.accounts["trades"].known == 10


async def test_a_directory_that_cannot_be_used_is_told_and_nothing_else(tmp_path, tiny, caplog) -> None:
    (tmp_path / "tiny").touch()
    assert await leftovers(tmp_path, 1, "tiny") is None
    assert "mend CSX_INGEST_SPILL_DIR" in caplog.text
    assert await leftovers(None, 1, "tiny") is None


async def test_books_come_back_whole_with_a_closed_gap(tmp_path, tiny) -> None:
    broker = tiny.Broker()
    parts = _Parts(tmp_path, broker)

    def whole(symbol: str) -> BookSnapshot:
        common: dict[str, Any] = {"venue": "tiny", "symbol": symbol, "event_ns": at, "received_ns": at}
        return BookSnapshot(**common, bids=((1.0, float(at)),), asks=(), sequence=at)

    at = 10
    parts.buffer.offer_book(whole("BTC-USDT"), whole)
    await tiny.until(lambda: len(broker.events) == 1)
    broker.down = True
    await parts.buffer.put(tiny.trade(1))
    await tiny.until(lambda: parts.spill.away)
    for at in range(11, 700):
        delta = BookDelta(
            venue="tiny",
            symbol="BTC-USDT",
            event_ns=at,
            received_ns=at,
            bids=((1.0, float(at)),),
            asks=(),
            first_sequence=at,
            last_sequence=at,
        )
        parts.buffer.offer_book(delta, whole)
    broker.down = False
    await tiny.until(lambda: broker.of(Gap))
    (gap,) = broker.of(Gap)
    assert (gap.stream, gap.cause, gap.from_ns, gap.to_ns, gap.recovered) == ("books", "shed", 10, 699, True)
    assert [book.sequence for book in broker.of(BookSnapshot)] == [10, 699]
    assert not broker.of(BookDelta)
    await parts.end()


async def test_shed_liquidations_are_told_while_open_and_when_over(tmp_path, tiny) -> None:
    broker = tiny.Broker()
    parts = _Parts(tmp_path, broker, limit_bytes=32 * 1024)
    broker.down = True
    offered = []
    for number in range(1, 400):
        offered.append(number)
        await parts.buffer.put(
            Liquidation(
                venue="tiny",
                symbol="BTC-USDT",
                event_ns=number,
                received_ns=number,
                price=1.0,
                size=1.0,
                liquidated=PositionSide.LONG,
            )
        )
    await tiny.until(lambda: parts.ledger.accounts["liquidations"].shed > 0 and not parts.buffer.pending)
    broker.down = False
    await tiny.until(lambda: parts.draining.fault() is None)
    await parts.end()
    kept = [one.event_ns for one in broker.of(Liquidation)]
    lost = [number for number in offered if number not in kept]
    opened, closed = broker.of(Gap)
    assert lost
    assert (opened.from_ns, opened.to_ns, opened.cause, opened.recovered) == (lost[0] - 1, lost[0] - 1, "shed", False)
    assert (closed.from_ns, closed.to_ns, closed.cause, closed.recovered) == (lost[0] - 1, lost[-1] + 1, "shed", False)
    assert parts.ledger.accounts["liquidations"].shed == len(lost)


async def test_shed_trades_are_fetched_from_the_venue_behind_the_last_one_kept(tmp_path, tiny, rest_of) -> None:
    broker, asked = tiny.Broker(), []
    parts = _Parts(tmp_path, broker, limit_bytes=64 * 1024)
    venue = tiny.Venue()
    last_known = 2000

    def answer(path: str) -> object:
        after = int(path.rpartition("&")[2])
        asked.append(after)
        return list(range(after + 1, min(after + 501, last_known + 1)))

    gaps = Gaps("tiny", tiny.trade(1).origin, parts.buffer)
    recovery = Recovery(
        venue, {"BTC-USDT": venue.instrument()}, rest_of(answer), parts.buffer, gaps, limits=Limits(grace_s=0.0)
    )

    async def rewind(symbol: str, rewound: Callable[[], None]) -> bool:
        mark = parts.draining.marks[symbol]
        return await recovery.rewind(symbol, mark.trade_id, mark.event_ns, rewound)

    parts.spill.shedding.serve(rewind, lambda *_: None, lambda _: None)
    broker.down = True
    for number in range(1, last_known + 1):
        await recovery.offer(tiny.trade(number))
    await tiny.until(lambda: parts.ledger.accounts["trades"].shed > 100)
    broker.down = False
    await tiny.until(lambda: parts.draining.fault() is None and not parts.ring.shut)
    kept = len(broker.trade_ids)
    assert broker.trade_ids == list(range(1, kept + 1))
    assert kept < last_known
    last_known += 1
    await recovery.offer(tiny.trade(last_known))
    await tiny.until(lambda: len(broker.trade_ids) == last_known)
    assert broker.trade_ids == list(range(1, last_known + 1))
    assert asked[0] == kept
    await tiny.until(lambda: len(broker.of(Gap)) == 2)
    opened, closed = broker.of(Gap)
    assert (opened.cause, opened.from_ns, opened.to_ns) == ("shed", kept * 1_000_000, kept * 1_000_000)
    assert (closed.cause, closed.from_ns, closed.recovered) == ("shed", kept * 1_000_000, True)
    await recovery.stop()
    await parts.end()


async def test_shed_trades_that_nobody_can_fetch_leave_a_gap(tmp_path, tiny) -> None:
    broker = tiny.Broker()
    parts = _Parts(tmp_path, broker, limit_bytes=32 * 1024)
    unfilled = []

    async def rewind(symbol: str, rewound: Callable[[], None]) -> bool:
        return False

    parts.spill.shedding.serve(rewind, lambda *hole: unfilled.append(hole), lambda _: None)
    broker.down = True
    for number in range(1, 1001):
        await parts.buffer.put(tiny.trade(number))
    await tiny.until(lambda: not parts.buffer.pending)
    broker.down = False
    await tiny.until(lambda: broker.of(Gap) and not parts.ring.shut)
    await parts.buffer.put(tiny.trade(1001))
    await parts.end()
    kept = broker.trade_ids[-2]
    assert broker.trade_ids == [*range(1, kept + 1), 1001]
    (gap,) = broker.of(Gap)
    assert gap.from_ns == (kept + 1) * 1_000_000 - 1
    assert gap.to_ns == 1000 * 1_000_000 + 1
    assert not gap.recovered
    assert unfilled == [("BTC-USDT", gap.from_ns, gap.to_ns)]


async def test_a_disk_that_refuses_makes_the_readers_wait_as_without_one(tmp_path, tiny, caplog) -> None:
    broker = tiny.Broker()
    parts = _Parts(tmp_path, broker, lane=10)
    (tmp_path / f"trades-{1:020d}.ring").mkdir()  # where the first file would be
    broker.down = True

    async def read() -> None:
        for number in range(1, 101):
            await parts.buffer.put(tiny.trade(number))

    reader = asyncio.create_task(read())
    await tiny.until(lambda: "the disk does not take events" in caplog.text and parts.buffer.pending == 10)
    assert not reader.done()
    assert parts.ledger.on_disk == 0
    (tmp_path / f"trades-{1:020d}.ring").rmdir()
    await asyncio.wait_for(reader, 5)
    await tiny.until(lambda: parts.ledger.on_disk == 100)
    broker.down = False
    await tiny.until(lambda: len(broker.events) == 100)
    assert broker.trade_ids == list(range(1, 101))
    await parts.end()


async def test_a_hung_position_does_not_keep_events_from_the_disk(tmp_path, tiny) -> None:
    broker = tiny.Broker()
    parts = _Parts(tmp_path, broker)
    await parts.buffer.put(tiny.trade(1))
    await tiny.until(lambda: broker.positions)
    gate = asyncio.Event()
    parts.now = 10.0  # the next position is due

    async def put(*_: Any, **__: Any) -> int:
        await gate.wait()
        return 1

    broker.put = put
    for number in range(2, 302):
        await parts.buffer.put(tiny.trade(number))
    await tiny.until(lambda: parts.ledger.on_disk > 100)
    gate.set()
    await tiny.until(lambda: len(broker.events) == 301)
    assert broker.trade_ids == list(range(1, 302))
    await parts.end()


def test_leftovers_say_where_the_tape_ends(tmp_path, tiny) -> None:
    with Ring(tmp_path, MIB) as ring:
        ring.append([tiny.trade(7)])
    ring = Ring(tmp_path, MIB)
    left = Leftovers(ring, ring.open())
    buffer = Buffer()
    _, marks = left.spill("tiny", buffer, Ledger("tiny", buffer), {}, load(Settings))
    assert marks == {"BTC-USDT": Mark("7", 7_000_000)}
    ring.close()
    assert msgspec.json.encode(marks["BTC-USDT"]) == b'{"trade_id":"7","event_ns":7000000}'
