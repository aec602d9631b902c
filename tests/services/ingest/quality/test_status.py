"""`csx ingest status`: the table by hand, and the command against the embedded broker."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import free_port
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import encode
from libs.common.bus.publisher import Publisher
from libs.common.bus.reading import Reader
from libs.common.bus.topics import QUALITY
from libs.common.events import SECOND_NS, FeedQuality, Grade, StreamQuality
from libs.common.runtime.clock import now_ns
from services.ingest.cli import app
from services.ingest.quality.status import sound, table
from services.ingest.quality.status_command import run
from services.ingest.quality.status_reading import Reports

NOW = 1_800_000_000 * SECOND_NS


def quality(venue: str = "okx", *, age_s: float = 4.0, now: int = NOW, **parts: Any) -> FeedQuality:
    whole: dict[str, Any] = {
        "venue": venue,
        "event_ns": now - round(age_s * SECOND_NS),
        "grade": Grade.A,
        "causes": (),
        "window_s": 3600.0,
        "streams": (
            StreamQuality(
                stream="trades", coverage=1.0, gap_s=2.25, missing_s=0.0, open_gaps=0, staleness_s=0.25, silent=()
            ),
            StreamQuality(stream="books", coverage=0.99871, gap_s=302.0, missing_s=302.0, open_gaps=1, staleness_s=0.1),
            StreamQuality(stream="funding", coverage=None, gap_s=0.0, missing_s=0.0, open_gaps=0, staleness_s=900.0),
        ),
        "symbols": 65,
        "connections": 2,
        "connections_wanted": 2,
        "clock_offset_s": -0.0128,
        "clock_bound_s": 0.004,
        "clock_cause": None,
        "bars_audited": 0,
        "bars_different": 0,
        "rest_budget_used": 0.314,
        "rest_pace": 1.0,
        "rest_venue_weight": None,
        "rest_paused_s": 0.0,
        "rest_in_flight": 0,
        "rest_waiting": 0,
    }
    return FeedQuality(**{**whole, **parts})


def test_the_table_shows_one_row_a_venue_and_the_causes_below() -> None:
    rows = [
        quality("binance-usdm", grade=Grade.B, causes=("books: 99.87% covered",)),
        quality(
            "okx",
            age_s=75,
            streams=(),
            connections=0,
            clock_offset_s=None,
            clock_bound_s=None,
            clock_cause="HTTP 404",
        ),
        quality("bybit", age_s=1, stopped=True),
    ]
    assert table(rows, NOW).splitlines() == [
        "venue         grade  symbols  links  trades %  books %  gaps s  open  stale s       clock s  REST  age s",
        "binance-usdm      B       65    2/2    100.00    99.87   304.2     1      0.2  -0.013±0.004   31%      4",
        "okx               A       65    0/2         -        -     0.0     0        -             -   31%     75",
        "bybit             A       65    2/2    100.00    99.87   304.2     1      0.2  -0.013±0.004   31%      1",
        "",
        "  binance-usdm: books: 99.87% covered",
        "  okx: the report is 75 s old: its process is likely down, or cannot reach the broker",
        "  okx: no clock offset: HTTP 404",
        "  bybit: its process was stopped in order 1 s ago",
    ]
    assert len(table(rows[:1], NOW).splitlines()[1]) <= 120


@pytest.mark.parametrize(
    ("reports", "well"),
    [
        ([], False),
        ([quality()], True),
        ([quality(grade=Grade.C)], True),
        ([quality(), quality(grade=Grade.D)], False),
        ([quality(age_s=60)], True),
        ([quality(age_s=60.5)], False),
        ([quality(age_s=-5)], True),  # its clock is ahead of ours
        ([quality(stopped=True)], False),
    ],
)
def test_all_is_well_only_if_every_report_is_fresh_and_good(reports: Sequence[FeedQuality], well: bool) -> None:
    assert sound(reports, NOW) is well


async def publish(bootstrap: str, *reports: FeedQuality) -> None:
    publisher = Publisher(bootstrap, "test")
    await publisher.start()
    await publisher.publish(reports)
    await publisher.stop()


@pytest.fixture
def broker(tmp_path):
    """A broker with the topic, empty; topics are not made by asking for them."""
    embedded = EmbeddedBroker()
    address = embedded.start(tmp_path, free_port())
    asyncio.run(ensure_topics(address, (QUALITY,)))
    yield address
    embedded.stop()


def called(*words: str) -> tuple[int, list[Any], str]:
    """Exit code, the NDJSON of stdout (a pipe), stderr."""
    result = CliRunner().invoke(app, ["status", *words])
    return result.exit_code, [msgspec.json.decode(line) for line in result.stdout.splitlines()], result.stderr


def test_the_command_prints_the_newest_report_of_each_venue(broker: str) -> None:
    now = now_ns()
    old = quality("okx", grade=Grade.F, now=now, age_s=14)
    new, other = quality("okx", now=now), quality("bybit", now=now, grade=Grade.C)
    forgotten = quality("coinapi", now=now, age_s=7200)
    asyncio.run(publish(broker, forgotten, old, other, new))
    code, lines, _ = called("--bootstrap", broker)
    assert (code, lines) == (0, [msgspec.json.decode(encode(other)), msgspec.json.decode(encode(new))])
    assert called("--bootstrap", broker, "--venue", "okx", "--json")[:2] == (0, [msgspec.json.decode(encode(new))])
    code, lines, said = called("--bootstrap", broker, "--venue", "coinapi,kraken")
    assert (code, [one["venue"] for one in lines]) == (1, ["coinapi"])
    assert "no report of kraken" in said
    asyncio.run(publish(broker, quality("bybit", now=now_ns(), grade=Grade.D)))
    assert called("--bootstrap", broker)[0] == 1


def test_on_a_terminal_it_is_a_table(broker: str, capfdbinary) -> None:
    asyncio.run(publish(broker, quality("okx", now=now_ns())))
    assert run(broker, [], json=False, watch=False)
    head, row, *_ = capfdbinary.readouterr().out.decode().splitlines()
    assert head.split()[:3] == ["venue", "grade", "symbols"]
    assert row.split()[:4] == ["okx", "A", "65", "2/2"]


def test_it_watches(broker: str, capfdbinary) -> None:
    asyncio.run(publish(broker, quality("okx", now=now_ns(), grade=Grade.D)))
    assert not run(broker, [], json=True, watch=True, every_s=0.01, times=3)
    assert len(capfdbinary.readouterr().out.splitlines()) == 3


async def test_a_watch_reads_on_where_it_was(broker: str) -> None:
    async with Reader(broker, "test") as reader:
        reports = Reports(reader)
        assert await reports.refresh() == []
        first, second = quality("okx", now=now_ns()), quality("okx", now=now_ns() + 1)
        await publish(broker, first)
        assert await reports.refresh() == [first]
        await publish(broker, second, quality("bybit", now=now_ns()))
        assert [one.venue for one in await reports.refresh()] == ["bybit", "okx"]
        assert (await reports.refresh())[1] == second


async def test_it_looks_back_in_steps_and_past_what_it_cannot_read(broker: str, caplog) -> None:
    now = now_ns()
    many = [quality("okx", now=now, age_s=age_s) for age_s in range(9, 0, -1)]
    await publish(broker, quality("bybit", now=now, age_s=10), *many)
    publisher = Publisher(broker, "test")
    await publisher.start()
    await publisher.put(QUALITY, b"okx", b"nonsense")
    await publisher.stop()
    async with Reader(broker, "test") as reader:
        found = await Reports(reader, chunk=2).refresh()
    assert [(one.venue, now - one.event_ns) for one in found] == [("bybit", 10 * SECOND_NS), ("okx", SECOND_NS)]
    assert "unreadable report" in caplog.text


def test_nobody_reported_and_nobody_answers(broker: str) -> None:
    code, lines, said = called("--bootstrap", broker)
    assert (code, lines) == (1, [])
    assert "is ingest running" in said
    code, lines, said = called("--bootstrap", f"127.0.0.1:{free_port()}")
    assert (code, lines) == (5, [])
    assert "no Kafka broker answers" in said


def test_a_broker_without_the_topic_is_said(tmp_path) -> None:
    embedded = EmbeddedBroker()
    address = embedded.start(tmp_path, free_port())
    code, lines, said = called("--bootstrap", address)
    embedded.stop()
    assert (code, lines) == (1, [])
    assert "is ingest running, and on this broker" in said
