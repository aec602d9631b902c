"""The sandbox's Bybit against the vendor's documented shapes, and a naive client that counts update ids."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deploy.local.sandbox.__main__ import MARKETS, listings, simulated
from deploy.local.sandbox.bybit_rest import Rest
from deploy.local.sandbox.handler import Request
from deploy.local.sandbox.server import Sandbox

WANTED = ["bybit:BTC-USDT-PERP", "bybit:ETH-USDT-PERP", "bybit:BTC-USDT", "bybit:BTC-USD-PERP"]
API = "/bybit/v5/market"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    server = simulated(listings(WANTED, MARKETS["65"]), seed=3, rate=3.0)
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sandbox.port}") as client:
        yield client


def socket(sandbox: Sandbox, category: str = "linear") -> connect:
    url = f"ws://127.0.0.1:{sandbox.port}/bybit/v5/public/{category}"
    return connect(url, max_size=1 << 25, compression=None)


async def say(ws: ClientConnection, op: str, *args: str, ident: str = "r1") -> dict[str, Any]:
    """Send a request and return its answer; data may come before it."""
    await ws.send(json.dumps({"req_id": ident, "op": op, "args": list(args)}))
    async with asyncio.timeout(5):
        while True:
            answer: dict[str, Any] = json.loads(await ws.recv())
            if "topic" not in answer:
                return answer


async def pushed(ws: ClientConnection, topic: str, kind: str = "") -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            message: dict[str, Any] = json.loads(await ws.recv())
            if message.get("topic") == topic and kind in {"", message["type"]}:
                return message


async def test_pushes_have_the_vendor_fields(sandbox):
    async with socket(sandbox) as ws:
        topics = ("publicTrade.BTCUSDT", "tickers.BTCUSDT", "orderbook.1.BTCUSDT")
        ack = await say(ws, "subscribe", *topics, "kline.1.BTCUSDT")
        assert set(ack) == {"success", "ret_msg", "conn_id", "req_id", "op"}
        assert (ack["success"], ack["ret_msg"], ack["req_id"], ack["op"]) == (True, "", "r1", "subscribe")
        ticker = await pushed(ws, "tickers.BTCUSDT")
        assert ticker["type"] == "snapshot"
        whole = ticker["data"]
        figures = {"markPrice", "indexPrice", "fundingRate", "nextFundingTime", "turnover24h", "volume24h", "bid1Price"}
        assert figures | {"openInterest", "openInterestValue", "singleOpenInterest"} <= set(whole)
        assert float(whole["openInterest"]) == pytest.approx(2 * float(whole["singleOpenInterest"]))
        assert int(whole["nextFundingTime"]) % 28_800_000 == 0
        later = await pushed(ws, "tickers.BTCUSDT", "delta")
        assert later["data"]["symbol"] == "BTCUSDT"
        assert len(later["data"]) < len(whole)
        assert (await say(ws, "subscribe", "orderbook.200.BTCUSDT"))["success"]
        book = await pushed(ws, "orderbook.200.BTCUSDT")
        assert set(book) == {"topic", "type", "ts", "data", "cts"}
        assert book["type"] == "snapshot"
        assert set(book["data"]) == {"s", "b", "a", "u", "seq"}
        assert [len(book["data"][key]) for key in "ba"] == [200, 200]
        best = await pushed(ws, "orderbook.1.BTCUSDT")
        assert best["type"] == "snapshot"
        assert [len(best["data"][key]) for key in "ba"] == [1, 1]
        trade = (await pushed(ws, "publicTrade.BTCUSDT"))["data"][0]
        assert set(trade) == {"T", "s", "S", "v", "p", "L", "i", "BT", "RPI", "seq"}
        assert trade["S"] in {"Buy", "Sell"}
        assert len(trade["i"]) == 36
        candle = (await pushed(ws, "kline.1.BTCUSDT"))["data"][0]
        keys = {"start", "end", "interval", "open", "close", "high", "low", "volume", "turnover", "confirm"}
        assert set(candle) == keys | {"timestamp"}
    async with socket(sandbox, "spot") as ws:
        assert (await say(ws, "subscribe", "publicTrade.BTCUSDT"))["ret_msg"] == "subscribe"
        trade = (await pushed(ws, "publicTrade.BTCUSDT"))["data"][0]
        assert trade["i"].isdigit()


async def test_pings_and_refusals(sandbox):
    async with socket(sandbox) as ws:
        await ws.send('{"op":"ping"}')
        pong = json.loads(await ws.recv())
        assert (pong["success"], pong["ret_msg"], pong["op"]) == (True, "pong", "ping")
        for topics in (["orderbook.7.BTCUSDT"], ["orderbook.500.BTCUSDT"], ["mystery.BTCUSDT"], ["publicTrade.NOPE"]):
            answer = await say(ws, "subscribe", *topics)
            assert (answer["success"], answer["req_id"]) == (False, "r1")
            assert answer["ret_msg"]
        spoilt = await say(ws, "subscribe", "publicTrade.BTCUSDT", "publicTrade.NOPE")
        assert not spoilt["success"]
        assert (await say(ws, "subscribe", "publicTrade.BTCUSDT"))["success"]  # the good one was not taken with it
        assert "already subscribed" in (await say(ws, "subscribe", "publicTrade.BTCUSDT"))["ret_msg"]
        assert not (await say(ws, "subscribe", *(f"publicTrade.{'X' * 98}{at:03}" for at in range(200))))["success"]
        for text in ("{nonsense", '{"op":"dance"}', '{"op":"subscribe","args":"x"}', "[1]"):
            await ws.send(text)
            async with asyncio.timeout(5):
                while "topic" in (answer := json.loads(await ws.recv())):
                    pass
            assert answer["success"] is False
    async with socket(sandbox, "spot") as ws:
        many = [f"{kind}.BTCUSDT" for kind in ("publicTrade", "tickers", *(f"kline.{at}" for at in "135"))]
        assert (await say(ws, "subscribe", *many * 3))["ret_msg"] == "args size >10"
        assert not (await say(ws, "subscribe", "allLiquidation.BTCUSDT"))["success"]  # nobody is liquidated on spot
    with pytest.raises(InvalidStatus):
        await socket(sandbox, "option").__aenter__()


async def test_a_connection_on_which_nothing_is_said_is_closed(sandbox):
    exchange = sandbox._exchanges["/bybit"]
    async with socket(sandbox) as ws:
        await ws.send('{"op":"ping"}')
        await ws.recv()
        now_s = asyncio.get_running_loop().time()
        exchange.tick(now_s + 590.0)
        await ws.send('{"op":"ping"}')
        await ws.recv()
        exchange.tick(now_s + 605.0)
        with pytest.raises(ConnectionClosed):
            await ws.recv()


class Naive:
    """The vendor's "Orderbook" page: a snapshot replaces, sizes are absolute, 0 removes; `u` counts the messages."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        self.update = self.deltas = self.sequence = 0
        self.trades: list[dict[str, Any]] = []

    async def take(self) -> None:
        message = json.loads(await self.ws.recv())
        if message.get("topic", "").startswith("publicTrade"):
            self.trades += message["data"]
        elif message.get("topic", "").startswith("orderbook"):
            data = message["data"]
            if message["type"] == "snapshot":
                self.sides = {"b": {}, "a": {}}
            else:
                assert data["u"] == self.update + 1
                self.deltas += 1
            self.update, self.sequence = data["u"], data["seq"]
            for key, levels in self.sides.items():
                for price, size in data[key]:
                    levels[price] = size
                    if size == "0":
                        del levels[price]

    def book(self, key: str, sign: int) -> list[tuple[float, float]]:
        levels = [(float(price), float(size)) for price, size in self.sides[key].items()]
        return sorted(levels, key=lambda level: sign * level[0])


