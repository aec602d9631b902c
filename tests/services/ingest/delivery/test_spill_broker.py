"""The real client and broker: stopped for a while under load, killed and started again; every trade, in order."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import free_port
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import decode
from libs.common.bus.publisher import Publisher
from libs.common.bus.reading import Reader
from libs.common.bus.topics import POSITIONS, TOPICS, TRADES
from libs.common.events import Trade
from libs.common.runtime import settings
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.ledger import Ledger
from services.ingest.delivery.leftovers import leftovers
from services.ingest.delivery.publisher import Draining
from services.ingest.delivery.spill import Spill
from services.ingest.recovery.positions import last_published
from services.ingest.settings import Settings

pytestmark = pytest.mark.slow
SYMBOLS = ("BTC-USDT", "ETH-USDT", "SOL-USDT")
_HEAVY_S = 0.001
"""Pause between trades of each symbol during an outage, so that much is kept soon."""
_LIGHT_S = 0.02
"""The pause afterwards: how fast a machine's broker catches up is not what is tested."""


@pytest.fixture
def broker() -> Iterator[tuple[EmbeddedBroker, Path, int]]:
    """A broker process on a port of its own; the test may stop, kill and start it again."""
    with tempfile.TemporaryDirectory(prefix="csx-test-") as name:
        server, port = EmbeddedBroker(), free_port()
        server.start(Path(name), port)
        yield server, Path(name), port
        server.stop()


@pytest.fixture
async def publisher(broker) -> AsyncIterator[Publisher]:
    """The service's own client."""
    address = f"127.0.0.1:{broker[2]}"
    await ensure_topics(address, TOPICS)
    publisher = Publisher(address, "test")
    await publisher.start()
    yield publisher
    await publisher.stop()


class _Load:
    """Trades with consecutive ids, as fast as the buffer takes them, up to a rate."""

    def __init__(self, tiny, buffer: Buffer, first: int = 1) -> None:
        self.offered = first - 1
        self.pause_s = _HEAVY_S
        self._tiny = tiny
        self._buffer = buffer
        self._stopping = False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._stopping:
            self.offered += 1
            for symbol in SYMBOLS:
                await self._buffer.put(self._tiny.trade(self.offered, symbol=symbol))
            await asyncio.sleep(self.pause_s)

    async def stop(self) -> None:
        self._stopping = True
        await self._task


async def on_topic(address: str) -> dict[str, list[int]]:
    """Return the ids on the topic, by symbol, in the topic's order."""
    found: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
    async with Reader(address, "test") as reader:
        for partition in range(TRADES.partitions):
            first, last = await reader.bounds(TRADES, partition)
            async for raw in reader.read(TRADES, partition, first, last):
                event = decode(raw.value or b"")
                assert isinstance(event, Trade)
                found[event.symbol].append(int(event.trade_id))
    return found


async def test_a_broker_that_stops_and_one_that_is_killed_cost_no_trade(broker, publisher, tmp_path, tiny) -> None:
    server, home, port = broker
    left = await leftovers(tmp_path, 64, "tiny")
    assert left is not None
    buffer = Buffer()
    ledger = Ledger("tiny", buffer)
    spill = Spill("tiny", left.ring, buffer, ledger, grace_s=0.5)
    draining = Draining("tiny", buffer, publisher, ledger=ledger, spill=spill)
    running = asyncio.create_task(draining.run())
    load = _Load(tiny, buffer)
    account = ledger.accounts["trades"]

    await tiny.until(lambda: account.published > 1000, 60)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        await tiny.until(lambda: account.on_disk > 5000, 60)
        assert draining.fault() is not None
        assert buffer.pending <= len(SYMBOLS) * 500
    finally:
        os.kill(server.pid, signal.SIGCONT)
    load.pause_s = _LIGHT_S
    await tiny.until(lambda: not spill.away, 120)

    load.pause_s = _HEAVY_S
    spilled = account.spilled
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    await tiny.until(lambda: account.spilled > spilled + 3000, 60)
    server.start(home, port)
    load.pause_s = _LIGHT_S
    await tiny.until(lambda: not spill.away, 120)
    await load.stop()
    buffer.close()
    await asyncio.wait_for(running, 60)
    await spill.close()

    found = await on_topic(f"127.0.0.1:{port}")
    for symbol in SYMBOLS:
        assert list(dict.fromkeys(found[symbol])) == list(range(1, load.offered + 1))
    assert account.replayed > 8000
    assert all(ledger.unaccounted(stream) == 0 for stream in ledger.accounts)
    assert not list((tmp_path / "tiny").glob("*.ring"))


async def test_a_process_killed_during_the_outage_leaves_what_the_next_one_publishes_first(
    broker, publisher, tmp_path, tiny
) -> None:
    server, home, port = broker
    address = f"127.0.0.1:{port}"
    left = await leftovers(tmp_path, 64, "tiny")
    assert left is not None
    buffer = Buffer()
    ledger = Ledger("tiny", buffer)
    spill = Spill("tiny", left.ring, buffer, ledger, grace_s=0.2)
    running = asyncio.create_task(Draining("tiny", buffer, publisher, ledger=ledger, spill=spill).run())
    load = _Load(tiny, buffer)
    await tiny.until(lambda: ledger.accounts["trades"].published > 500, 20)
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    await tiny.until(lambda: ledger.accounts["trades"].on_disk > 3000, 30)
    await load.stop()
    await tiny.until(lambda: not buffer.pending and not ledger.accounts["trades"].in_flight, 10)
    running.cancel()  # no goodbye: the files stay as they are
    await asyncio.gather(running, return_exceptions=True)
    left.ring.abandon()
    server.start(home, port)

    async with Reader(address, "test") as reader:
        marks = await last_published(reader, "tiny", SYMBOLS)
    left = await leftovers(tmp_path, 64, "tiny")
    assert left is not None
    buffer = Buffer()
    ledger = Ledger("tiny", buffer)
    spill, marks = left.spill("tiny", buffer, ledger, marks, settings.load(Settings))
    assert {mark.trade_id for mark in marks.values()} == {str(load.offered)}  # REST would be asked for what follows
    again = Publisher(address, "test")
    await again.start()
    running = asyncio.create_task(Draining("tiny", buffer, again, ledger=ledger, spill=spill).run())
    for symbol in SYMBOLS:
        await buffer.put(tiny.trade(load.offered + 1, symbol=symbol))
    buffer.close()
    await asyncio.wait_for(running, 30)
    await spill.close()
    await again.stop()
    found = await on_topic(address)
    for symbol in SYMBOLS:
        assert list(dict.fromkeys(found[symbol])) == list(range(1, load.offered + 2))
    async with Reader(address, "test") as reader:
        positions = [raw.key async for raw in reader.read_all(POSITIONS, 0)]
    assert {f"tiny|{symbol}".encode() for symbol in SYMBOLS} <= set(positions)
