"""The whole service against the sandbox exchange while markets are listed, halted and delisted."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import free_port
from deploy.local.sandbox.__main__ import simulated
from deploy.local.sandbox.listings import BINANCE_USDM, BYBIT
from deploy.local.sandbox.listings_many import MANY
from deploy.local.sandbox.server import Sandbox
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import decode
from libs.common.bus.reading import Reader
from libs.common.bus.topics import GAPS, INSTRUMENTS, TOPICS, TRADES, Topic
from libs.common.events import Listing, ListingStatus, Trade
from libs.common.runtime.process import Process
from libs.common.runtime.settings import load
from services.ingest.app import main
from services.ingest.settings import Settings

BTC, ETH = "BTC-USDT-PERP", "ETH-USDT-PERP"
NEW = {BINANCE_USDM: "币安人生-USDT-PERP", BYBIT: "SOL-USDT-PERP"}


@pytest.fixture
async def bootstrap(tmp_path) -> AsyncIterator[str]:
    broker = EmbeddedBroker()
    address = broker.start(tmp_path, free_port())
    await ensure_topics(address, TOPICS)
    yield address
    broker.stop()


class Street:
    """A sandbox with two markets and more that can be listed, a broker, and one ingest in this process."""

    def __init__(self, bootstrap: str, sandbox: Sandbox, venue: str) -> None:
        self.bootstrap, self.sandbox, self.venue = bootstrap, sandbox, venue
        self.url = f"http://127.0.0.1:{sandbox.port}"
        self.client = httpx.AsyncClient()
        self.process: Process | None = None

    async def start(self, monkeypatch: pytest.MonkeyPatch, symbols: str) -> None:
        environ = {
            "CSX_KAFKA_BOOTSTRAP": self.bootstrap,
            "CSX_INGEST_VENUE": self.venue,
            "CSX_INGEST_SYMBOLS": symbols,
            "CSX_INGEST_WS_URL": f"ws://127.0.0.1:{self.sandbox.port}/{self.venue}",
            "CSX_INGEST_REST_URL": f"{self.url}/{self.venue}",
            "CSX_INGEST_ORIGIN": "simulated",
            "CSX_INGEST_INSTRUMENTS_EVERY_S": "1",
            "CSX_INGEST_PICK_EVERY_S": "1",
            "CSX_INGEST_HISTORY_BARS": "3",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        settings = load(Settings)
        self.process = Process("ingest", settings)
        self.serving = asyncio.create_task(self.process.serve(functools.partial(main, settings=settings)))

    async def stop(self) -> None:
        if self.process is not None:
            self.process.stopping.set()
            assert await asyncio.wait_for(self.serving, 12) == 0
        await self.client.aclose()

    async def put(self, symbol: str, standing: str) -> None:
        query = {"venue": self.venue, "symbol": symbol, "standing": standing}
        (await self.client.post(f"{self.url}/control/market", params=query)).raise_for_status()

    async def topic(self, topic: Topic, kind: type[Any]) -> list[Any]:
        found: list[Any] = []
        async with Reader(self.bootstrap, "test") as reader:
            for partition in range(topic.partitions):
                found += [decode(raw.value or b"") async for raw in reader.read_all(topic, partition)]
        return [one for one in found if isinstance(one, kind)]

    async def ids(self, symbol: str) -> list[str]:
        return [one.trade_id for one in await self.topic(TRADES, Trade) if one.symbol == symbol]

    async def listing(self, symbol: str) -> Listing | None:
        found = [one for one in await self.topic(INSTRUMENTS, Listing) if one.symbol == symbol]
        return found[-1] if found else None

    async def until(self, fact: Callable[[], Any], within_s: float = 40.0) -> None:
        async with asyncio.timeout(within_s):
            while not await fact():  # noqa: ASYNC110  (a fact of the broker)
                await asyncio.sleep(0.1)

    async def more(self, symbol: str, count: int) -> None:
        before = len(await self.ids(symbol))

        async def grown() -> bool:
            return len(await self.ids(symbol)) >= before + count

        await self.until(grown)


@pytest.fixture(params=[BINANCE_USDM, BYBIT])
async def street(request, bootstrap: str) -> AsyncIterator[Street]:
    rows = [row for row in MANY if row.venue == request.param and row.symbol in {BTC, ETH}]
    sandbox = simulated(rows, seed=5, rate=4.0)
    await sandbox.start("127.0.0.1", 0)
    street = Street(bootstrap, sandbox, request.param)
    yield street
    await street.stop()
    await sandbox.stop()


async def test_a_market_is_listed_and_another_delisted_while_a_third_flows(street: Street, monkeypatch) -> None:
    new = NEW[street.venue]
    await street.start(monkeypatch, f"{BTC},{ETH},{new}")
    await street.until(lambda: street.ids(BTC))
    await street.until(lambda: street.ids(ETH))
    await street.put(new, "live")
    await street.until(lambda: street.ids(new))
    await street.put(ETH, "delisted")

    async def delisted() -> bool:
        said = await street.listing(ETH)
        return said is not None and said.status is ListingStatus.DELISTED

    await street.until(delisted)
    await street.more(BTC, 10)
    said = await street.listing(new)
    assert said is not None
    assert (said.status, said.followed, said.native.rpartition(":")[2]) == ("live", True, f"{new.split('-')[0]}USDT")
    for symbol in (BTC, new):
        ids = await street.ids(symbol)
        assert len(set(ids)) == len(ids)
        if street.venue == BINANCE_USDM:  # there ids tell: none is missing
            assert [int(one) for one in ids] == list(range(int(ids[0]), int(ids[0]) + len(ids)))
    assert [gap for gap in await street.topic(GAPS, object) if gap.symbol != ETH] == []


@pytest.mark.parametrize("street", [BINANCE_USDM], indirect=True)  # Bybit's catalogue says nothing of halts
async def test_the_busiest_are_followed_and_a_halt_moves_nobody(street: Street, monkeypatch) -> None:
    await street.start(monkeypatch, "top:1:USDT-PERP")
    await street.until(lambda: street.ids(BTC))
    assert await street.ids(ETH) == []
    await street.put(BTC, "halted")

    async def halted() -> bool:
        said = await street.listing(BTC)
        return said is not None and said.status is ListingStatus.HALTED

    await street.until(halted)
    said = await street.listing(BTC)
    assert said is not None
    assert said.followed
    assert said.turnover is None or said.turnover > 0
    await street.put(BTC, "live")
    await street.more(BTC, 3)
    assert [gap for gap in await street.topic(GAPS, object) if gap.symbol == BTC] == []
