"""A signal on the topic is recomputed from the log: equal, or the first difference is named."""

import msgspec
import pytest

from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import encode
from libs.common.bus.publisher import Publisher, partition_of
from libs.common.bus.reading import Reader
from libs.common.events import Signal, Timeframe, Trade
from libs.common.runtime.errors import CheckFailed, ConfigurationError, InputError
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine
from services.signals.merge import Arrived
from services.signals.partition import Partition
from services.signals.snapshots import Snapshot, describe, pack, pack_folded, snapshot_key
from services.signals.verification import verify

CONFIG = EngineConfig(timeframes=(Timeframe.M1,))
TRADES = topics.TRADES.name


class Worker:
    """Does what the service does with one symbol's trades: journal, fold, publish; a snapshot where it is told."""

    def __init__(self, publisher, symbol):
        self.publisher = publisher
        self.partition = Partition(partition_of(symbol.encode(), topics.MARKET_PARTITIONS), Engine(CONFIG))
        self.number = self.partition.number

    async def fold(self, trades):
        batch = [
            Arrived(TRADES, await self.publisher.put(topics.TRADES, b"k", encode(one), partition=self.number), one)
            for one in trades
        ]
        entry = describe(self.number, [(one.topic, one.offset) for one in batch])
        offset = await self.publisher.put(topics.JOURNAL, b"k", pack_folded(entry), partition=self.number)
        self.partition.journal_offset = offset + 1
        outputs, _ = self.partition.fold(batch)
        signals = [output for output in outputs if isinstance(output, Signal)]
        await self.publisher.publish(signals)
        return signals

    async def snapshot(self, at_ns):
        data = pack(
            Snapshot(
                partition=self.number,
                offsets=self.partition.offsets,
                journal_offset=self.partition.journal_offset,
                engine=self.partition.engine.dump(),
                taken_ns=at_ns,
            )
        )
        await self.publisher.put(topics.STATE, snapshot_key(at_ns), data, partition=self.number)


@pytest.fixture
async def publisher(embedded_broker):
    await ensure_topics(embedded_broker, topics.TOPICS)
    publisher = Publisher(embedded_broker, "csx-test")
    await publisher.start()
    yield publisher
    await publisher.stop()


async def said(publisher, make, symbol):
    """Six minutes in four batches, a snapshot after the second and the third; the signals in order."""
    trades = [msgspec.structs.replace(event, symbol=symbol) for event in make.market(4, 6) if isinstance(event, Trade)]
    worker, signals = Worker(publisher, symbol), []
    quarter = len(trades) // 4
    for n in range(4):
        signals += await worker.fold(trades[n * quarter : (n + 1) * quarter])
        if n in {1, 2}:
            await worker.snapshot(trades[n * quarter].event_ns)
    assert len(signals) >= 4
    return signals


async def test_every_signal_is_made_again_from_the_newest_snapshot_before_it(embedded_broker, publisher, make):
    signals = await said(publisher, make, "VER-A-USDT")
    async with Reader(embedded_broker, "csx-test") as reader:
        found = [await verify(reader, signal.signal_id, CONFIG) for signal in signals]
    assert all(one.equal and one.difference is None and one.records == 1 for one in found)
    assert found[0].since == "the journal's start"
    assert "/" in found[-1].since
    assert found[-1].replayed < found[0].replayed + 400


async def test_a_record_that_was_changed_is_named_with_the_field(embedded_broker, publisher, make):
    signals = await said(publisher, make, "VER-B-USDT")
    await publisher.publish([msgspec.structs.replace(signals[-1], price=1.5)])
    async with Reader(embedded_broker, "csx-test") as reader:
        found = await verify(reader, signals[-1].signal_id, CONFIG)
    assert (found.equal, found.records) == (False, 2)
    assert found.difference == f"price: published 1.5, recomputed {signals[-1].price!r}"


async def test_what_cannot_be_verified_says_why(embedded_broker, publisher, make):
    signals = await said(publisher, make, "VER-C-USDT")
    unmade = msgspec.structs.replace(signals[-1], signal_id="sig_nobody")
    await publisher.publish([unmade])
    async with Reader(embedded_broker, "csx-test") as reader:
        with pytest.raises(InputError, match="no signal sig_unknown is kept"):
            await verify(reader, "sig_unknown", CONFIG)
        with pytest.raises(ConfigurationError, match=r"was made by engine version .* see CSX_SIGNALS_\*"):
            await verify(reader, signals[0].signal_id, EngineConfig())
        with pytest.raises(CheckFailed, match="makes no signal sig_nobody"):
            await verify(reader, "sig_nobody", CONFIG)
