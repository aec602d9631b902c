"""The sandbox's Binance USD-M against the vendor's documented shapes, and a naive client with the vendor's rules."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from deploy.local.sandbox.__main__ import listings, simulated
from deploy.local.sandbox.server import Sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    server = simulated(listings(["binance-usdm:BTC-USDT-PERP"]), seed=3, start_ns=None, rate=3.0)
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sandbox.port}") as client:
        yield client


def socket(sandbox: Sandbox, path: str) -> connect:
    return connect(f"ws://127.0.0.1:{sandbox.port}/binance-usdm{path}", max_size=1 << 25, compression=None)


async def heard(ws: ClientConnection, event: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            message = json.loads(await ws.recv())
            data = message.get("data", message)
            if data.get("e") == event:
                found.append(data)
    return found


FAPI = "/binance-usdm/fapi/v1"


async def test_streams_have_the_vendor_fields(sandbox):
    names = "btcusdt@trade/btcusdt@depth@100ms/btcusdt@bookTicker"
    async with socket(sandbox, f"/public/stream?streams={names}") as ws:
        trade = (await heard(ws, "trade", 1))[0]
        assert set(trade) == {"e", "E", "T", "s", "t", "p", "q", "X", "m"}
        assert trade["s"] == "BTCUSDT"
        assert isinstance(trade["t"], int)
        assert isinstance(trade["p"], str)
        assert isinstance(trade["m"], bool)
        assert abs(trade["T"] / 1000 - time.time()) < 5
        depth = (await heard(ws, "depthUpdate", 2))[1]
        assert set(depth) == {"e", "E", "T", "s", "U", "u", "pu", "b", "a"}
        assert depth["pu"] < depth["U"] <= depth["u"]
        ticker = (await heard(ws, "bookTicker", 1))[0]
        assert set(ticker) == {"e", "u", "s", "b", "B", "a", "A", "T", "E"}
        assert float(ticker["b"]) < float(ticker["a"])
    async with socket(sandbox, "/market/ws/btcusdt@aggTrade") as ws:  # raw form: no wrapper
        agg = json.loads(await ws.recv())
        assert set(agg) == {"e", "E", "s", "a", "p", "q", "nq", "f", "l", "T", "m"}
        await ws.send('{"method":"SUBSCRIBE","params":["btcusdt@markPrice@1s"],"id":7}')
        mark = (await heard(ws, "markPriceUpdate", 1))[0]
        assert set(mark) == {"e", "E", "s", "p", "ap", "P", "i", "r", "T"}


async def test_requests_are_acknowledged_and_misrouted_streams_stay_silent(sandbox):
    async with socket(sandbox, "/market/stream") as ws:
        await ws.send('{"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@depth@100ms"],"id":1}')
        assert json.loads(await ws.recv()) == {"result": None, "id": 1}
        await ws.send('{"method":"LIST_SUBSCRIPTIONS","id":"x"}')
        assert sorted(json.loads(await ws.recv())["result"]) == ["btcusdt@depth@100ms", "btcusdt@trade"]
        await ws.send('{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":2}')
        assert json.loads(await ws.recv()) == {"result": None, "id": 2}
        for _ in range(5):
            assert json.loads(await ws.recv())["stream"] == "btcusdt@aggTrade"
    async with socket(sandbox, "/public/ws") as ws:
        await ws.send("{nonsense")
        assert json.loads(await ws.recv())["code"] == 3
        await ws.send('{"method":"NONE","id":3}')
        assert json.loads(await ws.recv())["code"] == 2


async def test_rest_shapes_weights_and_errors(http):
    info = (await http.get(f"{FAPI}/exchangeInfo")).json()["symbols"][0]
    assert (info["symbol"], info["contractType"], info["status"]) == ("BTCUSDT", "PERPETUAL", "TRADING")
    assert {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "10000000", "tickSize": "0.10"} in info[
        "filters"
    ]
    depth = await http.get(f"{FAPI}/depth", params={"symbol": "BTCUSDT", "limit": 1000})
    assert int(depth.headers["X-MBX-USED-WEIGHT-1M"]) >= 20
    assert float(depth.json()["bids"][0][0]) < float(depth.json()["asks"][0][0])
    assert len(depth.json()["bids"]) > 200
    rows = (await http.get(f"{FAPI}/klines", params={"symbol": "BTCUSDT", "interval": "1w", "limit": 700})).json()
    assert len(rows) == 700
    assert all(len(row) == 12 for row in rows)
    assert rows[0][0] % 604_800_000 == 345_600_000  # Mondays
    assert all(b[0] == a[6] + 1 for a, b in pairwise(rows))
    wrong = await http.get(f"{FAPI}/depth", params={"symbol": "NOPE"})
    assert (wrong.status_code, wrong.json()) == (400, {"code": -1121, "msg": "Invalid symbol."})
    interval = await http.get(f"{FAPI}/klines", params={"symbol": "BTCUSDT", "interval": "7m"})
    assert interval.json()["code"] == -1120
    premium = (await http.get(f"{FAPI}/premiumIndex", params={"symbol": "BTCUSDT"})).json()
    assert premium["nextFundingTime"] % 28_800_000 == 0
    assert float((await http.get(f"{FAPI}/openInterest", params={"symbol": "BTCUSDT"})).json()["openInterest"]) > 0


async def test_pages_by_time_and_by_id(http):
    where = {"symbol": "BTCUSDT"}
    async with asyncio.timeout(60):
        while len(rows := (await http.get(f"{FAPI}/aggTrades", params=where | {"limit": 30})).json()) < 30:
            pass
    await http.post("/control/pause")
    middle = rows[10]
    page = (await http.get(f"{FAPI}/aggTrades", params=where | {"fromId": middle["a"], "limit": 3})).json()
    assert page == rows[10:13]
    window = where | {"startTime": middle["T"], "endTime": rows[20]["T"], "limit": 1000}
    page = (await http.get(f"{FAPI}/aggTrades", params=window)).json()
    assert page[0]["T"] == middle["T"]
    assert {row["a"] for row in rows[11:20]} <= {row["a"] for row in page}
    bars = (await http.get(f"{FAPI}/klines", params=where | {"interval": "1m", "limit": 5})).json()
    window = where | {"interval": "1m", "startTime": bars[1][0], "endTime": bars[3][0]}
    assert (await http.get(f"{FAPI}/klines", params=window)).json() == bars[1:4]
    for path, params, code in (
        ("aggTrades", {"fromId": "x"}, -1102),
        ("depth", {"limit": 7}, -4021),
    ):
        answer = await http.get(f"{FAPI}/{path}", params=where | params)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert (await http.get(f"{FAPI}/depth")).json()["code"] == -1102
    assert (await http.get(f"{FAPI}/nothing")).status_code == 404
    assert len((await http.get(f"{FAPI}/premiumIndex")).json()) == 1


async def test_too_much_weight_is_refused(http):
    for _ in range(30):
        answer = await http.get(f"{FAPI}/historicalTrades", params={"symbol": "BTCUSDT"})
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert answer.json()["code"] == -1003
    assert 0 < int(answer.headers["Retry-After"]) <= 60


class Naive:
    """developers.binance.com, "How to manage a local order book correctly", in its own words and no more."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.trades: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}

    async def take(self) -> None:
        data = json.loads(await self.ws.recv())["data"]
        (self.trades if data["e"] == "trade" else self.events).append(data)

    def build(self, snapshot: dict[str, Any]) -> None:
        """Drop u < lastUpdateId; the first has U <= lastUpdateId <= u; then each pu is the previous u."""
        self.sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        kept = [event for event in self.events if event["u"] >= snapshot["lastUpdateId"]]
        assert kept[0]["U"] <= snapshot["lastUpdateId"] <= kept[0]["u"]
        assert all(after["pu"] == before["u"] for before, after in pairwise(kept))
        for event in kept:
            for key, levels in self.sides.items():
                for price, size in event[key]:
                    levels[price] = size
                    if not float(size):
                        del levels[price]

    def book(self, key: str, sign: int) -> list[list[str]]:
        return [list(level) for level in sorted(self.sides[key].items(), key=lambda level: sign * float(level[0]))]


