"""The service as a process: sandbox exchange -> ingest -> embedded broker, killed and disturbed, nothing missing."""

import asyncio
import contextlib
import functools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import free_port
from deploy.local.sandbox.__main__ import simulated
from deploy.local.sandbox.listings import DEFAULT
from deploy.local.sandbox.listings_many import MANY
from deploy.local.sandbox.server import Sandbox
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import decode
from libs.common.bus.reading import Reader
from libs.common.bus.topics import BOOKS, CANDLES, GAPS, LIQUIDATIONS, MARKET_REJECTS, TOPICS, TRADES, Topic
from libs.common.events import BookDelta, BookSnapshot, Trade

ROOT = Path(__file__).resolve().parents[3]


class Street:
    """A sandbox, a broker, and one ingest process between them."""

    def __init__(self, bootstrap: str, sandbox: Sandbox, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.url = f"http://127.0.0.1:{sandbox.port}"
        self.folder = folder
        self.process: asyncio.subprocess.Process | None = None
        self.client = httpx.AsyncClient()
        self.venue, self.symbol = "", ""
        self.stop_broker: Callable[[], object] = lambda: None
        self.start_broker: Callable[[], object] = lambda: None

    async def start(self, venue: str, symbol: str, **settings: str) -> None:
        self.venue, self.symbol = venue, symbol
        env = {
            "PATH": os.environ["PATH"],
            "CSX_KAFKA_BOOTSTRAP": self.bootstrap,
            "CSX_INGEST_VENUE": venue,
            "CSX_INGEST_SYMBOLS": symbol,
            "CSX_INGEST_ORIGIN": "simulated",
            "CSX_INGEST_WS_URL": f"{self.url.replace('http', 'ws', 1)}/{venue}",
            "CSX_INGEST_REST_URL": f"{self.url}/{venue}",
            "CSX_INGEST_HISTORY_BARS": "5",
            "CSX_INGEST_SNAPSHOT_EVERY_S": "1",
            "CSX_HEALTH_PORT": str(free_port()),
        } | settings
        with (self.folder / "ingest.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.ingest", cwd=ROOT, env=env, stdout=log, stderr=log
            )

    async def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        code = await asyncio.wait_for(self.process.wait(), 12)
        self.process = None
        return code

    async def rows(self, what: str) -> list[dict[str, Any]]:
        by = "fill" if self.venue == "bybit" else "print"
        answer = await self.client.get(
            f"{self.url}/control/{what}", params={"venue": self.venue, "symbol": self.symbol, "by": by}
        )
        return [msgspec.json.decode(line) for line in answer.raise_for_status().text.splitlines()]

    async def control(self, what: str, body: object = None) -> None:
        content = msgspec.json.encode(body) if body is not None else b""
        (await self.client.post(f"{self.url}/control/{what}", content=content)).raise_for_status()

    async def topic(self, topic: Topic) -> list[Any]:
        found: list[Any] = []
        async with Reader(self.bootstrap, "test") as reader:
            for partition in range(topic.partitions):
                found += [decode(raw.value or b"") async for raw in reader.read_all(topic, partition)]
        return found

    async def trades(self) -> list[Trade]:
        """Return the trades on the topic, each id once, as a reader sees them."""
        return list({one.trade_id: one for one in await self.topic(TRADES)}.values())

    async def until(self, what: str, fact: Callable[[], Any], within_s: float = 40) -> Any:
        """Return the first truthy answer of `fact`; fails with `what` after the deadline."""
        try:
            async with asyncio.timeout(within_s):
                while not (found := await fact()):  # noqa: ASYNC110  (a fact of another process)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            log = (self.folder / "ingest.log").read_text().splitlines()[-25:]
            pytest.fail(f"{what}: not within {within_s} s\n" + "\n".join(log))
        return found

    async def more_trades(self, count: int) -> int:
        """Wait for `count` more trades on the topic than there are now."""
        before = len(await self.trades())

        async def grown() -> int:
            now = len(await self.trades())
            return now if now >= before + count else 0

        return int(await self.until(f"{count} more trades", grown))

    async def first_print(self) -> int:
        """Return the position among the sandbox's prints of the first trade that was published."""
        first = min(self.order(one.trade_id) for one in await self.trades())
        key = {"okx": "last_trade_id", "bybit": "trade_id"}.get(self.venue, "print_id")
        return next(at for at, row in enumerate(await self.rows("trades")) if int(row[key]) == first)

    def order(self, trade_id: str) -> int:
        """Return the sandbox's number of a trade; its Bybit writes it at the end of a UUID."""
        return int(trade_id[-12:], 16) if self.venue == "bybit" else int(trade_id)

    async def missing_size(self) -> float:
        """Return how much less was published than the sandbox traded since the first trade published."""
        truth = sum(float(row["size"]) for row in (await self.rows("trades"))[await self.first_print() :])
        return round(truth - sum(one.size for one in await self.trades()), 8)

    async def has_book(self) -> bool:
        return any(isinstance(one, BookSnapshot) for one in await self.topic(BOOKS) if one.symbol == self.symbol)

    async def all_there(self) -> bool:
        return await self.missing_size() == 0


@pytest.fixture
async def street(tmp_path) -> AsyncIterator[Street]:
    broker, port = EmbeddedBroker(), free_port()
    bootstrap = broker.start(tmp_path, port)
    await ensure_topics(bootstrap, TOPICS)
    more = [row for row in MANY if (row.venue, row.symbol) in VENUES and row not in DEFAULT]
    sandbox = simulated([*DEFAULT, *more], seed=7, rate=3.0)
    await sandbox.start("127.0.0.1", 0)
    street = Street(bootstrap, sandbox, tmp_path)
    street.stop_broker = broker.stop
    street.start_broker = lambda: broker.start(tmp_path, port)
    try:
        yield street
    finally:
        if street.process is not None:
            await street.end(signal.SIGKILL)
        await street.client.aclose()
        await sandbox.stop()
        broker.stop()


VENUES = [
    ("binance-usdm", "BTC-USDT-PERP"),
    ("okx", "BTC-USDT"),
    ("binance-spot", "ETH-USDT"),
    ("bybit", "ETH-USDT-PERP"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("venue", "symbol"), VENUES)
async def test_killed_ingest_loses_no_trade(street: Street, venue: str, symbol: str) -> None:
    await street.start(venue, symbol)
    await street.more_trades(30)
    for _ in range(2):
        await street.end(signal.SIGKILL)
        missed = len(await street.rows("trades")) + 20
        await street.until("trades in between", functools.partial(_longer, street, missed))
        await street.start(venue, symbol)
        await street.more_trades(60)
    await street.until("a book", street.has_book)
    await street.control("pause")
    await street.until("the whole tape", street.all_there)
    assert await street.end(signal.SIGTERM) == 0
    trades = await street.trades()
    assert {str(one.origin) for one in trades} == {"simulated"}
    published = await street.topic(TRADES)
    if venue != "bybit":  # its ids have no order: what shares the millisecond of the newest may come again
        assert len(published) == len(trades)  # the tail of the topic says exactly where to go on
    gaps = [gap for gap in await street.topic(GAPS) if gap.stream == "trades"]
    assert gaps
    assert gaps[-1].recovered
    assert {str(candle.timeframe) for candle in await street.topic(CANDLES)} >= {"1m", "5m"}
    assert all(candle.closed for candle in await street.topic(CANDLES))
    _assert_chained([one for one in await street.topic(BOOKS) if one.symbol == symbol])


async def _longer(street: Street, count: int) -> bool:
    return len(await street.rows("trades")) >= count


def _assert_chained(books: list[Any]) -> None:
    """Walk the topic as a reader does: from any snapshot on, deltas continue it until the next snapshot."""
    sequence = None
    for event in books:
        if isinstance(event, BookSnapshot):
            assert event.bids[0][0] < event.asks[0][0]
            sequence = event.sequence
        elif isinstance(event, BookDelta):
            assert sequence is not None
            assert event.first_sequence == sequence + 1
            sequence = event.last_sequence
    assert sequence is not None


@pytest.mark.slow
@pytest.mark.parametrize(("venue", "symbol"), VENUES)
async def test_disturbed_ingest_loses_no_trade(street: Street, venue: str, symbol: str) -> None:
    await street.start(venue, symbol)
    await street.more_trades(30)
    spoilt = ["truncate", "garbage_utf8", "unknown_channel", "oversize", "nan", "negative_size", "duplicate"]
    lossy = ["drop", "reorder"]
    ending = ["notice_64008"] if venue == "okx" else []
    kinds = [*spoilt, *lossy, "sequence_gap", *ending, "disconnect", "http_429"]
    # trades of Bybit have no order: one that is lost without its connection shows nowhere, and TCP loses none
    about = {"drop": {"channel": "orderbook"}} if venue == "bybit" else {}
    await street.control(
        "faults",
        [{"kind": kind, "venue": venue, "at_s": 0.3 * at} | about.get(kind, {}) for at, kind in enumerate(kinds)],
    )
    await street.more_trades(150)
    await street.control("pause")
    await street.until("the whole tape", street.all_there)
    rejects = {one.reason for one in await street.topic(MARKET_REJECTS)}
    assert {"decode", "oversize", "unknown_channel", "value"} & rejects >= {"decode", "oversize"}
    assert await street.end(signal.SIGTERM) == 0
    _assert_chained([one for one in await street.topic(BOOKS) if one.symbol == symbol])


@pytest.mark.slow
async def test_broker_that_goes_and_comes_back_finds_every_trade(street: Street) -> None:
    await street.start("binance-usdm", "BTC-USDT-PERP")
    await street.more_trades(30)
    street.stop_broker()
    missed = len(await street.rows("trades")) + 100
    await street.until("trades in between", functools.partial(_longer, street, missed))
    street.start_broker()
    await street.more_trades(130)
    await street.control("pause")
    await street.until("the whole tape", street.all_there)
    assert await street.end(signal.SIGTERM) == 0


@pytest.mark.slow
async def test_unknown_symbol_is_said_and_the_others_live_on(street: Street) -> None:
    await street.start("binance-usdm", "NOPE-USDT-PERP,BTC-USDT-PERP")
    street.symbol = "BTC-USDT-PERP"
    await street.more_trades(5)
    log = (street.folder / "ingest.log").read_text()
    assert "binance-usdm does not list NOPE-USDT-PERP" in log
    await street.end(signal.SIGKILL)
    await street.start("binance-usdm", "NOPE-USDT-PERP")
    assert street.process is not None
    assert await asyncio.wait_for(street.process.wait(), 30) == 3
    street.process = None
    assert await street.topic(LIQUIDATIONS) is not None
