"""What a partition was: damaged snapshots, overlapping journals, a log that forgot; and one market that breaks."""

from collections.abc import AsyncIterator

import pytest

from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.publisher import Publisher
from libs.common.bus.reading import Reader
from libs.common.events import MarketEvent, Side, Trade
from services.signals.engine.closing import Output
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine
from services.signals.engine.parameters.plan import PlanParameters
from services.signals.merge import Arrived
from services.signals.partition import Partition
from services.signals.recovery import recover
from services.signals.snapshots import Folded, Snapshot, describe, pack, pack_folded

CONFIG = EngineConfig()
NAME = topics.TRADES.name


def _trade(number: int, symbol: str = "BTC-USDT") -> Trade:
    return Trade(
        venue="okx", symbol=symbol, event_ns=number, received_ns=number, price=1.0, size=1.0, side=Side.BUY,
        trade_id=str(number),
    )  # fmt: skip


class Log:
    """Partitions of a broker, written as a worker would."""

    def __init__(self, publisher: Publisher, reader: Reader) -> None:
        self.publisher = publisher
        self.reader = reader

    async def trades(self, partition: int, *numbers: int) -> list[int]:
        from libs.common.bus.codec import encode

        return [
            await self.publisher.put(topics.TRADES, b"BTC-USDT", encode(_trade(number)), partition=partition)
            for number in numbers
        ]

    async def journal(self, partition: int, entry: Folded) -> int:
        return await self.publisher.put(topics.JOURNAL, b"k", pack_folded(entry), partition=partition)

    async def snapshot(self, partition: int, engine: Engine, upto: int, journal_offset: int) -> None:
        data = pack(
            Snapshot(
                partition=partition,
                offsets={NAME: upto},
                journal_offset=journal_offset,
                engine=engine.dump(),
                taken_ns=1,
            )
        )
        await self.publisher.put(topics.STATE, b"engine", data, partition=partition)


@pytest.fixture
async def log(embedded_broker: str) -> AsyncIterator[Log]:
    await ensure_topics(embedded_broker, topics.TOPICS)
    publisher = Publisher(embedded_broker, "csx-test")
    await publisher.start()
    async with Reader(embedded_broker, "csx-test") as reader:
        yield Log(publisher, reader)
    await publisher.stop()


async def test_where_nothing_was_the_engine_starts_new_and_everything_is_read(log):
    found = await recover(log.reader, 0, CONFIG)
    assert (found.cold, found.batches, found.partition.offsets) == (False, [], {})


async def test_the_journal_alone_brings_everything_back_in_its_order(log):
    await log.trades(1, 10, 11, 12)
    await log.journal(1, describe(1, [(NAME, 0), (NAME, 1)]))
    await log.journal(1, describe(1, [(NAME, 2)]))
    found = await recover(log.reader, 1, CONFIG)
    assert [[arrived.offset for arrived in batch] for batch in found.batches] == [[0, 1], [2]]
    assert found.partition.journal_offset == 2


async def test_a_damaged_snapshot_is_passed_over_for_the_one_before(log):
    engine = Engine(CONFIG)
    engine.apply(_trade(20))
    await log.trades(2, 20, 21)
    await log.snapshot(2, engine, upto=1, journal_offset=0)
    await log.journal(2, describe(2, [(NAME, 1)]))
    await log.publisher.put(topics.STATE, b"engine", b"damaged", partition=2)
    found = await recover(log.reader, 2, CONFIG)
    assert found.partition.offsets == {NAME: 1}
    assert [[arrived.offset for arrived in batch] for batch in found.batches] == [[1]]
    assert found.partition.engine.dump() == engine.dump()


async def test_a_snapshot_of_another_configuration_is_of_no_use(log):
    engine = Engine(EngineConfig(plan=PlanParameters(fee_rate=0.001)))
    await log.snapshot(3, engine, upto=5, journal_offset=0)
    found = await recover(log.reader, 3, CONFIG)
    assert found.partition.offsets == {}


async def test_an_entry_of_a_worker_that_had_lost_the_partition_is_skipped(log):
    await log.trades(4, 40, 41, 42)
    await log.journal(4, describe(4, [(NAME, 0), (NAME, 1)]))
    await log.journal(4, describe(4, [(NAME, 1), (NAME, 2)]))  # the zombie's: offset 1 was folded before
    await log.journal(4, describe(4, [(NAME, 2)]))
    found = await recover(log.reader, 4, CONFIG)
    assert [[arrived.offset for arrived in batch] for batch in found.batches] == [[0, 1], [2]]


async def test_a_journal_that_names_records_nobody_keeps_leads_to_a_cold_start(log):
    await log.trades(5, 50)
    await log.journal(5, describe(5, [(NAME, 0)]))
    await log.publisher.put(topics.TRADES, b"BTC-USDT", b"no event", partition=5)
    await log.journal(5, describe(5, [(NAME, 1)]))
    found = await recover(log.reader, 5, CONFIG)
    assert found.cold
    assert found.batches == []
    assert found.partition.journal_offset == 2


class Fragile(Engine):
    """An engine with a bug for one market."""

    def apply(self, event: MarketEvent) -> list[Output]:
        if event.symbol == "BAD-USDT" and event.event_ns > 1:
            raise ZeroDivisionError("a bug")
        return super().apply(event)


def test_a_market_that_breaks_is_reset_alone_and_its_event_parked():
    partition = Partition(0, Fragile(CONFIG))
    events = [_trade(1, "BAD-USDT"), _trade(2, "BAD-USDT"), _trade(3, "BTC-USDT")]
    _, rejects = partition.fold([Arrived(NAME, offset, event) for offset, event in enumerate(events)])
    (reject,) = rejects
    assert (reject.reason, reject.origin_of, reject.context) == (
        "handler", f"{NAME}/0/1", {"venue": "okx", "symbol": "BAD-USDT"},
    )  # fmt: skip
    alone = Engine(CONFIG)
    alone.apply(events[2])
    assert partition.engine.dump() == alone.dump()
    assert partition.offsets == {NAME: 3}


def test_a_record_taken_twice_is_folded_once():
    partition = Partition(0, Engine(CONFIG))
    for offset in (0, 1, 0, 1, 2):
        partition.take(Arrived(NAME, offset, _trade(offset + 1)))
    released = partition.release({topic.name for topic in topics.MARKET})
    assert [arrived.offset for arrived in released] == [0, 1, 2]
    assert partition.held_back == 0