async def test_a_naive_client_keeps_the_same_book_and_hears_every_trade(sandbox, http):
    async with socket(sandbox, "/public/stream?streams=btcusdt@depth@100ms/btcusdt@trade") as ws:
        naive = Naive(ws)
        while len(naive.events) < 2:
            await naive.take()
        snapshot = (await http.get(f"{FAPI}/depth", params={"symbol": "BTCUSDT", "limit": 1000})).json()
        async with asyncio.timeout(60):
            while len(naive.trades) < 60 or len(naive.events) < 30:
                await naive.take()
        await http.post("/control/pause")
        final = (await http.get("/control/book?venue=binance-usdm&symbol=BTC-USDT-PERP")).json()
        async with asyncio.timeout(5):
            while naive.events[-1]["u"] < final["sequence"]:
                await naive.take()
        naive.build(snapshot)
        assert naive.book("b", -1) == final["bids"]
        assert naive.book("a", 1) == final["asks"]
        text = (await http.get("/control/trades?venue=binance-usdm&symbol=BTC-USDT-PERP")).text
        oracle = {int(row["trade_id"]): row for row in map(json.loads, text.splitlines())}
        ids = [trade["t"] for trade in naive.trades]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert ids[-1] == max(oracle)
        for trade in naive.trades:
            row, side = oracle[trade["t"]], "sell" if trade["m"] else "buy"
            assert (trade["p"], trade["q"], side, trade["T"]) == (row["price"], row["size"], row["side"], row["ts_ms"])
        params = {"symbol": "BTCUSDT", "fromId": ids[0], "limit": 10}
        page = (await http.get(f"{FAPI}/historicalTrades", params=params)).json()
        assert [row["id"] for row in page] == ids[:10]
        aggregates = (await http.get(f"{FAPI}/aggTrades", params={"symbol": "BTCUSDT", "limit": 1000})).json()
        assert [b["f"] - a["l"] for a, b in pairwise(aggregates)] == [1] * (len(aggregates) - 1)
        assert [b["a"] - a["a"] for a, b in pairwise(aggregates)] == [1] * (len(aggregates) - 1)
