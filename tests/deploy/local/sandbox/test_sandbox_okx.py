"""The sandbox's OKX against the vendor's documented shapes, and a naive client that chains seqId."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from deploy.local.sandbox.__main__ import listings, simulated
from deploy.local.sandbox.market import Market
from deploy.local.sandbox.okx_rest import ticker_row
from deploy.local.sandbox.server import Live, Sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    server = simulated(listings(["okx:BTC-USDT-PERP", "okx:BTC-USDT"]), seed=3, rate=4.0)
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sandbox.port}") as client:
        yield client


def socket(sandbox: Sandbox, path: str = "public") -> connect:
    return connect(f"ws://127.0.0.1:{sandbox.port}/okx/ws/v5/{path}", max_size=1 << 25, compression=None)


async def say(ws: ClientConnection, op: str, *args: dict[str, str], ident: str = "a1") -> None:
    await ws.send(json.dumps({"id": ident, "op": op, "args": list(args)}))


async def pushed(ws: ClientConnection, channel: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            message: dict[str, Any] = json.loads(await ws.recv())
            if "data" in message and message["arg"]["channel"] == channel:
                return message


SWAP = "BTC-USDT-SWAP"
API = "/okx/api/v5"


async def test_pushes_have_the_vendor_fields(sandbox):
    async with socket(sandbox) as ws:
        channels = ("books", "trades", "tickers", "funding-rate", "mark-price")
        await say(ws, "subscribe", *({"channel": channel, "instId": SWAP} for channel in channels))
        ack = json.loads(await ws.recv())
        assert set(ack) == {"id", "event", "arg", "connId"}
        assert (ack["id"], ack["event"], ack["arg"]) == ("a1", "subscribe", {"channel": "books", "instId": SWAP})
        books = await pushed(ws, "books")
        assert books["action"] == "snapshot"
        row = books["data"][0]
        assert set(row) == {"asks", "bids", "ts", "checksum", "prevSeqId", "seqId"}
        assert (row["checksum"], row["prevSeqId"]) == (0, -1)
        assert len(row["bids"][0]) == 4
        trade = await pushed(ws, "trades")
        keys = {"instId", "tradeId", "px", "sz", "side", "ts", "count", "source", "seqId"}
        assert set(trade["data"][0]) == keys
        assert isinstance(trade["data"][0]["count"], str)
        assert isinstance(trade["data"][0]["seqId"], int)
        mark = await pushed(ws, "mark-price")
        assert set(mark["data"][0]) == {"instType", "instId", "markPx", "ts"}
        ticker = await pushed(ws, "tickers")
        assert {"last", "askPx", "bidPx", "vol24h"} <= set(ticker["data"][0])
    async with socket(sandbox) as ws:
        await say(ws, "subscribe", {"channel": "funding-rate", "instId": SWAP})
        funding = (await pushed(ws, "funding-rate"))["data"][0]
        assert funding["nextFundingRate"] == ""
        assert int(funding["nextFundingTime"]) - int(funding["fundingTime"]) == 8 * 3_600_000
        await say(ws, "subscribe", {"channel": "open-interest", "instId": SWAP})
        interest = (await pushed(ws, "open-interest"))["data"][0]
        assert set(interest) == {"instType", "instId", "oi", "oiCcy", "oiUsd", "ts"}  # as recorded on 2026-09-30
        assert float(interest["oi"]) * 0.01 == pytest.approx(float(interest["oiCcy"]))
    async with socket(sandbox, "business") as ws:
        await say(ws, "subscribe", {"channel": "candle1m", "instId": SWAP})
        await say(ws, "subscribe", {"channel": "trades-all", "instId": SWAP})
        assert len((await pushed(ws, "candle1m"))["data"][0]) == 9
        assert "count" not in (await pushed(ws, "trades-all"))["data"][0]


async def test_requests_pings_and_errors(sandbox):
    async with socket(sandbox) as ws:
        await ws.send("ping")
        assert await ws.recv() == "pong"
        for text, code in (
            ("{nonsense", "60012"),
            ('{"op":"dance","args":[{}]}', "60019"),
            ('{"op":"subscribe"}', "60013"),
            ('{"id":"a-b","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}', "60033"),
            ('{"op":"subscribe","args":[{"channel":"books","instId":"NO-SUCH"}]}', "60018"),
            ('{"op":"subscribe","args":[{"channel":"candle1m","instId":"BTC-USDT"}]}', "60018"),
            ('{"op":"subscribe","args":[{"channel":"funding-rate","instId":"BTC-USDT"}]}', "60018"),
        ):
            await ws.send(text)
            error = json.loads(await ws.recv())
            assert (error["event"], error["code"]) == ("error", code)
            assert error["connId"]
        await say(ws, "subscribe", {"channel": "liquidation-orders", "instType": "SWAP"}, ident="liq1")
        assert json.loads(await ws.recv())["arg"] == {"channel": "liquidation-orders", "instType": "SWAP"}
        for _ in range(480):
            await say(ws, "unsubscribe", {"channel": "trades", "instId": SWAP})
        async with asyncio.timeout(10):
            while json.loads(await ws.recv()).get("code") != "60014":
                pass


class Naive:
    """Section "Order book channel" of the vendor's reference: chain prevSeqId, sizes are absolute, 0 removes."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
        self.last = self.updates = 0
        self.trades: list[dict[str, Any]] = []

    async def take(self) -> None:
        message = json.loads(await self.ws.recv())
        if "data" not in message:
            return
        if message["arg"]["channel"] == "trades":
            self.trades.extend(message["data"])
            return
        row = message["data"][0]
        assert row["prevSeqId"] == (self.last if message["action"] == "update" else -1)
        self.updates += message["action"] == "update"
        self.last = row["seqId"]
        for name, levels in self.sides.items():
            for price, size, _, _ in row[name]:
                levels[price] = size
                if not float(size):
                    del levels[price]

    def book(self, name: str, sign: int) -> list[tuple[float, float]]:
        levels = [(float(price), float(size)) for price, size in self.sides[name].items()]
        return sorted(levels, key=lambda level: sign * level[0])


