"""Bybit over loopback: two sockets for one name, a jump, a lost connection, a bad topic; nothing mixes or is lost."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve

from libs.common.events import BookDelta, BookSnapshot, Gap, Trade
from libs.common.events.symbols import parse
from services.ingest.sockets.timers import Timers
from services.ingest.venues import Bybit
from services.ingest.venues.terms import Instrument

AT = 1_786_310_819_680
INSTRUMENTS = {
    native: Instrument(symbol=symbol, native=native, kind=parse(symbol), tick=0.1, lot=0.001)
    for native, symbol in (
        ("linear:BTCUSDT", "BTC-USDT-PERP"),
        ("spot:BTCUSDT", "BTC-USDT"),
        ("spot:GONEUSDT", "GONE-USDT"),
    )
}


class Exchange:
    """The venue's sockets and REST: knows every trade of each category, tells those it is told to."""

    def __init__(self) -> None:
        self.open: dict[str, ServerConnection] = {}
        self.connects: Counter[str] = Counter()
        self.tape: dict[str, list[dict[str, Any]]] = {"linear": [], "spot": []}
        self.update = 100
        self.url = ""

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        category = connection.request.path.removeprefix("/v5/public/")
        self.open[category] = connection
        self.connects[category] += 1
        async for frame in connection:
            await self.asked(category, json.loads(frame))

    async def asked(self, category: str, request: dict[str, Any]) -> None:
        topics = request.get("args", [])
        good = not any("GONE" in topic for topic in topics)
        if good and request["op"] == "subscribe":
            for topic in topics:
                if topic.startswith("orderbook"):
                    await self.book(category, whole=True)  # a snapshot may come before the answer
        said = "" if good else "error:handler not found"
        await self.say(category, success=good, ret_msg=said, conn_id="x", req_id=request["req_id"], op=request["op"])

    async def say(self, category: str, **message: Any) -> None:
        await self.open[category].send(json.dumps(message))

    async def book(self, category: str, *, whole: bool = False, lost: int = 0) -> None:
        self.update += 1 + lost
        price = 65_000 if category == "linear" else 65_020
        levels = {"b": [[str(price), "1"]], "a": [[str(price + 1), "1"]]}
        data = {"s": "BTCUSDT", "u": self.update, "seq": 1, **levels}
        kind = "snapshot" if whole else "delta"
        await self.say(category, topic="orderbook.200.BTCUSDT", type=kind, ts=AT, cts=AT, data=data)

    def happens(self, category: str) -> dict[str, Any]:
        number = len(self.tape[category])
        ident = f"20f43950-d8dd-5b31-9112-{number:012d}" if category == "linear" else str(229 * 10**16 + number)
        row = {"T": AT + number, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "100", "i": ident, "BT": False}
        self.tape[category].append(row)
        return row

    async def tell(self, category: str) -> None:
        await self.say(category, topic="publicTrade.BTCUSDT", type="snapshot", ts=AT, data=[self.happens(category)])

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v5/market/recent-trade"
        query = request.url.params
        rows = [
            {"execId": row["i"], "price": row["p"], "size": row["v"], "side": row["S"], "time": str(row["T"])}
            for row in reversed(self.tape[query["category"]])
        ]
        return httpx.Response(200, json={"retCode": 0, "result": {"list": rows[: int(query["limit"])]}})


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    made = Exchange()
    async with serve(made.handle, "127.0.0.1", 0, close_timeout=0.2) as running:
        made.url = f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}"
        yield made


@pytest.fixture
async def fed(exchange: Exchange, listening) -> AsyncIterator[Any]:
    """What the broker has of the lines that listen to the exchange."""
    venue = Bybit(ws_url=exchange.url, rest_url="http://rest")
    timers = Timers(close_s=0.2, subscribe_spacing_s=0.01, resubscribe_spacing_s=0.01)
    async with listening(venue, list(INSTRUMENTS.values()), exchange.answer, timers) as broker:
        yield broker


def _ids(fed, symbol) -> list[str]:
    return [one.trade_id for one in fed.of(Trade) if one.symbol == symbol]


def _books(fed, symbol) -> list[BookSnapshot | BookDelta]:
    return [one for one in fed.events if isinstance(one, BookSnapshot | BookDelta) and one.symbol == symbol]


async def test_two_sockets_one_name_and_every_fault(exchange: Exchange, fed, tiny) -> None:
    await tiny.until(lambda: _books(fed, "BTC-USDT-PERP") and _books(fed, "BTC-USDT"))
    for category in ("linear", "spot", "linear"):
        await exchange.tell(category)
    await tiny.until(lambda: len(fed.of(Trade)) == 3)

    await exchange.book("linear", lost=1)  # a jump: the book is asked for again on the same socket
    await tiny.until(lambda: any(gap.recovered and gap.stream == "books" for gap in fed.of(Gap)))
    assert exchange.connects["linear"] == 1

    await exchange.open["linear"].close()
    for _ in range(3):
        exchange.happens("linear")  # nobody listened
    await tiny.until(lambda: exchange.connects["linear"] == 2)
    await tiny.until(lambda: len([one for one in _books(fed, "BTC-USDT-PERP") if isinstance(one, BookSnapshot)]) == 3)
    await exchange.tell("linear")
    await exchange.tell("spot")
    await tiny.until(lambda: len(fed.of(Trade)) == 8)
    await tiny.until(lambda: any(gap.recovered and gap.stream == "trades" for gap in fed.of(Gap)))

    assert _ids(fed, "BTC-USDT-PERP") == [row["i"] for row in exchange.tape["linear"]]  # the uninterrupted tape
    assert _ids(fed, "BTC-USDT") == [row["i"] for row in exchange.tape["spot"]]
    assert {one.bids[0][0] for one in _books(fed, "BTC-USDT-PERP")} == {65_000.0}
    assert {one.bids[0][0] for one in _books(fed, "BTC-USDT")} == {65_020.0}
    assert {gap.symbol for gap in fed.of(Gap)} == {"BTC-USDT-PERP"}


async def test_a_name_that_is_gone_takes_nobody_with_it(exchange: Exchange, fed, tiny) -> None:
    await tiny.until(lambda: _books(fed, "BTC-USDT"))
    await tiny.until(lambda: len(fed.rejects) == 3)  # the batch, then both topics of the bad name
    assert {reject.reason for reject in fed.rejects} == {"error_frame"}
    await exchange.tell("spot")
    await tiny.until(lambda: _ids(fed, "BTC-USDT"))
    assert exchange.connects["spot"] == 1
