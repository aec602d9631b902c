"""Pollers against vendors on loopback: keys, budgets, limits, failures, and what reaches the broker."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import httpx
import msgspec
import pytest
from prometheus_client import REGISTRY

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import free_port
from libs.common.bus.codec import decode
from libs.common.bus.reading import Reader
from libs.common.bus.topics import MARKET_PARTITIONS, METRICS
from libs.common.events import Metric, Origin
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.process import Process
from libs.common.runtime.settings import load
from services.ingest.app import main
from services.ingest.calls.rest import Rest
from services.ingest.delivery.buffer import Buffer
from services.ingest.polling import Poller, Polling
from services.ingest.settings import Settings
from services.ingest.vendors import CoinGlass
from services.ingest.vendors.vendor import Job, LimitedError, RefusedError, Vendor
from services.ingest.venues.terms import AnswerError, Request


class Street:
    """An HTTP server on loopback that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.times: list[float] = []
        self.answer: Callable[[str], tuple[int, dict[str, str], bytes]] = lambda path: (404, {}, b"")
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                path = line.decode().split(" ")[1]
                headers: dict[str, str] = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(": ")
                    headers[name.lower()] = value
                self.asked.append((path, headers))
                self.times.append(asyncio.get_running_loop().time())
                status, extra, body = self.answer(path)
                extra = {"content-length": str(len(body)), **extra}
                head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in extra.items())
                writer.write(head.encode() + b"\r\n" + body)
                await writer.drain()
        except ConnectionError:
            pass  # the client went away: the test is over
        finally:
            writer.close()


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    street = Street()
    server = await asyncio.start_server(street.serve, "127.0.0.1", 0)
    street.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield street
    server.close()


