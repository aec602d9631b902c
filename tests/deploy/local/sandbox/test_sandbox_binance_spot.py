"""The sandbox's Binance spot against the vendor's documented shapes, and a naive client with the vendor's rules."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from deploy.local.sandbox.__main__ import MARKETS, listings, simulated
from deploy.local.sandbox.server import Sandbox

API = "/binance-spot/api/v3"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    server = simulated(listings(["binance-spot:BTC-USDT", "binance-spot:ETH-USDT"], MARKETS["65"]), seed=3, rate=3.0)
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sandbox.port}") as client:
        yield client


def socket(sandbox: Sandbox, path: str) -> connect:
    return connect(f"ws://127.0.0.1:{sandbox.port}/binance-spot{path}", max_size=1 << 25, compression=None)


async def heard(ws: ClientConnection, stream: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            message = json.loads(await ws.recv())
            if message.get("stream") == stream:
                data: dict[str, Any] = message["data"]
                return data


async def test_streams_have_the_vendor_fields(sandbox):
    names = "btcusdt@trade/btcusdt@aggTrade/btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@kline_1m"
    async with socket(sandbox, f"/stream?streams={names}") as ws:
        trade = await heard(ws, "btcusdt@trade")
        assert set(trade) == {"e", "E", "s", "t", "p", "q", "T", "m", "M"}
        agg = await heard(ws, "btcusdt@aggTrade")
        assert set(agg) == {"e", "E", "s", "a", "p", "q", "f", "l", "T", "m", "M"}
        first, second = [await heard(ws, "btcusdt@depth@100ms") for _ in range(2)]
        assert set(first) == {"e", "E", "s", "U", "u", "b", "a"}  # neither T nor pu on spot
        assert second["U"] == first["u"] + 1
        assert set(await heard(ws, "btcusdt@bookTicker")) == {"u", "s", "b", "B", "a", "A"}  # neither e nor E
        candle = await heard(ws, "btcusdt@kline_1m")
        assert {"t", "T", "s", "i", "f", "L", "o", "c", "h", "l", "v", "n", "x", "q", "V", "Q"} <= set(candle["k"])
        assert not candle["k"]["x"]


async def test_requests_are_answered_and_talkers_cut(sandbox):
    async with socket(sandbox, "/ws/btcusdt@aggTrade") as ws:
        assert json.loads(await ws.recv())["e"] == "aggTrade"  # raw form: no wrapper
    async with socket(sandbox, "/stream") as ws:
        await ws.send('{"method":"SUBSCRIBE","params":["btcusdt@nonsense","nope@trade"],"id":1}')
        assert json.loads(await ws.recv()) == {"result": None, "id": 1}  # unknown ones are taken, and silent
        await ws.send('{"method":"LIST_SUBSCRIPTIONS","id":2}')
        assert sorted(json.loads(await ws.recv())["result"]) == ["btcusdt@nonsense", "nope@trade"]
        await ws.send("{nonsense")
        assert json.loads(await ws.recv())["code"] == 3
        await ws.send('{"method":"SUBSCRIBE","params":"x"}')
        assert json.loads(await ws.recv())["code"] == 2
    async with socket(sandbox, "/stream") as ws:
        for at in range(30):  # five a second are allowed
            await ws.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": at}))
        async with asyncio.timeout(5):
            await ws.wait_closed()
        assert ws.close_code == 1008


async def test_rest_shapes_weights_and_errors(http):
    catalogue = (await http.get(f"{API}/exchangeInfo")).json()
    info = catalogue["symbols"][0]
    assert (info["symbol"], info["status"], info["baseAsset"], info["quoteAsset"]) == (
        "BTCUSDT",
        "TRADING",
        "BTC",
        "USDT",
    )
    assert catalogue["rateLimits"][0]["limit"] == 6000
    assert abs((await http.get(f"{API}/time")).json()["serverTime"] - catalogue["serverTime"]) < 5000
    used = []
    for limit in (100, 500, 1000, 5000):
        answer = await http.get(f"{API}/depth", params={"symbol": "BTCUSDT", "limit": limit})
        assert set(answer.json()) == {"lastUpdateId", "bids", "asks"}
        used.append(int(answer.headers["X-MBX-USED-WEIGHT-1M"]))
    if used == sorted(used):  # else a minute ended in between
        assert [after - before for before, after in pairwise(used)] == [25, 50, 250]
    rows = (await http.get(f"{API}/klines", params={"symbol": "BTCUSDT", "interval": "1h", "limit": 2000})).json()
    assert len(rows) == 1000
    assert all(b[0] == a[6] + 1 for a, b in pairwise(rows))
    day = (await http.get(f"{API}/ticker/24hr", params={"symbol": "BTCUSDT"})).json()
    assert day["closeTime"] - day["openTime"] == 86_400_000
    hours = rows[-24:]
    assert float(day["quoteVolume"]) == pytest.approx(sum(float(row[7]) for row in hours), rel=0.01)
    assert float(day["highPrice"]) >= max(float(row[2]) for row in hours)
    assert [row["symbol"] for row in (await http.get(f"{API}/ticker/24hr")).json()] == ["BTCUSDT", "ETHUSDT"]
    for call, params, code in (
        ("depth", {"symbol": "NOPE"}, -1121),
        ("depth", {}, -1102),
        ("klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ("aggTrades", {"symbol": "BTCUSDT", "fromId": "x"}, -1102),
    ):
        answer = await http.get(f"{API}/{call}", params=params)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    for _ in range(40):
        answer = await http.get(f"{API}/depth", params={"symbol": "BTCUSDT", "limit": 5000})
        if answer.status_code == 429:
            break
    assert (answer.status_code, answer.json()["code"]) == (429, -1003)
    assert 0 < int(answer.headers["Retry-After"]) <= 60


async def test_a_naive_client_keeps_the_same_book_and_hears_every_trade(sandbox, http):
    """The vendor's "How to manage a local order book correctly": drop u <= lastUpdateId, then U is the last u + 1."""
    events: list[dict[str, Any]] = []
    trades: list[dict[str, Any]] = []
    async with socket(sandbox, "/stream?streams=btcusdt@depth@100ms/btcusdt@trade") as ws:

        async def take() -> None:
            data = json.loads(await ws.recv())["data"]
            (trades if data["e"] == "trade" else events).append(data)

        while len(events) < 2:
            await take()
        snapshot = (await http.get(f"{API}/depth", params={"symbol": "BTCUSDT", "limit": 5000})).json()
        async with asyncio.timeout(20):
            while len(trades) < 60 or len(events) < 30:
                await take()
        await http.post("/control/pause")
        where = "venue=binance-spot&symbol=BTC-USDT"
        final = (await http.get(f"/control/book?{where}")).json()
        async with asyncio.timeout(5):
            while events[-1]["u"] < final["sequence"]:
                await take()
        kept = [event for event in events if event["u"] > snapshot["lastUpdateId"]]
        assert kept[0]["U"] <= snapshot["lastUpdateId"] + 1 <= kept[0]["u"]
        assert all(after["U"] == before["u"] + 1 for before, after in pairwise(kept))
        for key, name, sign in (("b", "bids", -1), ("a", "asks", 1)):
            levels = dict(snapshot[name])
            for price, size in (level for event in kept for level in event[key]):
                levels[price] = size
                if not float(size):
                    del levels[price]
            assert sorted(map(list, levels.items()), key=lambda level: sign * float(level[0])) == final[name]
        oracle = [json.loads(line) for line in (await http.get(f"/control/trades?{where}")).text.splitlines()]
        ids = [trade["t"] for trade in trades]
        assert ids == list(range(ids[0], int(oracle[-1]["trade_id"]) + 1))
        told = [(one["p"], one["q"], "sell" if one["m"] else "buy", one["T"]) for one in trades]
        assert told == [(row["price"], row["size"], row["side"], row["ts_ms"]) for row in oracle[-len(ids) :]]
        params = {"symbol": "BTCUSDT", "fromId": ids[0], "limit": 10}
        page = (await http.get(f"{API}/historicalTrades", params=params)).json()
        assert [row["id"] for row in page] == ids[:10]
