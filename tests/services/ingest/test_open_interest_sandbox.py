"""Open interest of the sandbox's exchanges, asked for by REST or heard over a socket, reaches its topic."""

import asyncio
import functools
from collections.abc import AsyncIterator

import pytest

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import free_port
from deploy.local.sandbox.__main__ import simulated
from deploy.local.sandbox.listings import DEFAULT
from deploy.local.sandbox.server import Sandbox
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import decode
from libs.common.bus.reading import Reader
from libs.common.bus.topics import OPEN_INTEREST, TOPICS
from libs.common.events import OpenInterest, Origin
from libs.common.runtime.process import Process
from libs.common.runtime.settings import load
from services.ingest.app import main
from services.ingest.settings import Settings

SYMBOL = "BTC-USDT-PERP"


@pytest.fixture
async def bootstrap(tmp_path) -> AsyncIterator[str]:
    broker = EmbeddedBroker()
    address = broker.start(tmp_path, free_port())
    await ensure_topics(address, TOPICS)
    yield address
    broker.stop()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = simulated(list(DEFAULT), seed=3, rate=2.0)
    await sandbox.start("127.0.0.1", 0)
    yield sandbox
    await sandbox.stop()


async def _published(bootstrap: str) -> list[OpenInterest]:
    async with Reader(bootstrap, "test") as reader:
        return [
            event
            for partition in range(OPEN_INTEREST.partitions)
            async for raw in reader.read_all(OPEN_INTEREST, partition)
            if isinstance(event := decode(raw.value or b""), OpenInterest)
        ]


@pytest.mark.parametrize("venue", ["binance-usdm", "okx"])
async def test_open_interest_reaches_its_topic(monkeypatch, bootstrap: str, sandbox: Sandbox, venue: str) -> None:
    for key, value in {
        "CSX_KAFKA_BOOTSTRAP": bootstrap,
        "CSX_INGEST_VENUE": venue,
        "CSX_INGEST_SYMBOLS": SYMBOL,
        "CSX_INGEST_STREAMS": "funding",
        "CSX_INGEST_WS_URL": f"ws://127.0.0.1:{sandbox.port}/{venue}",
        "CSX_INGEST_REST_URL": f"http://127.0.0.1:{sandbox.port}/{venue}",
        "CSX_INGEST_ORIGIN": "simulated",
        "CSX_INGEST_HISTORY_BARS": "0",
        "CSX_INGEST_OPEN_INTEREST_EVERY_S": "1",
    }.items():
        monkeypatch.setenv(key, value)
    settings = load(Settings)
    process = Process("ingest", settings)
    serving = asyncio.create_task(process.serve(functools.partial(main, settings=settings)))
    async with asyncio.timeout(30):
        while len(found := await _published(bootstrap)) < 2:  # noqa: ASYNC110  (a fact on the broker)
            await asyncio.sleep(0.1)
    process.stopping.set()
    assert await asyncio.wait_for(serving, 10) == 0
    assert {(one.venue, one.symbol, one.origin) for one in found} == {(venue, SYMBOL, Origin.SIMULATED)}
    assert all((one.base or 0) > 0 for one in found)
    if venue == "okx":  # a contract is a hundredth of a coin
        assert all((one.contracts or 0) * 0.01 == pytest.approx(one.base) for one in found)
    times = [one.event_ns for one in found]
    assert times == sorted(set(times))