async def test_a_naive_client_keeps_the_same_book_and_hears_every_trade(sandbox, http):
    async with socket(sandbox) as ws:
        await say(ws, "subscribe", {"channel": "books", "instId": SWAP}, {"channel": "trades", "instId": SWAP})
        naive = Naive(ws)
        async with asyncio.timeout(30):
            while naive.updates < 30 or len(naive.trades) < 40:
                await naive.take()
        await http.post("/control/pause")
        final = (await http.get("/control/book?venue=okx&symbol=BTC-USDT-PERP")).json()
        async with asyncio.timeout(5):
            while naive.last < final["sequence"]:
                await naive.take()
        for name, sign in (("bids", -1), ("asks", 1)):
            assert naive.book(name, sign) == [(float(price), float(size)) for price, size in final[name]]
        assert final["contract_size"] == "0.01"
        newest = await check_trades(http, naive.trades)
        params = {"instId": SWAP, "type": "1", "after": str(newest - 4), "before": str(newest - 10)}
        page = (await http.get(f"{API}/market/history-trades", params=params)).json()
        assert [int(row["tradeId"]) for row in page["data"]] == list(range(newest - 5, newest - 10, -1))
        assert (await http.post("/control/resume")).json() == {"paused": False}
        seen = naive.updates
        async with asyncio.timeout(10):
            while naive.updates == seen:
                await naive.take()


async def check_trades(http: httpx.AsyncClient, trades: list[dict[str, Any]]) -> int:
    """A row of `trades` covers the ids tradeId - count + 1 .. tradeId; returns the last id of all."""
    text = (await http.get("/control/trades?venue=okx&symbol=BTC-USDT-PERP")).text
    oracle = [json.loads(line) for line in text.splitlines()]
    by_id = {int(row["trade_id"]): row for row in oracle}
    following = None
    for trade in trades:
        end, count = int(trade["tradeId"]), int(trade["count"])
        assert following in {None, end - count + 1}
        following = end + 1
        covered = [by_id[ident] for ident in range(end - count + 1, end + 1)]
        texts = {(row["price"], row["side"], str(row["ts_ms"])) for row in covered}
        assert texts == {(trade["px"], trade["side"], trade["ts"])}
        assert float(trade["sz"]) == pytest.approx(sum(float(row["size"]) for row in covered))
    newest = int(oracle[-1]["trade_id"])
    assert following == newest + 1
    return newest


async def test_the_oracle_also_speaks_in_rows_of_the_stream(http):
    where = {"venue": "okx", "symbol": "BTC-USDT-PERP"}
    await http.post("/control/pause")
    prints = [
        json.loads(row) for row in (await http.get("/control/trades", params=where | {"by": "print"})).text.splitlines()
    ]
    fills = [json.loads(row) for row in (await http.get("/control/trades", params=where)).text.splitlines()]
    assert sum(int(row["last_trade_id"]) - int(row["first_trade_id"]) + 1 for row in prints) == len(fills)
    assert sum(float(row["size"]) for row in prints) == pytest.approx(sum(float(row["size"]) for row in fills))