@pytest.mark.parametrize(("depth", "shown"), [(50, 50), (200, 200), (1000, 10_000)])
async def test_a_naive_client_keeps_the_same_book_and_hears_every_trade(sandbox, http, depth, shown):
    async with socket(sandbox) as ws:
        await say(ws, "subscribe", f"orderbook.{depth}.BTCUSDT", "publicTrade.BTCUSDT")
        naive = Naive(ws)
        async with asyncio.timeout(30):
            while naive.deltas < 20 or len(naive.trades) < 40:
                await naive.take()
        await http.post("/control/pause")
        where = "venue=bybit&symbol=BTC-USDT-PERP"
        final = (await http.get(f"/control/book?{where}")).json()
        ends = [[(float(price), float(size)) for price, size in final[name][:shown]] for name in ("bids", "asks")]
        async with asyncio.timeout(5):
            while [naive.book("b", -1), naive.book("a", 1)] != ends:
                await naive.take()
        oracle = [json.loads(line) for line in (await http.get(f"/control/trades?{where}")).text.splitlines()]
        ids = [int(trade["i"][-12:], 16) for trade in naive.trades]
        assert ids == list(range(ids[0], int(oracle[-1]["trade_id"]) + 1))
        rows = oracle[-len(ids) :]
        told = [(one["p"], one["v"], one["S"].lower(), one["T"]) for one in naive.trades]
        assert told == [(row["price"], row["size"], row["side"], row["ts_ms"]) for row in rows]
        params = {"category": "linear", "symbol": "BTCUSDT", "limit": 10}
        recent = (await http.get(f"{API}/recent-trade", params=params)).json()["result"]["list"]
        assert [row["execId"] for row in recent] == [one["i"] for one in naive.trades[:-11:-1]]


