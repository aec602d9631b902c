"""A recording of `csx ingest record` plays to clients, and the fault script hits it as it hits a simulated market."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from deploy.local.sandbox.__main__ import recorded
from deploy.local.sandbox.server import Sandbox
from services.ingest.recording.entries import Entry, Kind
from services.ingest.recording.volumes import Index, Volumes, index_path

BASE_NS = 1_790_000_000_000_000_000
TRADES = 60
SNAPSHOT = {"lastUpdateId": 20, "E": 1, "T": 1, "bids": [["100.1", "1.000"]], "asks": [["100.2", "2.000"]]}


def _binance() -> list[tuple[Kind, Any, str]]:
    rows: list[tuple[Kind, Any, str]] = [
        (Kind.CONNECT, b"", "wss://x/stream"),
        (Kind.ANSWER, SNAPSHOT, "https://x/fapi/v1/depth?symbol=BTCUSDT&limit=1000"),
    ]
    for at in range(TRADES):
        book = {"e": "depthUpdate", "E": 1, "T": 1, "s": "BTCUSDT", "U": 21 + at, "u": 21 + at, "pu": 20 + at}
        book |= {"b": [["100.1", f"{1 + at}.000"]], "a": []}
        rows.append((Kind.RECEIVE, {"stream": "btcusdt@depth@100ms", "data": book}, ""))
        trade = {"e": "trade", "E": 1, "t": at, "s": "BTCUSDT", "p": "100.2", "q": "0.5", "X": "MARKET"}
        trade |= {"T": BASE_NS // 10**6 + at, "m": False}
        rows.append((Kind.RECEIVE, {"stream": "btcusdt@trade", "data": trade}, ""))
    return rows


def _okx() -> list[tuple[Kind, Any, str]]:
    rows: list[tuple[Kind, Any, str]] = [(Kind.CONNECT, b"", "wss://x/ws/v5/public")]
    for at in range(TRADES):
        row = {"instId": "BTC-USDT", "tradeId": str(at), "px": "100.2", "sz": "0.5", "side": "buy", "count": "1"}
        row |= {"ts": str(BASE_NS // 10**6 + at)}
        rows.append((Kind.RECEIVE, {"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [row]}, ""))
    return rows


MARKETS = {
    "binance-usdm": (
        _binance,
        "/binance-usdm/public/stream?streams=btcusdt@depth@100ms/btcusdt@trade",
        "/binance-usdm/fapi/v1/time",
    ),
    "okx": (_okx, "/okx/ws/v5/public", "/okx/api/v5/public/time"),
}


@pytest.fixture(params=MARKETS)
def venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def recording(venue: str, tmp_path: Path) -> Path:
    """Two files and their index, as the recorder leaves them: one trade every 20 ms."""
    index = Index(software="0", venue=venue, symbols=("BTC-USDT",), options={})
    volumes = Volumes(tmp_path / "r.zst", index, rotate_bytes=600, wall_ns=BASE_NS, mono_ns=0)
    for at, (kind, what, url) in enumerate(MARKETS[venue][0]()):
        data = what if isinstance(what, bytes) else json.dumps(what, separators=(",", ":")).encode()
        entry = Entry(kind=kind, wall_ns=BASE_NS + at * 10**7, mono_ns=at, connection=1, url=url, data=data)
        volumes.write([entry], flush=True)
    volumes.close("time")
    assert len(index.files) > 1
    return index_path(tmp_path / "r.zst")


@asynccontextmanager
async def _playing(
    recording: Path, venue: str, script: list[dict[str, Any]]
) -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    sandbox = recorded([recording], venue=venue, speed=2.0)
    sandbox.script = json.dumps([{"venue": venue, **fault} for fault in script]).encode()
    await sandbox.start("127.0.0.1", 0)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sandbox.port}", timeout=20) as http:
            yield sandbox, http
    finally:
        await sandbox.stop()


async def _listen(sandbox: Sandbox, venue: str) -> ClientConnection:
    """Return a connection that hears the trades; on Binance the book is listened to as well, for the play to begin."""
    url = f"ws://127.0.0.1:{sandbox.port}{MARKETS[venue][1]}"
    ws = await connect(url, max_size=None, compression=None, max_queue=None, close_timeout=0.2)
    if venue == "okx":
        await ws.send('{"op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]}')
    return ws


def _trade(frame: bytes) -> int | None:
    """Return the id of a trade's frame; -1 for a frame that cannot be read, None for anything else."""
    try:
        data = json.loads(frame).get("data")
    except ValueError:
        return -1
    if isinstance(data, list):
        return int(data[0]["tradeId"])
    return int(data["t"]) if data and data["e"] == "trade" else None


