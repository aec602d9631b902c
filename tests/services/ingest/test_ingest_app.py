"""The wiring of ingest: settings, symbols, positions, readiness, and a whole run inside this process."""

import asyncio
import functools
from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import free_port
from deploy.local.sandbox.__main__ import simulated
from deploy.local.sandbox.listings import DEFAULT
from deploy.local.sandbox.server import Sandbox
from libs.common.bus.admin import ensure_topics
from libs.common.bus.publisher import Publisher
from libs.common.bus.reading import Reader
from libs.common.bus.topics import POSITIONS, TOPICS
from libs.common.events import Origin
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.process import Process
from libs.common.runtime.settings import load
from services.ingest.app import main
from services.ingest.delivery.publisher import Mark
from services.ingest.following import Ingest
from services.ingest.listings.catalogue import listed
from services.ingest.recovery.positions import last_published
from services.ingest.settings import Settings
from services.ingest.venues.terms import Stream

QUICK = Backoff(initial_s=0.001, cap_s=0.002)


def settings_of(monkeypatch, **environ: str) -> Settings:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return load(Settings)


def test_settings_come_from_the_environment(monkeypatch) -> None:
    settings = settings_of(
        monkeypatch,
        CSX_INGEST_VENUE="binance-usdm",
        CSX_INGEST_SYMBOLS="BTC-USDT-PERP, ETH-USDT-PERP,BTC-USDT-PERP",
        CSX_INGEST_STREAMS="trades,books",
        CSX_INGEST_ORIGIN="recorded",
        CSX_INGEST_TRADE_CHANNEL="trade",
        CSX_INGEST_REST_URL="http://127.0.0.1:1",
    )
    assert settings.symbols == ("BTC-USDT-PERP", "ETH-USDT-PERP")
    assert settings.streams == (Stream.TRADES, Stream.BOOKS)
    assert settings.origin is Origin.RECORDED
    assert settings.venue_options() == {"trade_channel": "trade", "rest_url": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("CSX_INGEST_VENUE", "mtgox", "unknown venue 'mtgox'"),
        ("CSX_INGEST_SYMBOLS", "btcusdt", "is no symbol"),
        ("CSX_INGEST_SYMBOLS", " , ", "no symbol"),
        ("CSX_INGEST_STREAMS", "smoke", "STREAMS"),
        ("CSX_INGEST_BUFFER_EVENTS", "0", "BUFFER_EVENTS"),
        ("CSX_INGEST_NONSENSE", "1", "unknown setting CSX_INGEST_NONSENSE"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(monkeypatch, key: str, value: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        settings_of(monkeypatch, **{key: value})


def test_bybit_is_a_venue_and_offers_no_choice_of_trades(monkeypatch) -> None:
    assert settings_of(monkeypatch, CSX_INGEST_VENUE="bybit", CSX_INGEST_WS_URL="ws://w").venue_options() == {
        "ws_url": "ws://w"
    }
    with pytest.raises(ConfigurationError, match="bybit has no such choice"):
        settings_of(monkeypatch, CSX_INGEST_VENUE="bybit", CSX_INGEST_TRADE_CHANNEL="trade")


async def test_instruments_are_asked_for_until_the_venue_answers(tiny, rest_of) -> None:
    answers: list[object] = [httpx.Response(400), httpx.Response(400), ["BTC-USDT"]]
    found = await listed(tiny.Venue(), rest_of(lambda path: answers.pop(0)), QUICK)
    assert list(found) == ["BTC-USDT"]


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


async def test_last_published_is_the_later_of_position_and_topic(bootstrap: str, tiny) -> None:
    publisher = Publisher(bootstrap, "test")
    await publisher.start()
    await publisher.put(POSITIONS, b"tiny|BTC-USDT", b'{"trade_id":"5","event_ns":5000000}')
    await publisher.put(POSITIONS, b"tiny|ETH-USDT", b'{"trade_id":"7","event_ns":7000000}')
    await publisher.put(POSITIONS, b"other|BTC-USDT", b'{"trade_id":"9","event_ns":9}')
    await publisher.put(POSITIONS, b"tiny|SOL-USDT", b"nonsense")
    await publisher.publish([tiny.trade(number) for number in (4, 5, 6)])
    await publisher.publish([tiny.trade(99, symbol="XRP-USDT")])
    await publisher.stop()
    async with Reader(bootstrap, "test") as reader:
        marks = await last_published(reader, "tiny", ["BTC-USDT", "ETH-USDT", "SOL-USDT"])
    assert marks == {"BTC-USDT": Mark("6", 6_000_000), "ETH-USDT": Mark("7", 7_000_000)}


@pytest.mark.parametrize(("venue", "symbol"), [("binance-usdm", "BTC-USDT-PERP"), ("okx", "BTC-USDT-PERP")])
async def test_service_runs_becomes_ready_and_stops_within_its_time(
    monkeypatch, bootstrap: str, sandbox: Sandbox, tiny, venue: str, symbol: str
) -> None:
    settings = settings_of(
        monkeypatch,
        CSX_KAFKA_BOOTSTRAP=bootstrap,
        CSX_INGEST_VENUE=venue,
        CSX_INGEST_SYMBOLS=symbol,
        CSX_INGEST_WS_URL=f"ws://127.0.0.1:{sandbox.port}/{venue}",
        CSX_INGEST_REST_URL=f"http://127.0.0.1:{sandbox.port}/{venue}",
        CSX_INGEST_ORIGIN="simulated",
        CSX_INGEST_SNAPSHOT_EVERY_S="0.2",
        CSX_INGEST_HISTORY_BARS="3",
    )
    process = Process("ingest", settings)
    serving = asyncio.create_task(process.serve(functools.partial(main, settings=settings)))

    async def marks() -> dict[str, Mark]:
        async with Reader(bootstrap, "test") as reader:
            return await last_published(reader, venue, [symbol])

    async with asyncio.timeout(20):
        while not await marks():  # noqa: ASYNC110  (a fact on the broker)
            await asyncio.sleep(0.1)
        async with httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{process.health.port}"
            while (await client.get(f"{url}/readyz")).status_code != httpx.codes.OK:  # noqa: ASYNC110  (a fact of the health port)
                await asyncio.sleep(0.1)
            text = (await client.get(f"{url}/metrics")).text
    for name in ("frames_total", "offered_total", "published_total", "connections", "rest_calls_total"):
        assert f"csx_ingest_{name}{{" in text
    process.stopping.set()
    assert await asyncio.wait_for(serving, 10) == 0


async def test_readiness_says_what_is_missing(tiny, rest_of, monkeypatch) -> None:
    venue = tiny.Venue("ws://127.0.0.1:1")
    broker = tiny.Broker()
    settings = settings_of(monkeypatch, CSX_INGEST_HISTORY_BARS="0")
    instruments = {tiny.SYMBOL: venue.instrument()}
    ingest = Ingest(settings, venue, instruments, sink=broker, rest=rest_of(lambda path: []), marks={})
    process = Process("ingest", settings)
    ingest.start(process)
    assert await ingest.fault() == "1 of 1 connections are down"
    broker.down = True
    await ingest.buffer.put(tiny.trade(1))
    await tiny.until(lambda: ingest.draining.down_since is not None)
    assert await ingest.fault() == "the broker does not take records"
    broker.down = False
    await tiny.until(lambda: broker.trade_ids == [1])
    await ingest.stop()
    assert len(broker.positions) == 1


async def test_stop_with_a_dead_broker_ends_all_the_same(tiny, rest_of, monkeypatch, caplog) -> None:
    venue, broker = tiny.Venue("ws://127.0.0.1:1"), tiny.Broker()
    broker.down = True
    settings = settings_of(monkeypatch, CSX_INGEST_HISTORY_BARS="0")
    rest = rest_of(lambda path: [])
    instruments = {tiny.SYMBOL: venue.instrument()}
    ingest = Ingest(settings, venue, instruments, sink=broker, rest=rest, marks={}, drain_within_s=0.2)
    ingest.start(Process("ingest", settings))
    await ingest.buffer.put(tiny.trade(1))
    await asyncio.wait_for(ingest.stop(), 3)
    assert "events were not published" in caplog.text