async def test_a_second_listener_and_a_resubscription_get_the_book_whole(sandbox):
    async with socket(sandbox) as first, socket(sandbox) as second:
        await say(first, "subscribe", "orderbook.200.BTCUSDT")
        naive = Naive(first)
        while naive.deltas < 3:
            await naive.take()
        await say(second, "subscribe", "orderbook.200.BTCUSDT")
        book = await pushed(second, "orderbook.200.BTCUSDT")
        assert book["type"] == "snapshot"
        while naive.update < book["data"]["u"]:
            await naive.take()  # counts on: the other's snapshot is no message of ours
        assert naive.book("b", -1) == [(float(price), float(size)) for price, size in book["data"]["b"]]
        assert (await say(second, "unsubscribe", "orderbook.200.BTCUSDT"))["success"]
        await say(second, "subscribe", "orderbook.200.BTCUSDT")
        assert (await pushed(second, "orderbook.200.BTCUSDT", "snapshot"))["data"]["u"] > book["data"]["u"]


async def test_forced_orders_say_whose_position_was_lost(sandbox, http):
    from deploy.local.sandbox.server import Live
    from deploy.local.sandbox.simulation import Happening
    from deploy.local.sandbox.tape import Liquidated

    exchange, driver = sandbox._exchanges["/bybit"], sandbox._driver
    assert isinstance(driver, Live)
    market = next(one for one in driver._simulation.markets if one.listing.native == "linear:BTCUSDT")
    async with socket(sandbox) as ws:
        await say(ws, "subscribe", "allLiquidation.BTCUSDT", "liquidation.BTCUSDT")
        await http.post("/control/pause")
        sold = Liquidated(1, buy=False, price=640_000, average=639_990.0, lots=5, ms=1_790_000_040_025)
        exchange.happened([Happening(market, [], [sold])], 1_790_000_040_500)
        message = await pushed(ws, "allLiquidation.BTCUSDT")
        while message["data"][0]["T"] != sold.ms:  # the market's own may have come before
            message = await pushed(ws, "allLiquidation.BTCUSDT")
        row = {"T": sold.ms, "s": "BTCUSDT", "S": "Buy", "v": "0.005", "p": "64000.0"}  # a long was closed by selling
        assert message["data"][0] == row
        old = (await pushed(ws, "liquidation.BTCUSDT"))["data"]
        assert old == {"updatedTime": sold.ms, "symbol": "BTCUSDT", "side": "Buy", "size": "0.005", "price": "64000.0"}


