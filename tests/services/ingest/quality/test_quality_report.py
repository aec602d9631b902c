"""Reports of a venue's quality: what they hold, where they go, and a whole process that they judge."""

import asyncio
import functools
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import free_port
from deploy.local.sandbox.__main__ import simulated
from deploy.local.sandbox.listings import DEFAULT
from deploy.local.sandbox.server import Sandbox
from libs.common.bus.reading import Reader
from libs.common.events import SECOND_NS, FeedQuality, Grade, Origin
from libs.common.runtime.process import Process
from libs.common.runtime.settings import load
from services.ingest.app import main
from services.ingest.following import Ingest
from services.ingest.quality.clock_offset import NO_CLOCK, ClockOffset
from services.ingest.quality.measure import Measure
from services.ingest.quality.report import Reporter
from services.ingest.quality.status import sound
from services.ingest.quality.status_reading import Reports
from services.ingest.settings import Settings
from services.ingest.venues.terms import Stream

T0 = 1_700_000_000 * SECOND_NS


def number(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"csx_ingest_{name}", labels)


class Feed:
    """A reporter whose every source is the test's."""

    def __init__(self, tiny: Any, rest: Any, **options: Any) -> None:
        self.now = T0
        self.open = 2
        self.silent: set[tuple[str, Stream]] = set()
        self.broker = tiny.Broker()
        self.measure = Measure(Origin.LIVE, began_ns=T0)
        self.measure.follow(tiny.SYMBOL, Stream, T0)
        self.reporter = Reporter(
            "tiny",
            self.measure,
            sink=self.broker,
            rest=rest,
            clock_offset=ClockOffset(tiny.Venue(), rest),
            connections=lambda: (self.open, 2),
            silent=lambda: self.silent,
            audited=lambda: (100, 1),
            clock=lambda: self.now,
            **options,
        )


async def test_a_report_holds_what_its_sources_say(tiny, rest_of) -> None:
    feed = Feed(tiny, rest_of(lambda path: []))
    feed.measure.hear(tiny.SYMBOL, "trades", T0 + SECOND_NS)
    feed.silent = {(tiny.SYMBOL, Stream.BOOKS)}
    feed.now += 11 * SECOND_NS
    report = feed.reporter.report()
    assert (report.venue, report.event_ns, report.window_s, report.symbols) == ("tiny", feed.now, 11.0, 1)
    assert (report.connections, report.connections_wanted, report.stopped) == (2, 2, False)
    assert (report.bars_audited, report.bars_different, report.clock_cause) == (100, 1, "it was not asked yet")
    assert {
        one.stream: (one.coverage, one.staleness_s, one.silent) for one in report.streams if one.stream != "candles"
    } == {
        "trades": (1.0, 10.0, ()),
        "books": (None, None, (tiny.SYMBOL,)),
        "liquidations": (1.0, None, ()),
        "funding": (None, None, ()),
    }
    assert report.grade is Grade.D  # one of one symbol is silent
    assert [cause.split()[0] for cause in report.causes] == ["books:", "1"]  # then: 1 of 100 candles differs


async def test_reports_go_to_the_broker_and_to_the_metrics_and_a_change_to_the_log(tiny, rest_of, caplog) -> None:
    caplog.set_level(logging.INFO)
    feed = Feed(tiny, rest_of(lambda path: []), every_s=0.01)
    feed.measure.hear(tiny.SYMBOL, "trades", T0)
    feed.now += SECOND_NS
    running = asyncio.create_task(feed.reporter.run())
    await tiny.until(lambda: len(feed.broker.of(FeedQuality)) >= 3)
    assert feed.broker.of(FeedQuality)[0].grade is Grade.C  # 1 of 100 candles
    feed.open = 0
    await tiny.until(lambda: feed.broker.of(FeedQuality)[-1].grade is Grade.F)
    running.cancel()
    assert number("grade", venue="tiny") == 5
    assert number("coverage", venue="tiny", stream="trades") == 1
    assert number("staleness_seconds", venue="tiny", stream="trades") == 1
    coverage = number("coverage", venue="tiny", stream="funding")
    assert coverage is not None
    assert coverage != coverage  # noqa: PLR0124  (NaN: it is absent)
    told = [(record.levelname, record.getMessage()) for record in caplog.records if "data quality" in record.message]
    assert told == [("INFO", "data quality is now C"), ("WARNING", "data quality is now F")]