async def _hear(ws: ClientConnection, found: list[int] | None = None) -> list[int]:
    """Return the trades up to the last one; `found` has them also where the connection ends before."""
    found = [] if found is None else found
    async with asyncio.timeout(10):
        while TRADES - 1 not in found:
            trade = _trade(await ws.recv(decode=False))
            if trade is not None:
                found.append(trade)
    return found


async def _finished(http: httpx.AsyncClient) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            status: dict[str, Any] = (await http.get("/control/status")).json()
            if status["finished"]:
                return status
            await asyncio.sleep(0.02)


async def test_a_recording_of_ours_is_played_whole(recording, venue):
    async with _playing(recording, venue, []) as (sandbox, http):
        ws = await _listen(sandbox, venue)
        assert await _hear(ws) == list(range(TRADES))
        status = await _finished(http)
        assert (status["played"], status["unplayable"]) == (status["total"], 0)
        symbol = "BTC-USDT-PERP" if venue == "binance-usdm" else "BTC-USDT"
        rows = (await http.get("/control/trades", params={"venue": venue, "symbol": symbol})).text.splitlines()
        assert [json.loads(row)["price"] for row in rows] == [json.loads(rows[0])["price"]] * TRADES
        await ws.close()


@pytest.mark.parametrize("kind", ["drop", "duplicate", "reorder", "truncate", "delay"])
async def test_frames_are_lost_doubled_swapped_cut_or_late(recording, venue, kind):
    fault = {"kind": kind, "after_frames": 9, "channel": "rade", "delay_ms": 300}
    async with _playing(recording, venue, [fault]) as (sandbox, http):
        ws = await _listen(sandbox, venue)
        heard = await _hear(ws)
        expected = {"drop": [2], "duplicate": [0], "reorder": [2, -1, 2], "delay": []}
        if kind == "truncate":
            assert heard.count(-1) == 1
            assert [one for one in heard if one >= 0] == list(range(TRADES))
        else:
            assert [after - before for before, after in pairwise(heard) if after - before != 1] == expected[kind]
        assert (await _finished(http))["faults"] == {"applied": {kind: 1}, "waiting": 0}
        await ws.close()


async def test_a_delay_at_the_end_of_a_recording_is_waited_for(recording, venue):
    async with _playing(recording, venue, [{"kind": "delay", "after_frames": TRADES - 2, "delay_ms": 1500}]) as (
        sandbox,
        http,
    ):
        ws = await _listen(sandbox, venue)
        await _finished(http)
        async with asyncio.timeout(1.0):  # everything was sent when it says so
            assert (await _hear(ws))[-1] == TRADES - 1
        await ws.close()


async def test_what_a_reorder_holds_back_is_not_lost_at_the_end(recording, venue):
    frames = TRADES if venue == "okx" else 2 * TRADES
    async with _playing(recording, venue, [{"kind": "reorder", "after_frames": frames, "channel": "rade"}]) as (
        sandbox,
        http,
    ):
        ws = await _listen(sandbox, venue)
        assert await _hear(ws) == list(range(TRADES))
        assert (await _finished(http))["faults"]["applied"] == {"reorder": 1}
        await ws.close()


async def test_a_cut_connection_misses_what_is_played_until_it_is_back(recording, venue):
    async with _playing(recording, venue, [{"kind": "disconnect", "after_frames": 20}]) as (sandbox, http):
        ws = await _listen(sandbox, venue)
        heard: list[int] = []
        with pytest.raises(ConnectionClosed) as closed:
            await _hear(ws, heard)
        assert closed.value.rcvd is None
        again = await _listen(sandbox, venue)
        late = await _hear(again)
        assert heard == list(range(len(heard)))
        assert late == list(range(late[0], TRADES))
        assert late[0] > heard[-1]
        status = await _finished(http)
        assert status["exchanges"][venue]["opened"] == 2
        await again.close()


async def test_a_half_open_connection_is_silent_and_holds_nothing_up(recording, venue):
    async with _playing(recording, venue, [{"kind": "half_open", "after_frames": 20}]) as (sandbox, http):
        ws, other = await _listen(sandbox, venue), await _listen(sandbox, venue)
        both = [asyncio.create_task(_hear(one)) for one in (ws, other)]
        status = await _finished(http)  # the recording does not wait for it
        done, silent = await asyncio.wait(both, timeout=0.5)
        assert [task.result() for task in done] == [list(range(TRADES))]
        assert len(silent) == 1
        assert status["faults"]["applied"] == {"half_open": 1}
        assert status["exchanges"][venue]["connections"] == 2
        for task in silent:
            task.cancel()
        for one in (ws, other):
            one.transport.abort()


async def test_requests_are_refused_as_often_as_asked(recording, venue):
    script = [{"kind": "http_429", "count": 2, "retry_after_s": 3}]
    async with _playing(recording, venue, script) as (_sandbox, http):
        answers = [await http.get(MARKETS[venue][2]) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [429, 429, 200]
        assert answers[0].headers["Retry-After"] == "3"