async def test_a_connection_on_which_nothing_is_said_is_closed(sandbox):
    exchange = sandbox._exchanges["/okx"]
    async with socket(sandbox) as ws:
        await ws.send("ping")
        assert await ws.recv() == "pong"
        now_s = asyncio.get_running_loop().time()
        exchange.tick(now_s + 29.0)
        await ws.send("ping")
        assert await ws.recv() == "pong"
        exchange.tick(now_s + 31.0)
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4004


async def test_a_quiet_book_is_kept_alive(sandbox, http):
    """About every 60 s without change: no levels, prevSeqId == seqId == the last one."""
    async with socket(sandbox) as ws:
        await say(ws, "subscribe", {"channel": "books", "instId": SWAP})
        await pushed(ws, "books")
        await http.post("/control/pause")
        last = (await http.get("/control/book?venue=okx&symbol=BTC-USDT-PERP")).json()["sequence"]
        driver = sandbox._driver
        assert isinstance(driver, Live)
        for happenings in driver._simulation.advance(driver._simulation.now_ns + 61_000_000_000, quiet=True):
            sandbox._exchanges["/okx"].happened(happenings, driver._simulation.now_ns // 1_000_000)
        row = (await pushed(ws, "books"))["data"][0]
        while row["asks"] or row["bids"]:
            row = (await pushed(ws, "books"))["data"][0]
        assert row["prevSeqId"] == row["seqId"] == last


async def test_rest_shapes_pages_and_errors(http):
    rows = (await http.get(f"{API}/public/instruments", params={"instType": "SWAP"})).json()["data"]
    assert [row["instId"] for row in rows] == [SWAP]
    assert (rows[0]["ctVal"], rows[0]["ctType"], rows[0]["tickSz"], rows[0]["state"]) == (
        "0.01",
        "linear",
        "0.1",
        "live",
    )
    spot = (await http.get(f"{API}/public/instruments", params={"instType": "SPOT"})).json()["data"][0]
    assert (spot["baseCcy"], spot["quoteCcy"], spot["ctVal"]) == ("BTC", "USDT", "")
    book = (await http.get(f"{API}/market/books", params={"instId": SWAP, "sz": "400"})).json()["data"][0]
    assert "seqId" not in book
    assert len(book["asks"]) > 200
    for bar in ("1m", "5m", "15m", "1H", "4H", "1Dutc", "1Wutc"):
        seen: list[list[str]] = []
        for _ in range(2):
            params = {"instId": SWAP, "bar": bar, "limit": "300"} | ({"after": seen[-1][0]} if seen else {})
            seen += (await http.get(f"{API}/market/candles", params=params)).json()["data"]
        times = [int(row[0]) for row in seen]
        assert len(times) == 600
        assert times == sorted(set(times), reverse=True)
        assert [row[8] for row in seen] == ["0"] + ["1"] * 599
    history = (await http.get(f"{API}/market/history-candles", params={"instId": SWAP, "limit": "5"})).json()["data"]
    assert [row[8] for row in history] == ["1"] * 5
    for path, params, code in (
        ("market/candles", {"instId": "NO-SUCH"}, "51001"),
        ("market/candles", {"instId": SWAP, "bar": "7m"}, "51000"),
        ("market/books", {}, "50014"),
        ("public/instruments", {}, "50014"),
    ):
        assert (await http.get(f"{API}/{path}", params=params)).json()["code"] == code
    for _ in range(12):
        answer = await http.get(f"{API}/public/time")
    assert (answer.status_code, answer.json()["code"]) == (429, "50011")


def test_a_market_that_trades_again_after_a_quiet_start_tells_its_last_candle_as_the_last_price():
    """A venue's day of turnover is read as coins x last: what traded yesterday has both."""
    (row,) = listings(["okx:BTC-USDT-PERP"])
    market = Market(row, 3, 1_760_000_040_000)
    told = ticker_row(market, market.ms)
    assert (float(told["last"]), told["lastSz"]) == (market.candles.newest("1m", 1)[0].close * row.tick, "")
    assert float(told["volCcy24h"]) > 0
    unheard = ticker_row(Market(row, 3, 1_760_000_040_000, past=False), market.ms)
    assert [unheard[name] for name in ("last", "lastSz", "volCcy24h")] == ["", "", ""]
