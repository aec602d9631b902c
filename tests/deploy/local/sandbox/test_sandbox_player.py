"""The player: a made-up recording and the real ones arrive whole, in order and at their pace."""

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from deploy.local.sandbox.__main__ import main, recorded
from deploy.local.sandbox.played import checksum
from deploy.local.sandbox.server import Sandbox
from libs.common.runtime.errors import InputError

BASE_NS = 1_723_161_255_000_000_000
BASE_MS = 1_723_161_180_000  # a full minute
FAPI = "/binance-usdm/fapi/v1"


def trade(ident: int, ms: int, price: str = "61800.20", kind: str = "MARKET") -> dict[str, Any]:
    data = {"e": "trade", "E": ms, "T": ms, "s": "BTCUSDT", "t": ident, "p": price, "q": "0.006", "X": kind, "m": False}
    return {"stream": "btcusdt@trade", "data": data}


def depth(first: int, last: int, previous: int, bids: list[list[str]]) -> dict[str, Any]:
    ids = {"U": first, "u": last, "pu": previous, "b": bids, "a": []}
    return {"stream": "btcusdt@depth@0ms", "data": {"e": "depthUpdate", "E": 1, "T": 1, "s": "BTCUSDT", **ids}}


SNAPSHOT = {"lastUpdateId": 20, "E": 1, "T": 1, "bids": [["61800.10", "1.000"]], "asks": [["61800.20", "2.000"]]}
MADE_UP: list[dict[str, Any]] = [
    depth(5, 10, 4, [["61799.00", "9.000"]]),
    trade(100, BASE_MS + 30_000),
    depth(15, 25, 10, [["61800.10", "3.000"]]),
    SNAPSHOT,
    *(trade(101 + at, BASE_MS + 60_000 + at * 1000, f"{61800 + at}.00") for at in range(59)),
    trade(160, BASE_MS + 119_500, "1.00", "INSURANCE_FUND"),
    depth(26, 30, 25, [["61799.00", "4.000"]]),
    trade(161, BASE_MS + 121_000),
]


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    path = tmp_path / "made_up.gz"
    lines = [f"{BASE_NS + at * 5_000_000} {json.dumps(row, separators=(',', ':'))}" for at, row in enumerate(MADE_UP)]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


@asynccontextmanager
async def playing(paths: Sequence[Path], venue: str, speed: float) -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    sandbox = recorded(paths, venue=venue, speed=speed)
    await sandbox.start("127.0.0.1", 0)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sandbox.port}", timeout=60) as http:
            yield sandbox, http
    finally:
        await sandbox.stop()


def dial(sandbox: Sandbox, path: str) -> connect:
    return connect(f"ws://127.0.0.1:{sandbox.port}{path}", max_size=1 << 25, compression=None, max_queue=None)


async def finished(http: httpx.AsyncClient) -> dict[str, Any]:
    async with asyncio.timeout(120):
        while True:
            status: dict[str, Any] = (await http.get("/control/status")).json()
            if status["finished"]:
                return status
            await asyncio.sleep(0.05)