async def test_the_catalogue_comes_in_pages(http):
    seen, cursor = [], ""
    for _ in range(2):
        params = {"category": "linear", "limit": 1} | ({"cursor": cursor} if cursor else {})
        result = (await http.get(f"{API}/instruments-info", params=params)).json()["result"]
        seen += result["list"]
        cursor = unquote(result["nextPageCursor"])
    assert [row["symbol"] for row in seen] == ["BTCUSDT", "ETHUSDT"]
    assert cursor == ""
    row = seen[0]
    assert (row["contractType"], row["status"], row["settleCoin"]) == ("LinearPerpetual", "Trading", "USDT")
    assert (row["priceFilter"]["tickSize"], row["lotSizeFilter"]["qtyStep"]) == ("0.1", "0.001")
    assert row["fundingInterval"] == 480  # minutes
    spot = (await http.get(f"{API}/instruments-info", params={"category": "spot"})).json()["result"]["list"]
    assert [(one["baseCoin"], one["lotSizeFilter"]["basePrecision"]) for one in spot] == [("BTC", "0.001")]
    inverse = (await http.get(f"{API}/instruments-info", params={"category": "inverse"})).json()["result"]["list"]
    assert [(one["symbol"], one["contractType"], one["settleCoin"]) for one in inverse] == [
        ("BTCUSD", "InversePerpetual", "BTC")
    ]


async def test_rest_shapes_and_errors(http):
    where = {"category": "linear", "symbol": "BTCUSDT"}
    clock = (await http.get(f"{API}/time")).json()
    assert clock["retCode"] == 0
    assert int(clock["result"]["timeNano"]) // 10**9 == int(clock["result"]["timeSecond"])
    book = (await http.get(f"{API}/orderbook", params=where)).json()["result"]
    assert set(book) == {"s", "b", "a", "ts", "u", "seq", "cts"}
    assert len(book["b"]) == 25
    candles = (await http.get(f"{API}/kline", params=where | {"interval": "60"})).json()["result"]
    assert len(candles["list"]) == 200
    assert all(int(a[0]) - int(b[0]) == 3_600_000 for a, b in pairwise(candles["list"]))  # newest first
    assert {len(row) for row in candles["list"]} == {7}
    window = where | {"interval": "60", "start": candles["list"][5][0], "end": candles["list"][3][0]}
    page = (await http.get(f"{API}/kline", params=window)).json()["result"]["list"]
    assert page == candles["list"][3:6]
    inverse = {"category": "inverse", "symbol": "BTCUSD", "interval": "1"}
    bar = (await http.get(f"{API}/kline", params=inverse)).json()["result"]["list"][5]
    assert float(bar[4]) * 0.9 < float(bar[5]) / float(bar[6]) < float(bar[4]) * 1.1  # dollars over coins is a price
    tickers = (await http.get(f"{API}/tickers", params={"category": "linear"})).json()["result"]["list"]
    assert [row["symbol"] for row in tickers] == ["BTCUSDT", "ETHUSDT"]
    spot = (await http.get(f"{API}/tickers", params={"category": "spot"})).json()["result"]["list"]
    assert "fundingRate" not in spot[0]
    trades = (await http.get(f"{API}/recent-trade", params=where | {"category": "spot", "limit": 900})).json()
    assert len(trades["result"]["list"]) <= 60
    for call, params in (
        ("orderbook", {"category": "linear", "symbol": "NOPE"}),
        ("orderbook", {"category": "nope", "symbol": "BTCUSDT"}),
        ("kline", where | {"interval": "7"}),
        ("kline", where | {"interval": "1", "limit": "x"}),
        ("instruments-info", {}),
        ("instruments-info", {"category": "linear", "cursor": "nonsense"}),
    ):
        answer = await http.get(f"{API}/{call}", params=params)
        assert (answer.status_code, answer.json()["retCode"]) == (200, 10001)
    assert (await http.get(f"{API}/nothing")).status_code == 404


def test_600_calls_are_answered_in_five_seconds():
    rest = Rest({}, lambda _market: 0)
    call = Request(method="GET", path=f"{API}/time", query={})
    answers = [rest.answer(call, 1_790_000_000_000 + 8 * at) for at in range(601)]
    assert {answer.status for answer in answers[:600]} == {200}
    assert (answers[600].status, answers[600].body) == (403, b"access too frequent")
    assert rest.answer(call, 1_790_000_010_000).status == 200