class Tiny(Vendor):
    """One request at a quick pace; rows are [seconds, value]."""

    name = "tiny-vendor"
    needs_key = True

    def headers(self) -> dict[str, str]:
        return {}

    def jobs(self, symbols) -> list[Job]:
        return [
            Job(
                name="one",
                kind="one",
                request=Request(url=f"{self.url}/one"),
                every_s=0.01,
                metrics=("fear_greed",),
                symbols=("*",),
            )
        ]

    def parse(self, job: Job, body: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        if body == b"limit":
            raise LimitedError("code 429")
        if body == b"plan":
            raise RefusedError("code 403: Upgrade plan")
        if body == b"refuse":
            raise AnswerError("code 401: Upgrade plan")
        rows = msgspec.json.decode(body)
        return [one for at, v in rows for one in self.metric(job, "fear_greed", v, at * 10**9, received_ns, origin)]


class Run:
    """One poller, its buffer, and what came out of it."""

    def __init__(self, vendor: Vendor, **options: Any) -> None:
        self.buffer = Buffer()
        self.client = httpx.AsyncClient(headers=vendor.headers())
        self.rest = Rest(vendor.name, self.client, weight_per_minute=60_000)
        self.poller = Poller(vendor, ("BTC-USDT-PERP",), self.rest, self.buffer, spread_s=0, **options)
        self.found: list[Metric] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.tasks = [asyncio.create_task(self.poller.run()), asyncio.create_task(self._take())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.rest.stop()
        await self.client.aclose()

    async def _take(self) -> None:
        while batch := await self.buffer.take(100):
            self.found += [one for one in batch if isinstance(one, Metric)]

    @property
    def values(self) -> list[float | str | None]:
        return [one.cause if one.value is None else one.value for one in self.found]


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def test_rows_are_published_once_and_again_only_when_revised(street: Street, tiny) -> None:
    rows = [[1_789_000_000, 40.0], [1_789_086_400, 54.0]]
    street.answer = lambda path: (200, {}, msgspec.json.encode(rows))
    async with Run(Tiny(street.url, "k", 6_000)) as run:
        await tiny.until(lambda: len(street.asked) >= 5)
        assert run.values == [40.0, 54.0]
        rows[1][1] = 55.0
        await tiny.until(lambda: len(run.found) == 3)
        assert run.values[2] == 55.0
        assert run.found[2].event_ns == run.found[1].event_ns
    assert (gauge("csx_ingest_vendor_answer_timestamp_seconds", venue="tiny-vendor", kind="one") or 0) > 1.7e9
    assert (gauge("csx_ingest_vendor_repeated_total", venue="tiny-vendor") or 0) >= 8


async def test_without_a_key_nothing_is_asked_and_every_number_is_absent_once(street: Street, tiny) -> None:
    vendor = CoinGlass(street.url)
    wanted = sum(len(job.metrics) for job in vendor.jobs(("BTC-USDT-PERP",)))
    async with Run(vendor) as run:
        await tiny.until(lambda: len(run.found) == wanted)
        await run.tasks[0]  # it ends by itself
    assert {(one.value, one.cause) for one in run.found} == {(None, "no key")}
    assert {one.name for one in run.found} >= {"open_interest", "etf_flow", "large_bids", "fear_greed"}
    assert street.asked == []
    assert gauge("csx_ingest_vendor_usable", venue="coinglass") == 0


async def test_a_refusal_is_absent_with_the_vendors_words_and_ends_with_the_newest_row(street: Street, tiny) -> None:
    body = b"[[1789000000, 40.0], [1789086400, 54.0]]"
    said = [body]
    street.answer = lambda path: (200, {}, said[0])
    async with Run(Tiny(street.url, "k", 6_000)) as run:
        await tiny.until(lambda: len(run.found) == 2)
        said[0] = b"refuse"
        await tiny.until(lambda: len(run.found) == 3)
        asked = len(street.asked)
        await tiny.until(lambda: len(street.asked) > asked + 3)
        assert gauge("csx_ingest_vendor_missing", venue="tiny-vendor") == 1
        said[0] = body
        await tiny.until(lambda: len(run.found) == 4)
        assert run.values == [40.0, 54.0, "code 401: Upgrade plan", 54.0]
        assert gauge("csx_ingest_vendor_missing", venue="tiny-vendor") == 0


async def test_http_refusals_are_absent_without_the_address(street: Street, tiny) -> None:
    street.answer = lambda path: (402, {}, b"plan")
    async with Run(Tiny(street.url, "k", 6_000)) as run:
        await tiny.until(lambda: run.found)
    assert run.values == ["HTTP 402: plan"]


@pytest.mark.parametrize(
    ("status", "body", "cause"), [(200, b"plan", "code 403: Upgrade plan"), (402, b"pay", "HTTP 402: pay")]
)
async def test_what_the_plan_lacks_is_said_once_and_asked_for_rarely(
    street: Street, tiny, status: int, body: bytes, cause: str
) -> None:
    street.answer = lambda path: (status, {}, body) if len(street.asked) == 1 else (200, {}, b"[[1789000000, 40.0]]")
    async with Run(Tiny(street.url, "k", 6_000), refused_s=0.4) as run:
        await tiny.until(lambda: len(run.found) == 2)
    assert run.values == [cause, 40.0]
    assert street.times[1] - street.times[0] >= 0.4  # its own pace is 0.01


async def test_retry_after_is_obeyed(street: Street, tiny) -> None:
    street.answer = lambda path: (
        (429, {"Retry-After": "0.3"}, b"") if len(street.asked) == 1 else (200, {}, b"[[1789000000, 40.0]]")
    )
    async with Run(Tiny(street.url, "k", 6_000)) as run:
        await tiny.until(lambda: run.found)
    assert street.times[1] - street.times[0] >= 0.29
    assert run.values == [40.0]


async def test_a_limit_within_an_answer_pauses_the_vendor(street: Street, tiny) -> None:
    street.answer = lambda path: (200, {}, b"limit" if len(street.asked) == 1 else b"[[1789000000, 40.0]]")
    async with Run(Tiny(street.url, "k", 6_000), pause_s=0.3) as run:
        await tiny.until(lambda: len(run.found) == 2)
    assert street.times[1] - street.times[0] >= 0.29
    assert run.values == ["code 429", 40.0]


def settings_of(monkeypatch, **environ: str) -> Settings:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return load(Settings)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"CSX_INGEST_VENDORS": "coinglass"}, "a process of their own"),
        ({"CSX_INGEST_VENUE": "vendors"}, "no vendor"),
        ({"CSX_INGEST_VENUE": "vendors", "CSX_INGEST_VENDORS": "bloomberg"}, "unknown vendor 'bloomberg'"),
        ({"CSX_INGEST_COINGLASS_INTERVAL": "2h"}, "unknown interval '2h'"),
        ({"CSX_INGEST_COINGLASS_PER_MINUTE": "0"}, "COINGLASS_PER_MINUTE"),
    ],
)
def test_settings_that_do_not_fit_are_refused(monkeypatch, environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        settings_of(monkeypatch, **environ)


def test_an_empty_key_is_none_and_a_key_is_masked(monkeypatch) -> None:
    settings = settings_of(
        monkeypatch,
        CSX_INGEST_VENUE="vendors",
        CSX_INGEST_VENDORS="coinglass,lunarcrush, coinglass",
        CSX_INGEST_COINGLASS_KEY="very-secret",
        CSX_INGEST_LUNARCRUSH_KEY="",
    )
    assert settings.vendors == ("coinglass", "lunarcrush")
    assert settings.vendor_options("coinglass") == {"key": "very-secret", "per_minute": 30.0, "interval": "4h"}
    assert settings.vendor_options("lunarcrush") == {}
    assert "very-secret" not in repr(settings)


def answer(path: str) -> tuple[int, dict[str, str], bytes]:
    """All four vendors, by path."""
    if path.startswith("/fng/"):
        data = [{"value": "54", "timestamp": "1789948800"}]
        return 200, {}, msgspec.json.encode({"data": data, "metadata": {"error": None}})
    if path.startswith("/public/coins/list/v1"):
        return 200, {}, msgspec.json.encode({"data": [{"symbol": "BTC", "galaxy_score": 72.5, "alt_rank": 3}]})
    if path.startswith("/coins/markets"):
        return (
            200,
            {},
            b'[{"id":"bitcoin","market_cap":1e12,"total_volume":3e10,"last_updated":"2026-09-21T13:00:00Z"}]',
        )
    if "oi-weight-history" in path:
        return 200, {}, b'{"code":"0","data":[{"time":1782864000000,"close":"0.003673"}]}'
    return 200, {}, b'{"code":"401","msg":"Upgrade plan"}'


async def test_the_process_asks_all_vendors_with_their_keys_and_publishes_to_the_topic(
    monkeypatch, street: Street, tmp_path, tiny
) -> None:
    street.answer = answer
    broker = EmbeddedBroker()
    bootstrap = broker.start(tmp_path, free_port())
    settings = settings_of(
        monkeypatch,
        CSX_KAFKA_BOOTSTRAP=bootstrap,
        CSX_INGEST_VENUE="vendors",
        CSX_INGEST_VENDORS="alternative,coingecko,coinglass,lunarcrush",
        CSX_INGEST_ORIGIN="simulated",
        CSX_INGEST_COINGLASS_KEY="cg",
        CSX_INGEST_LUNARCRUSH_KEY="lc",
        CSX_INGEST_COINGLASS_PER_MINUTE="6000",
        CSX_INGEST_COINGLASS_WS_URL=street.url.replace("http", "ws"),
        **{f"CSX_INGEST_{name}_URL": street.url for name in ("ALTERNATIVE", "COINGECKO", "COINGLASS", "LUNARCRUSH")},
    )
    process = Process("ingest", settings)
    serving = asyncio.create_task(process.serve(functools.partial(main, settings=settings)))

    async def published() -> dict[tuple[str, str, str], Metric]:
        found: dict[tuple[str, str, str], Metric] = {}
        async with Reader(bootstrap, "test") as reader:
            for partition in range(MARKET_PARTITIONS):
                async for raw in reader.read_all(METRICS, partition):
                    one = decode(raw.value or b"")
                    assert isinstance(one, Metric)
                    found[one.venue, one.symbol, one.name] = one
        return found

    wanted = {
        ("alternative", "*", "fear_greed"): 54.0,
        ("coingecko", "BTC-USDT-PERP", "market_cap"): 1e12,
        ("coinglass", "BTC-USDT-PERP", "funding_rate_oi_weighted"): 0.003673 / 100,
        ("coinglass", "BTC-USDT-PERP", "open_interest"): None,
        ("coinglass", "*", "fear_greed"): None,
        ("coinglass", "BTC-USDT-PERP", "liquidation_order_long"): None,
        ("lunarcrush", "BTC-USDT-PERP", "galaxy_score"): 72.5,
        ("lunarcrush", "BTC-USDT-PERP", "social_sentiment"): None,
    }
    await tiny.until(lambda: process.health.port and len(street.asked) >= 12, within_s=20)
    found: dict[tuple[str, str, str], Metric] = {}
    async with asyncio.timeout(20):
        while not wanted.keys() <= found.keys():
            await asyncio.sleep(0.1)
            found = await published()
    assert {key: found[key].value for key in wanted} == wanted
    assert found["coinglass", "BTC-USDT-PERP", "open_interest"].cause == "code 401: Upgrade plan"
    assert {one.origin for one in found.values()} == {Origin.SIMULATED}
    keys = {
        path.split("?")[0]: (headers.get("cg-api-key"), headers.get("authorization")) for path, headers in street.asked
    }
    assert keys["/api/futures/funding-rate/oi-weight-history"] == ("cg", None)
    assert keys["/public/coins/list/v1"] == (None, "Bearer lc")
    assert keys["/fng/"] == keys["/coins/markets"] == (None, None)
    process.stopping.set()
    assert await asyncio.wait_for(serving, 10) == 0
    broker.stop()


async def test_a_dead_broker_is_said_and_does_not_keep_the_process(monkeypatch, street: Street, tiny) -> None:
    street.answer = answer
    settings = settings_of(
        monkeypatch,
        CSX_INGEST_VENUE="vendors",
        CSX_INGEST_VENDORS="alternative",
        CSX_INGEST_ALTERNATIVE_URL=street.url,
    )
    sink = tiny.Broker()
    sink.down = True
    polling = Polling(settings, sink, spread_s=0)
    polling.start(Process("ingest", settings))
    await tiny.until(lambda: polling.draining.down_since is not None)
    assert await polling.fault() == "the broker does not take records"
    sink.down = False
    await tiny.until(lambda: sink.of(Metric))
    assert await polling.fault() is None
    await asyncio.wait_for(polling.stop(), 5)
    assert [(one.symbol, one.value) for one in sink.of(Metric)] == [("*", 54.0)]
