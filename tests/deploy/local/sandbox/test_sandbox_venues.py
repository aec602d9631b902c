"""All venues of the sandbox through our own sessions: the book is the simulation's, and so are the trades."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect

from deploy.local.probes import clock_skew
from deploy.local.sandbox.__main__ import MARKETS, listings, simulated
from deploy.local.sandbox.server import Sandbox
from libs.common.events import Origin, Timeframe, Trade
from services.ingest.venues import VENUES
from services.ingest.venues.terms import Instrument, Rejected, Reply, Request, SnapshotWanted, Stream
from services.ingest.venues.venue import Session, Venue

CASES = [
    ("binance-usdm", "币安人生-USDT-PERP"),
    ("binance-usdm", "BTC-USDT-PERP"),
    ("okx", "ETH-USDT-PERP"),
    ("okx", "BTC-USDT"),
    ("bybit", "BTC-USDT-PERP"),
    ("bybit", "BTC-USDT"),
    ("bybit", "BTC-USD-PERP"),
    ("binance-spot", "BTC-USDT"),
]


@pytest.fixture
async def sandbox(name: str) -> AsyncIterator[Sandbox]:
    server = simulated(listings([name], MARKETS["65"]), seed=5, rate=2.0)
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


class Follower:
    """One instrument through our venue, as a shell would follow it."""

    def __init__(self, sandbox: Sandbox, name: str, http: httpx.AsyncClient) -> None:
        address = f"127.0.0.1:{sandbox.port}/{name}"
        self.venue: Venue = VENUES[name](ws_url=f"ws://{address}", rest_url=f"http://{address}")
        self.http = http
        self.trades: list[Trade] = []
        self.rejected: list[Rejected] = []
        self.sessions: list[Session] = []

    async def get(self, request: Request) -> bytes:
        return (await self.http.get(request.url)).raise_for_status().content

    async def catalogue(self) -> dict[str, Instrument]:
        bodies: list[bytes] = []
        for first in self.venue.instruments_requests():
            request: Request | None = first
            while request is not None:
                bodies.append(await self.get(request))
                request = self.venue.instruments_after(request, bodies[-1])
        return self.venue.instruments(bodies)

    async def follow(self, instrument: Instrument) -> None:
        plans = self.venue.plan([instrument], [Stream.TRADES, Stream.BOOKS])
        await asyncio.gather(*(self._connection(plan, instrument) for plan in plans))

    async def _connection(self, plan: Any, instrument: Instrument) -> None:
        session = self.venue.session(plan, {instrument.native: instrument}, Origin.SIMULATED)
        self.sessions.append(session)
        async with connect(plan.url, max_size=1 << 25, compression=None) as ws:
            for frame in session.subscribe():
                await ws.send(frame.decode())
            while True:
                items = session.receive(await ws.recv(decode=False), time.time_ns())
                for item in items:
                    if isinstance(item, SnapshotWanted):
                        body = await self.get(self.venue.snapshot_request(instrument))
                        items += session.snapshot(item.symbol, body, time.time_ns())
                    elif isinstance(item, Reply):
                        await ws.send(item.frame.decode())
                    elif isinstance(item, Trade):
                        self.trades.append(item)
                    elif isinstance(item, Rejected):
                        self.rejected.append(item)

    def book(self, symbol: str) -> tuple[Any, Any] | None:
        books = [book for session in self.sessions if (book := session.book(symbol)) is not None]
        return (books[0].bids, books[0].asks) if books else None


async def until(fact: Callable[[], bool], within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not fact():  # noqa: ASYNC110  (a fact of a task beside this one)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("name", "symbol"), CASES)
async def test_our_session_has_the_simulations_book_and_trades(sandbox, name, symbol):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sandbox.port}") as http:
        follower = Follower(sandbox, name, http)
        instrument = next(one for one in (await follower.catalogue()).values() if one.symbol == symbol)
        running = asyncio.create_task(follower.follow(instrument))
        await until(lambda: len(follower.trades) >= 5 and follower.book(symbol) is not None)
        await http.post("/control/pause")
        where = {"venue": name, "symbol": symbol}
        told_by = (
            {} if name == "bybit" else {"by": "print"}
        )  # Bybit tells each execution, the others a taker's at a price
        final = (await http.get("/control/book", params=where)).json()
        rows = [
            msgspec.json.decode(line)
            for line in (await http.get("/control/trades", params=where | told_by)).text.splitlines()
        ]

        def size(text: str, price: float) -> float:
            units = float(text) * float(final["contract_size"])
            return units / price if instrument.inverse else units

        shown = 200 if name == "bybit" else len(final["bids"]) + len(final["asks"])
        ends = [
            [(float(price), size(text, float(price))) for price, text in final[side][:shown]]
            for side in ("bids", "asks")
        ]

        def same() -> bool:
            book = follower.book(symbol)
            return book is not None and all(
                [price for price, _ in side] == [price for price, _ in truth]
                and [lots for _, lots in side] == pytest.approx([lots for _, lots in truth])
                for side, truth in zip(book, ends, strict=True)
            )

        with contextlib.suppress(TimeoutError):  # what differs then is told below
            await until(same)
        newest = rows[-1]
        await until(lambda: follower.trades[-1].event_ns // 10**6 == newest["ts_ms"])
        book = follower.book(symbol)
        assert book is not None
        for side, truth in zip(book, ends, strict=True):
            assert [price for price, _ in side] == [price for price, _ in truth]
            assert [lots for _, lots in side] == pytest.approx([lots for _, lots in truth])
        since = [row for row in rows if row["ts_ms"] * 10**6 >= follower.trades[0].event_ns]
        assert [(one.price, str(one.side), one.event_ns // 10**6) for one in follower.trades] == [
            (float(row["price"]), row["side"], row["ts_ms"]) for row in since
        ]
        assert [one.size for one in follower.trades] == pytest.approx(
            [size(row["size"], float(row["price"])) for row in since]
        )
        assert follower.rejected == []
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.mark.parametrize("name", ["binance-usdm", "okx", "bybit", "binance-spot"])
async def test_our_venues_read_catalogue_turnover_clock_and_candles(sandbox, name):
    async with httpx.AsyncClient() as http:
        follower = Follower(sandbox, name, http)
        venue, catalogue = follower.venue, await follower.catalogue()
        wanted = {row.symbol: row for row in MARKETS["65"] if row.venue == name}
        assert {one.symbol for one in catalogue.values()} == set(wanted)
        assert all(one.live and one.tick == wanted[one.symbol].tick for one in catalogue.values())
        bodies = [await follower.get(request) for request in venue.turnover_requests()]
        turnover = venue.turnover(bodies, catalogue)
        assert set(turnover) == set(catalogue)
        assert "BTC" in max(turnover, key=lambda native: turnover[native])
        clock = venue.clock_request()
        assert clock is not None
        assert abs(venue.clock_ns(await follower.get(clock)) - time.time_ns()) < 5 * 10**9
        skew_s, error_s = await clock_skew(name, f"http://127.0.0.1:{sandbox.port}/{name}")
        assert abs(skew_s) - error_s < 5
        instrument = next(iter(catalogue.values()))
        for timeframe in Timeframe:
            body = await follower.get(venue.candles_request(instrument, timeframe, 200))
            candles = venue.candles(instrument, timeframe, body, time.time_ns(), Origin.SIMULATED)
            assert len(candles) == 200
            assert [candle.closed for candle in candles[:-1]] == [True] * 199