async def test_what_the_broker_does_not_take_is_counted(tiny, rest_of) -> None:
    feed = Feed(tiny, rest_of(lambda path: []))
    feed.broker.down = True
    before = number("quality_unsaid_total", venue="tiny") or 0.0
    await feed.reporter.say(feed.reporter.report())
    assert number("quality_unsaid_total", venue="tiny") == before + 1


async def test_a_lost_connection_shows_in_the_next_report_and_the_end_in_the_last(
    tiny, rest_of, server, monkeypatch
) -> None:
    monkeypatch.setenv("CSX_INGEST_HISTORY_BARS", "0")
    monkeypatch.setenv("CSX_INGEST_STREAMS", "trades,books,liquidations")
    monkeypatch.setenv("CSX_INGEST_QUALITY_EVERY_S", "0.05")
    venue, broker = tiny.Venue(server.url), tiny.Broker()
    settings = load(Settings)
    ingest = Ingest(
        settings, venue, {tiny.SYMBOL: venue.instrument()}, sink=broker, rest=rest_of(lambda path: []), marks={}
    )
    ingest.start(Process("ingest", settings))

    def last() -> FeedQuality:
        report: FeedQuality = broker.of(FeedQuality)[-1]
        return report

    def covered(stream: str) -> float | None:
        told = broker.of(FeedQuality)[-1:]
        return next((one.coverage for report in told for one in report.streams if one.stream == stream), None)

    await tiny.until(lambda: len(server.said) == 2)
    await server.send({"t": "trade", "id": 1}, {"t": "snap", "seq": 1, "b": [[1, 1]]})
    await tiny.until(lambda: covered("trades") == covered("books") == 1.0)
    assert last().causes == ()
    assert (last().grade, last().connections, last().connections_wanted) == (Grade.A, 1, 1)
    assert last().clock_cause == NO_CLOCK
    await server.connections[0].close()
    await tiny.until(lambda: covered("books") == 0.0)  # all that was observed lies behind the last frame
    assert any("books:" in cause and "(disconnect)" in cause for cause in last().causes)
    await ingest.stop()
    assert [one.stopped for one in broker.of(FeedQuality)][-2:] == [False, True]


@pytest.fixture
async def bootstrap(tmp_path) -> AsyncIterator[str]:
    broker = EmbeddedBroker()
    yield broker.start(tmp_path, free_port())
    broker.stop()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = simulated(list(DEFAULT), seed=3, rate=5.0)
    await sandbox.start("127.0.0.1", 0)
    yield sandbox
    await sandbox.stop()


async def test_a_whole_process_says_how_well_it_hears(monkeypatch, bootstrap: str, sandbox: Sandbox) -> None:
    for name, value in {
        "CSX_KAFKA_BOOTSTRAP": bootstrap,
        "CSX_INGEST_VENUE": "okx",
        "CSX_INGEST_SYMBOLS": "BTC-USDT-PERP",
        "CSX_INGEST_WS_URL": f"ws://127.0.0.1:{sandbox.port}/okx",
        "CSX_INGEST_REST_URL": f"http://127.0.0.1:{sandbox.port}/okx",
        "CSX_INGEST_ORIGIN": "simulated",
        "CSX_INGEST_HISTORY_BARS": "0",
        "CSX_INGEST_QUALITY_EVERY_S": "0.2",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load(Settings)
    process = Process("ingest", settings)
    serving = asyncio.create_task(process.serve(functools.partial(main, settings=settings)))

    async def newest() -> FeedQuality | None:
        async with Reader(bootstrap, "test") as reader:
            return next(iter(await Reports(reader).refresh()), None)

    async with asyncio.timeout(30):
        while (report := await newest()) is None or report.grade > Grade.C or report.clock_offset_s is None:  # noqa: ASYNC110  (a fact on the broker)
            await asyncio.sleep(0.1)
    assert sound([report], report.event_ns)
    assert report.clock_bound_s is not None
    assert (
        abs(report.clock_offset_s) <= report.clock_bound_s + 0.001
    )  # it tells whole milliseconds of this machine's clock
    assert (report.symbols, report.connections, report.origin) == (1, report.connections_wanted, Origin.SIMULATED)
    assert {one.stream: one.coverage for one in report.streams if one.stream in {"trades", "books"}} == {
        "trades": 1.0,
        "books": 1.0,
    }
    process.stopping.set()
    assert await asyncio.wait_for(serving, 10) == 0
    last = await newest()
    assert last is not None
    assert last.stopped
