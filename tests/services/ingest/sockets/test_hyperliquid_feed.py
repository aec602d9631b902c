"""Hyperliquid over loopback: what a connection replays, what ten trades of REST can fill, and what stays a hole."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve

from libs.common.events import BookSnapshot, FundingRate, Gap, MarkPrice, OpenInterest, Trade
from libs.common.events.symbols import perpetual
from services.ingest.sockets.timers import Timers
from services.ingest.venues import Hyperliquid
from services.ingest.venues.terms import Instrument

BTC = Instrument(symbol="BTC-USDC-PERP", native="BTC", kind=perpetual("BTC", "USDC"), tick=0.1, lot=1e-5)
T = 1_790_232_216_000
SHOWN = 10
"""Trades that REST shows."""


def row(number: int) -> dict[str, Any]:
    """The trade with that number; three share a block."""
    return {"coin": "BTC", "side": "B", "px": "84143.0", "sz": "0.1", "time": T + number // 3, "tid": number}


class Exchange:
    """The venue: one tape of trades, told to who listens, replayed to who comes, and its end shown by REST."""

    def __init__(self) -> None:
        self.tape: list[dict[str, Any]] = []
        self.replay = 5
        self.said: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.open: list[ServerConnection] = []
        self.hears: list[ServerConnection] = []
        self.url = ""

    async def handle(self, connection: ServerConnection) -> None:
        self.open.append(connection)
        async for message in connection:
            said = json.loads(message)
            self.said.append(said)
            if said == {"method": "ping"}:
                await connection.send('{"channel":"pong"}')
                continue
            answer = {"channel": "subscriptionResponse", "data": said}
            await connection.send(json.dumps(answer))
            if said["method"] == "subscribe":
                await self._begin(connection, said["subscription"]["type"])
        self.open.remove(connection)
        if connection in self.hears:
            self.hears.remove(connection)

    async def _begin(self, connection: ServerConnection, kind: str) -> None:
        if kind == "trades":
            self.hears.append(connection)
            if self.tape and self.replay:
                await self._send(connection, "trades", self.tape[-self.replay :][::-1])
        elif kind == "l2Book":
            await self._send(connection, "l2Book", book(0))
        else:
            context = {"funding": "0.0000125", "openInterest": "688.11", "oraclePx": "14.32", "markPx": "14.3161"}
            await self._send(connection, kind, {"coin": "BTC", "ctx": context})

    async def _send(self, connection: ServerConnection, channel: str, data: Any) -> None:
        await connection.send(json.dumps({"channel": channel, "data": data}))

    async def trade(self, *numbers: int) -> None:
        """Trades happen; whoever listens hears of them."""
        self.tape += [row(number) for number in numbers]
        for connection in list(self.hears):
            await self._send(connection, "trades", [row(number) for number in numbers])

    async def push(self, channel: str, data: Any) -> None:
        for connection in self.open:
            await self._send(connection, channel, data)

    async def cut(self) -> None:
        """Everybody loses the connection."""
        self.hears.clear()
        for connection in list(self.open):
            await connection.close()

    def answer(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        self.asked.append(asked)
        assert (request.method, request.url.raw_path, asked["coin"]) == ("POST", b"/info", "BTC")
        return httpx.Response(200, json=self.tape[-SHOWN:][::-1])


def book(later_ms: int, bid: str = "84143.0") -> dict[str, Any]:
    sides = [[{"px": bid, "sz": "1", "n": 1}], [{"px": "84144.0", "sz": "2", "n": 1}]]
    return {"coin": "BTC", "time": T + later_ms, "levels": sides}


def numbers(broker: Any) -> list[int]:
    return [int(one.trade_id.split("-")[1]) for one in broker.of(Trade)]


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    made = Exchange()
    async with serve(made.handle, "127.0.0.1", 0, close_timeout=0.2) as running:
        made.url = f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}"
        yield made


@pytest.fixture
async def follow(exchange: Exchange, listening) -> AsyncIterator[Callable[..., Any]]:
    """Listen to the exchange, as a run that begins or goes on behind a trade; return what the broker has of it."""
    async with AsyncExitStack() as runs:

        async def begin(behind: str = "") -> Any:
            venue = Hyperliquid(ws_url=exchange.url, rest_url="http://rest")
            # the venue allows less than a minute between frames
            timers = Timers(close_s=0.2, subscribe_spacing_s=60.0, resubscribe_spacing_s=0.001)
            mark = (behind, int(behind.split("-", maxsplit=1)[0]) * 1_000_000) if behind else None
            return await runs.enter_async_context(listening(venue, [BTC], exchange.answer, timers, mark))

        yield begin


async def test_everything_the_venue_tells_arrives(exchange: Exchange, follow, tiny) -> None:
    await exchange.trade(1, 2, 3)
    broker = await follow()
    await tiny.until(lambda: exchange.hears and broker.of(OpenInterest))
    await exchange.trade(4)
    await exchange.push("l2Book", book(500, bid="84142.0"))
    await tiny.until(lambda: numbers(broker) == [1, 2, 3, 4])  # the first three were told again, newest first
    await tiny.until(lambda: len(broker.of(BookSnapshot)) == 2)
    assert [one.sequence for one in broker.of(BookSnapshot)] == [T, T + 500]
    (mark,), (funding,), (interest,) = (broker.of(kind) for kind in (MarkPrice, FundingRate, OpenInterest))
    assert (mark.price, mark.index_price, funding.rate, funding.interval_s) == (14.3161, 14.32, 0.0000125, 3600)
    assert (interest.base, interest.notional) == (688.11, 688.11 * 14.3161)
    assert [said["subscription"]["type"] for said in exchange.said] == ["trades", "l2Book", "activeAssetCtx"]
    assert not broker.rejects


async def test_trades_that_the_next_connection_replays_are_no_hole(exchange: Exchange, follow, tiny) -> None:
    broker = await follow()
    await tiny.until(lambda: exchange.hears)
    await exchange.trade(*range(1, 8))
    await tiny.until(lambda: numbers(broker) == list(range(1, 8)))
    await exchange.cut()
    await exchange.trade(8, 9, 10)  # nobody hears of these
    await tiny.until(lambda: exchange.hears)
    await exchange.trade(11)
    await tiny.until(lambda: numbers(broker) == list(range(1, 12)))
    await tiny.until(lambda: any(gap.recovered for gap in broker.of(Gap) if gap.stream == "trades"))
    assert exchange.asked == []
    noticed, closed = (gap for gap in broker.of(Gap) if gap.stream == "trades")
    assert (noticed.cause, noticed.recovered, closed.recovered) == ("disconnect", False, True)


async def test_what_is_not_replayed_is_fetched_as_far_as_ten_trades_reach(exchange: Exchange, follow, tiny) -> None:
    exchange.replay = 0
    broker = await follow()
    await tiny.until(lambda: exchange.hears)
    await exchange.trade(1, 2, 3)
    await tiny.until(lambda: numbers(broker) == [1, 2, 3])
    await exchange.cut()
    await exchange.trade(4, 5, 6)
    await tiny.until(lambda: exchange.hears)
    await exchange.trade(7)
    await tiny.until(lambda: numbers(broker) == list(range(1, 8)))
    assert exchange.asked[0] == {"type": "recentTrades", "coin": "BTC"}


async def test_what_lies_further_back_stays_a_hole_at_once(exchange: Exchange, follow, tiny) -> None:
    broker = await follow()
    await tiny.until(lambda: exchange.hears)
    await exchange.trade(1, 2, 3)
    await tiny.until(lambda: numbers(broker) == [1, 2, 3])
    await exchange.cut()
    await exchange.trade(*range(4, 40))
    await tiny.until(lambda: exchange.hears)
    await exchange.trade(40)
    await tiny.until(lambda: numbers(broker)[-1:] == [40])
    await tiny.until(lambda: any(gap.cause == "backfill" for gap in broker.of(Gap)))
    lost = next(gap for gap in broker.of(Gap) if gap.cause == "backfill")
    assert (lost.stream, lost.recovered, lost.first_missing) == ("trades", False, None)
    assert (lost.from_ns, lost.to_ns) == (T * 1_000_000 + 1_000_000, row(35)["time"] * 1_000_000)
    assert numbers(broker) == [1, 2, 3, *range(35, 41)]  # what the connection replayed is there
    assert len(exchange.asked) == 1  # ten trades that are all later will not become others


async def test_a_restart_continues_behind_what_was_published(exchange: Exchange, follow, tiny) -> None:
    await exchange.trade(*range(1, 10))
    broker = await follow(behind=f"{row(8)['time']}-8")
    await tiny.until(lambda: exchange.hears)
    await exchange.trade(10, 11)
    await tiny.until(lambda: numbers(broker)[-1:] == [11])
    published = numbers(broker)
    assert published == sorted(set(published))
    assert set(published) >= {9, 10, 11}
    assert min(published) >= 6  # of the block of 8 nobody knows the order
    assert exchange.asked == []


async def test_a_damaged_book_is_asked_for_again(exchange: Exchange, follow, tiny) -> None:
    broker = await follow()
    await tiny.until(lambda: len(broker.of(BookSnapshot)) == 1)
    await exchange.push("l2Book", {"coin": "BTC", "time": T + 1, "levels": [[{"px": "x"}], []]})
    await tiny.until(lambda: len(broker.of(BookSnapshot)) == 2)
    await tiny.until(lambda: any(gap.recovered for gap in broker.of(Gap) if gap.stream == "books"))
    assert [said["method"] for said in exchange.said[-2:]] == ["unsubscribe", "subscribe"]
    await tiny.until(lambda: broker.rejects)