async def collect(ws: ClientConnection, enough: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    found = []
    async with asyncio.timeout(120):
        async for message in ws:
            frame = json.loads(message)
            if "data" in frame:
                found.append(frame)
                if enough(frame):
                    break
    return found


async def test_a_made_up_recording_arrives_whole(made_up):
    async with playing([made_up], "binance-usdm", 2.0) as (sandbox, http), AsyncExitStack() as stack:
        trades = await stack.enter_async_context(dial(sandbox, "/binance-usdm/public/stream?streams=btcusdt@trade"))
        assert (await http.get("/control/status")).json()["waiting_for"] == ["BTCUSDT:depth"]
        books = await stack.enter_async_context(
            dial(sandbox, "/binance-usdm/public/stream?streams=btcusdt@depth@100ms")
        )
        snapshot = asyncio.create_task(http.get(f"{FAPI}/depth?symbol=BTCUSDT&limit=1000"))
        heard = await collect(trades, lambda frame: frame["data"]["t"] == 161)
        assert [frame["data"] for frame in heard] == [
            row["data"] for row in MADE_UP if "trade" in row.get("stream", "")
        ]
        assert (await snapshot).json() == SNAPSHOT
        deltas = await collect(books, lambda frame: frame["data"]["u"] == 30)
        assert {frame["stream"] for frame in deltas} == {"btcusdt@depth@100ms"}
        assert [frame["data"]["u"] for frame in deltas] == [10, 25, 30]
        status = await finished(http)
        assert (status["played"], status["total"], status["mode"]) == (len(MADE_UP), len(MADE_UP), "recorded")
        book = (await http.get("/control/book?venue=binance-usdm&symbol=BTC-USDT-PERP")).json()
        assert book["bids"] == [["61800.10", "3.000"], ["61799.00", "4.000"]]
        late = (await http.get(f"{FAPI}/depth?symbol=BTCUSDT&limit=1000")).json()
        assert (late["lastUpdateId"], late["bids"]) == (30, book["bids"])
        page = (await http.get(f"{FAPI}/historicalTrades?symbol=BTCUSDT&fromId=110&limit=5")).json()
        assert [row["id"] for row in page] == [110, 111, 112, 113, 114]
        # one minute was played from beginning to end; the insurance fund's fill is in no candle
        bars = (await http.get(f"{FAPI}/klines?symbol=BTCUSDT&interval=1m")).json()
        assert [bar[:6] for bar in bars] == [
            [BASE_MS + 60_000, "61800.00", "61858.00", "61800.00", "61858.00", "0.354"]
        ]
        assert (await http.get(f"{FAPI}/klines?symbol=BTCUSDT&interval=5m")).json() == []
        catalogue = (await http.get(f"{FAPI}/exchangeInfo")).json()
        assert catalogue["rateLimits"][0]["limit"] == 4800  # two market minutes a minute
        info = catalogue["symbols"]
        assert [(row["symbol"], row["contractType"]) for row in info] == [("BTCUSDT", "PERPETUAL")]
        assert {row["filterType"]: row for row in info[0]["filters"]}["PRICE_FILTER"]["tickSize"] == "0.10"


async def test_a_late_client_hears_only_what_is_left(made_up):
    async with playing([made_up], "binance-usdm", 0.5) as (sandbox, http), AsyncExitStack() as stack:
        both = "/binance-usdm/public/stream?streams=btcusdt@trade/btcusdt@depth@0ms"
        first = await stack.enter_async_context(dial(sandbox, both))
        await collect(first, lambda frame: frame["data"].get("t") == 110)
        second = await stack.enter_async_context(dial(sandbox, both))
        late = await collect(second, lambda frame: frame["data"].get("t") == 161)
        assert late[0]["data"]["t"] > 110
        await finished(http)


async def test_a_slow_reader_makes_the_recording_wait(tmp_path):
    """24 MB of depth for a client that does not read: more than every buffer between takes, and nothing is lost."""
    deltas = [depth(at, at, at - 1, [["61800.00", "1.000"]]) for at in range(21, 3021)]
    for delta in deltas:
        delta["data"]["padding"] = "x" * 8000
    rows = [trade(1, BASE_MS), SNAPSHOT, *deltas, trade(2, BASE_MS)]
    path = tmp_path / "big"
    path.write_text("\n".join(f"{BASE_NS} {json.dumps(row)}" for row in rows))
    async with playing([path], "binance-usdm", 1.0) as (sandbox, http):
        url = f"ws://127.0.0.1:{sandbox.port}/binance-usdm/public/stream?streams=btcusdt@trade/btcusdt@depth@100ms"
        async with connect(url, max_size=None, compression=None, max_queue=2) as ws:
            async with asyncio.timeout(30):
                while True:
                    if (await http.get("/control/status")).json()["waited"]:
                        break
            frames = await collect(ws, lambda frame: frame["data"].get("t") == 2)
            assert [frame["data"]["u"] for frame in frames if frame["data"]["e"] == "depthUpdate"] == [*range(21, 3021)]
            await finished(http)


async def test_wrong_recordings_are_refused(tmp_path):
    empty = tmp_path / "nothing.jsonl"
    empty.write_text("{}\n")
    with pytest.raises(InputError, match="no frame"):
        recorded([empty], venue="binance-usdm", speed=1)
    assert main(["--recording", str(empty), "--venue", "okx"]) == 2
    assert main(["--recording", str(empty)]) == 2
    assert main(["--symbols", "NO-SUCH"]) == 2


@pytest.mark.recordings
@pytest.mark.slow
async def test_the_real_binance_recording_arrives_whole(recordings):
    path = recordings / "raw" / "binance_usdm" / "2024-08-08_btcusdt.gz"
    expected = []
    expected_books = 0
    with gzip.open(path, "rb") as file:
        for line in file:
            if b'"btcusdt@trade"' in line[:60]:
                data = json.loads(line.partition(b" ")[2])["data"]
                expected.append((data["t"], data["p"], data["q"], data["m"]))
            expected_books += b'"btcusdt@depth@0ms"' in line[:60]
    assert len(expected) == 21_313
    async with playing([path], "binance-usdm", 200.0) as (sandbox, http):
        streams = "btcusdt@trade/btcusdt@depth@100ms"
        async with dial(sandbox, f"/binance-usdm/public/stream?streams={streams}") as ws:
            seen: Counter[str] = Counter()

            def whole(frame: dict[str, Any]) -> bool:
                seen[frame["data"]["e"]] += 1
                return seen == {"trade": len(expected), "depthUpdate": expected_books}

            frames = await collect(ws, whole)
            await finished(http)
            rows = [frame["data"] for frame in frames if frame["data"]["e"] == "trade"]
            assert [(row["t"], row["p"], row["q"], row["m"]) for row in rows] == expected
            assert sum(1 for row in rows if row["m"]) == 11_697
            oracle = (await http.get("/control/trades?venue=binance-usdm&symbol=BTC-USDT-PERP")).text.splitlines()
            assert len(oracle) == 21_313
            first = json.loads(oracle[0])
            assert (int(first["trade_id"]), first["price"], first["size"]) == expected[0][:3]
            book = (await http.get("/control/book?venue=binance-usdm&symbol=BTC-USDT-PERP")).json()
            assert float(book["bids"][0][0]) < float(book["asks"][0][0])
            depths = [frame["data"] for frame in frames if frame["data"]["e"] == "depthUpdate"]
            assert all(b["pu"] == a["u"] for a, b in pairwise(depths))


@pytest.mark.recordings
@pytest.mark.slow
async def test_the_real_spot_session_of_two_files_arrives_whole_and_answers_by_id(recordings):
    paths = [recordings / "raw" / "binance_spot" / f"2024-08-0{day}_btcusdt.gz" for day in (8, 9)]
    async with playing(paths, "binance-spot", 200.0) as (sandbox, http):
        async with dial(sandbox, "/binance-spot/stream?streams=btcusdt@trade/btcusdt@depth@100ms") as ws:
            seen: Counter[str] = Counter()

            def whole(frame: dict[str, Any]) -> bool:
                seen[frame["data"]["e"]] += 1
                return seen == {"trade": 19_904, "depthUpdate": 6_495}

            frames = await collect(ws, whole)
        await finished(http)
        trades = [frame["data"] for frame in frames if frame["data"]["e"] == "trade"]
        assert sum(row["m"] for row in trades) == 10_811
        depths = [frame["data"] for frame in frames if frame["data"]["e"] == "depthUpdate"]
        assert all(b["U"] == a["u"] + 1 for a, b in pairwise(depths))
        first = trades[5_000]["t"]
        page = await http.get(
            f"/binance-spot/api/v3/historicalTrades?symbol=BTCUSDT&fromId={first}&limit=1000",
            headers={"X-MBX-APIKEY": "k"},
        )
        assert [row["id"] for row in page.json()] == [row["t"] for row in trades[5_000:6_000]]


@pytest.mark.recordings
async def test_the_real_okx_recording_arrives_whole(recordings):
    path = recordings / "raw" / "okx" / "2022-05-13_OKX.ws.1.0"
    names = ["BTC-USDT", "BTC-USD-220527", "UNI-USD-SWAP"]
    args = [{"channel": channel, "instId": name} for name in names for channel in ("books", "trades")]
    async with playing([path], "okx", 5.0) as (sandbox, http), dial(sandbox, "/okx/ws/v5/public") as ws:
        await ws.send(json.dumps({"op": "subscribe", "args": args}))
        counts: Counter[str] = Counter()
        trades = 0
        async with asyncio.timeout(60):
            while counts["books"] < 290 or trades < 74:
                frame = json.loads(await ws.recv())
                if "data" in frame:
                    counts[frame["arg"]["channel"]] += 1
                    trades += len(frame["data"]) if frame["arg"]["channel"] == "trades" else 0
        status = await finished(http)
        assert status["unplayable"] == 0
        assert trades == 74
        rows = (await http.get("/okx/api/v5/public/instruments?instType=SWAP")).json()["data"]
        assert [(row["instId"], row["ctVal"]) for row in rows] == [("UNI-USD-SWAP", "10")]
        async with dial(sandbox, "/okx/ws/v5/public") as late:  # who comes late gets a snapshot that checks
            await late.send(json.dumps({"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}]}))
            frame = json.loads(await late.recv())
            while "data" not in frame:
                frame = json.loads(await late.recv())
            row = frame["data"][0]
            assert frame["action"] == "snapshot"
            assert row["checksum"] == checksum(row["bids"], row["asks"]) != 0
        last = [line for line in path.read_text().splitlines() if '"books","instId":"BTC-USDT"' in line][-1]
        # the venue's own last checksum, over the book as the player kept it
        assert json.loads(last.partition(": ")[2])["data"][0]["checksum"] == row["checksum"]
