"""Each kind of fault as a client sees it, and that the same script gives the same effect."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from deploy.local.sandbox.__main__ import listings, simulated
from deploy.local.sandbox.faults import Fault, FaultKind, Faults
from deploy.local.sandbox.server import Sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    server = simulated(listings(["BTC-USDT-PERP"]), seed=3, rate=8.0)
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sandbox.port}") as client:
        yield client


def binance(sandbox: Sandbox, streams: str, limit: int | None = None) -> connect:
    url = f"ws://127.0.0.1:{sandbox.port}/binance-usdm/public/stream?streams={streams}"
    return connect(url, max_size=limit, compression=None, max_queue=None, close_timeout=1)


async def arm(http: httpx.AsyncClient, kind: str, venue: str = "binance-usdm", **more: Any) -> None:
    answer = await http.post("/control/faults", content=json.dumps([{"kind": kind, "venue": venue, **more}]))
    assert answer.json() == {"armed": 1}


async def applied(http: httpx.AsyncClient, kind: str, count: int = 1) -> None:
    async with asyncio.timeout(10):
        while True:
            if (await http.get("/control/status")).json()["faults"]["applied"].get(kind, 0) >= count:
                return


async def read(ws: ClientConnection, count: int) -> list[bytes]:
    async with asyncio.timeout(20):
        return [await ws.recv(decode=False) for _ in range(count)]


async def forever(ws: ClientConnection) -> None:
    while True:
        await ws.recv()


def ids(frames: list[bytes]) -> list[int]:
    return [json.loads(frame)["data"]["t"] for frame in frames]


@pytest.mark.parametrize("kind", ["drop", "duplicate", "reorder", "delay"])
async def test_trades_are_lost_doubled_swapped_or_late(sandbox, http, kind):
    await arm(http, kind, after_frames=5, delay_ms=300)
    async with binance(sandbox, "btcusdt@trade") as ws:
        steps = [after - before for before, after in pairwise(ids(await read(ws, 40)))]
        expected = {"drop": [2], "duplicate": [0], "reorder": [2, -1, 2], "delay": []}[kind]
        assert [step for step in steps if step != 1] == expected
        await applied(http, kind)


async def test_a_sequence_gap_breaks_the_chain_once(sandbox, http):
    await arm(http, "sequence_gap", after_frames=120)
    async with binance(sandbox, "btcusdt@depth@100ms/btcusdt@trade") as ws:
        frames = [json.loads(frame)["data"] for frame in await read(ws, 400)]
        books = [frame for frame in frames if frame["e"] == "depthUpdate"]
        assert sum(after["pu"] != before["u"] for before, after in pairwise(books)) == 1
        trades = [frame["t"] for frame in frames if frame["e"] == "trade"]
        assert trades == list(range(trades[0], trades[0] + len(trades)))


@pytest.mark.parametrize("kind", ["truncate", "garbage_utf8", "unknown_channel", "oversize", "nan", "negative_size"])
async def test_a_spoilt_frame_comes_before_the_true_one(sandbox, http, kind):
    await arm(http, kind, after_frames=3)
    async with binance(sandbox, "btcusdt@trade") as ws:
        frames = await read(ws, 30)
        good: list[bytes] = []
        bad: list[bytes] = []
        for frame in frames:
            try:
                data = json.loads(frame)["data"]
                true = isinstance(data, dict) and data.get("e") == "trade" and float(data["q"]) > 0 < float(data["p"])
            except ValueError:
                true = False
            (good if true else bad).append(frame)
        assert len(bad) == 1
        seen = ids(good)
        assert seen == list(range(seen[0], seen[0] + 29))
        match kind:
            case "garbage_utf8":
                with pytest.raises(UnicodeDecodeError):
                    bad[0].decode()
            case "oversize":
                assert len(bad[0]) > 16 << 20
            case "unknown_channel":
                assert json.loads(bad[0])["stream"] == "btcusdt@mystery"
            case "nan":
                assert json.loads(bad[0])["data"]["p"] == "NaN"
            case "negative_size":
                assert json.loads(bad[0])["data"]["q"] == "-1"


async def test_a_client_with_a_limit_survives_oversize_by_reconnecting(sandbox, http):
    async with binance(sandbox, "btcusdt@trade", limit=1 << 20) as ws:
        await arm(http, "oversize")
        with pytest.raises(ConnectionClosedError):
            await read(ws, 1000)
    async with binance(sandbox, "btcusdt@trade", limit=1 << 20) as ws:
        assert len(ids(await read(ws, 5))) == 5


async def test_a_cut_connection_ends_without_a_word(sandbox, http):
    async with binance(sandbox, "btcusdt@trade") as ws:
        await arm(http, "disconnect")
        with pytest.raises(ConnectionClosedError) as closed:
            await read(ws, 1000)
        assert closed.value.rcvd is None
    assert (await http.get("/control/status")).json()["exchanges"]["binance-usdm"]["connections"] == 0


async def test_a_half_open_connection_stays_silent(sandbox, http):
    async with binance(sandbox, "btcusdt@trade") as ws:
        await read(ws, 1)
        await arm(http, "half_open")
        await applied(http, "half_open")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forever(ws), 0.5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(await ws.ping(), 0.3)
        assert (await http.get("/control/status")).json()["exchanges"]["binance-usdm"]["connections"] == 1


async def test_requests_are_refused_as_often_as_asked(sandbox, http):
    for venue, path, code in (
        ("binance-usdm", "/binance-usdm/fapi/v1/time", -1003),
        ("okx", "/okx/api/v5/public/time", "50011"),
    ):
        await arm(http, "http_429", venue, count=2, retry_after_s=3)
        answers = [await http.get(path) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [429, 429, 200]
        assert answers[0].headers["Retry-After"] == "3"
        assert answers[0].json()["code"] == code


async def test_okx_announces_and_then_closes(sandbox, http):
    async with connect(f"ws://127.0.0.1:{sandbox.port}/okx/ws/v5/public", compression=None) as ws:
        await ws.send('{"op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT-SWAP"}]}')
        await arm(http, "notice_64008", "okx", delay_ms=300)
        async with asyncio.timeout(20):
            frames = [json.loads(frame) async for frame in ws]
        assert [frame["code"] for frame in frames if frame.get("event") == "notice"] == ["64008"]
        assert ws.close_code == 1001


async def test_a_wrong_script_is_refused(http):
    for script in ("{", "[{}]", '[{"kind":"rain","venue":"okx"}]', '[{"kind":"drop","venue":"nasdaq"}]'):
        answer = await http.post("/control/faults", content=script)
        assert answer.status_code == 400
        assert answer.json()["msg"]
    assert (await http.get("/control/book?venue=okx")).status_code == 400
    assert (await http.get("/control/book?venue=okx&symbol=NO-SUCH")).status_code == 400
    assert (await http.get("/control/nothing")).status_code == 404
    assert (await http.get("/nothing")).status_code == 404


async def test_liquidations_are_told(sandbox, http):
    async with asyncio.timeout(5):
        rows = [json.loads(line) for line in (await http.get("/control/liquidations")).text.splitlines()]
    assert all(row["liquidated"] in {"long", "short"} for row in rows)


def test_every_kind_has_an_example():
    script = [{"kind": kind, "venue": "okx"} for kind in FaultKind]
    assert Faults().load(msgspec.json.encode(script), 0.0) == len(FaultKind) == 15
    assert Fault(kind=FaultKind.DROP, venue="okx").count == 1


def test_the_command_serves_until_it_is_told_to_stop(tmp_path):
    script = tmp_path / "faults.json"
    script.write_text('[{"kind":"http_429","venue":"okx"}]')
    command = [sys.executable, "-m", "deploy.local.sandbox", "--port", "0", "--faults", str(script)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        url = process.stderr.readline().strip().rpartition(" ")[2]
        assert httpx.get(f"{url}/okx/api/v5/public/time").status_code == 429
        assert httpx.get(f"{url}/okx/api/v5/public/time").status_code == 200
        port = url.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "deploy.local.sandbox", "--port", port], capture_output=True, text=True, check=False
        )
        assert (second.returncode, len(second.stderr.splitlines())) == (1, 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""
