"""A sandbox exchange recorded and read back: its own tape, books without a hole, and every end clean."""

import asyncio
import json
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from deploy.local.sandbox.__main__ import simulated
from deploy.local.sandbox.listings import DEFAULT
from deploy.local.sandbox.server import Sandbox
from libs.common.events import BookDelta, BookSnapshot, Gap, Trade
from services.ingest.cli import app
from services.ingest.recording.normalize import Normalizer
from services.ingest.recording.order import Order
from services.ingest.recording.record import record
from services.ingest.recording.recordings import FrameKind, read
from services.ingest.recording.volumes import index_path

ROOT = Path(__file__).resolve().parents[4]
MARKETS = [("binance-usdm", ("BTC-USDT-PERP", "ETH-USDT-PERP")), ("okx", ("BTC-USDT-PERP", "BTC-USDT"))]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    server = simulated(list(DEFAULT), seed=11, rate=8.0)
    await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sandbox.port}") as client:
        yield client


def _order(sandbox: Sandbox, venue: str, symbols: tuple[str, ...], out: Path, **more: Any) -> Order:
    at = f"127.0.0.1:{sandbox.port}/{venue}"
    return Order(venue=venue, symbols=symbols, out=out, ws_url=f"ws://{at}", rest_url=f"http://{at}", **more)


async def _until(fact: Callable[[], Awaitable[Any]], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not await fact():  # noqa: ASYNC110 - a fact of the sandbox
            await asyncio.sleep(0.05)


async def _rows(http: httpx.AsyncClient, venue: str, symbol: str) -> list[dict[str, Any]]:
    answer = await http.get("/control/trades", params={"venue": venue, "symbol": symbol, "by": "print"})
    return [json.loads(line) for line in answer.text.splitlines()]


async def _more_trades(http: httpx.AsyncClient, venue: str, symbol: str, count: int) -> None:
    wanted = len(await _rows(http, venue, symbol)) + count

    async def there() -> bool:
        return len(await _rows(http, venue, symbol)) >= wanted

    await _until(there)


def _assert_gapless(events: list[Any], symbol: str) -> None:
    books = [one for one in events if isinstance(one, BookSnapshot | BookDelta) and one.symbol == symbol]
    assert isinstance(books[0], BookSnapshot)
    assert len(books) > 5
    sequence = books[0].sequence
    for delta in books[1:]:
        assert isinstance(delta, BookDelta)  # nothing had to begin anew
        assert delta.first_sequence == sequence + 1
        sequence = delta.last_sequence


@pytest.mark.slow
@pytest.mark.parametrize(("venue", "symbols"), MARKETS)
async def test_what_is_recorded_is_the_exchanges_own_tape(sandbox, http, tmp_path, venue, symbols):
    stop, out = asyncio.Event(), tmp_path / "r.zst"
    recording = asyncio.create_task(record(_order(sandbox, venue, symbols, out, rotate_bytes=20_000), stop))
    await _until(lambda: _listening(http, venue))
    await asyncio.gather(*(_more_trades(http, venue, symbol, 400) for symbol in symbols))
    stop.set()
    index = await recording
    assert index is not None
    assert index == json.loads(index_path(out).read_bytes()) or index.ended_by == "signal"
    assert len(index.files) > 1
    assert index.files[0].name == "r.zst"
    normalizer = Normalizer(venue, [index_path(out)])
    events = list(normalizer.run())
    summary = normalizer.summary()
    assert (summary.gaps, summary.books_crossed, summary.rejects) == (0, 0, {})
    assert summary.books_in_sync == sorted(symbols)
    assert summary.frames_by_kind["ws"] == index.counts["recv"] == sum(one.received for one in index.connections)
    key = "print_id" if venue == "binance-usdm" else "last_trade_id"
    for symbol in symbols:
        _assert_gapless(events, symbol)
        ours = [one for one in events if isinstance(one, Trade) and one.symbol == symbol]
        truth = await _rows(http, venue, symbol)
        first = next(at for at, row in enumerate(truth) if row[key] == ours[0].trade_id)
        size = 0.01 if symbol == "BTC-USDT-PERP" and venue == "okx" else 1.0  # OKX counts swaps in contracts
        span = truth[first : first + len(ours)]
        assert [(one.trade_id, one.price, one.side.value) for one in ours] == [
            (row[key], float(row["price"]), row["side"]) for row in span
        ]
        assert [one.size for one in ours] == pytest.approx([float(row["size"]) * size for row in span])
        assert len(ours) > 300
    frames = list(read(index_path(out)))
    assert all(frame.received_ns > 10**18 and frame.monotonic_ns for frame in frames)
    assert {frame.data for frame in frames if frame.kind is FrameKind.ENDED} == {b"stop"}


async def _listening(http: httpx.AsyncClient, venue: str) -> bool:
    return bool((await http.get("/control/status")).json()["exchanges"][venue]["streams"])


@pytest.mark.slow
async def test_a_lost_connection_is_in_the_recording_and_is_a_hole(sandbox, http, tmp_path):
    stop, out = asyncio.Event(), tmp_path / "r.zst"
    recording = asyncio.create_task(record(_order(sandbox, "okx", ("BTC-USDT",), out), stop))
    await _until(lambda: _listening(http, "okx"))
    await _more_trades(http, "okx", "BTC-USDT", 20)
    script = [{"kind": kind, "venue": "okx"} for kind in ("garbage_utf8", "disconnect")]
    assert (await http.post("/control/faults", content=json.dumps(script))).json() == {"armed": 2}

    async def again() -> bool:
        return bool((await http.get("/control/status")).json()["exchanges"]["okx"]["opened"] >= 2)

    await _until(again)
    await _more_trades(http, "okx", "BTC-USDT", 40)
    stop.set()
    index = await recording
    assert index is not None
    assert [(one.number, one.cause) for one in index.connections] == [(1, "disconnect"), (2, "stop")]
    assert sum(b"\xff\xfe\xc3\x28" in frame.data for frame in read(out)) == 1  # byte by byte, what is no text too
    normalizer = Normalizer("okx", [out])
    holes = [one for one in normalizer.run() if isinstance(one, Gap)]
    assert {(one.stream, one.cause) for one in holes} == {("books", "disconnect"), ("trades", "disconnect")}
    assert normalizer.summary().books_in_sync == ["BTC-USDT"]
    assert normalizer.summary().rejects in ({"decode": 1}, {"value": 1})  # wherever in the frame it hit


async def _csx(*args: str, **more: Any) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "ingest", "record", *args, cwd=ROOT, stderr=asyncio.subprocess.PIPE, **more
    )


def _words(sandbox: Sandbox, out: Path, *more: str) -> list[str]:
    at = f"127.0.0.1:{sandbox.port}/binance-usdm"
    words = ["--venue", "binance-usdm", "--symbols", "BTC-USDT-PERP", "--out", str(out)]
    return [*words, "--ws-url", f"ws://{at}", "--rest-url", f"http://{at}", *more]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, None])
async def test_the_command_ends_cleanly(sandbox, http, tmp_path, how):
    out = tmp_path / "r.zst"
    process = await _csx(*_words(sandbox, out, *([] if how else ["--for", "1s"])))
    if how:
        await _until(lambda: _listening(http, "binance-usdm"))
        await _more_trades(http, "binance-usdm", "BTC-USDT-PERP", 20)
        process.send_signal(how)
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, said
    index = json.loads(index_path(out).read_bytes())
    assert index["ended_by"] == ("signal" if how else "time")
    assert index["counts"]["recv"] == sum(frame.kind is FrameKind.RECEIVED for frame in read(out)) > 0
    assert index["options"]["seconds"] == (None if how else 1.0)
    assert b" REST answers over " in said.splitlines()[-1]


@pytest.mark.slow
async def test_a_killed_recorder_leaves_all_but_the_last_seconds(sandbox, http, tmp_path):
    out = tmp_path / "r.zst"
    process = await _csx(*_words(sandbox, out))
    await _until(lambda: _listening(http, "binance-usdm"))

    async def flushed() -> bool:
        return index_path(out).is_file() and json.loads(index_path(out).read_bytes())["counts"].get("recv", 0) > 0

    await _until(flushed)
    told = json.loads(index_path(out).read_bytes())["counts"]["recv"]
    process.kill()
    await process.communicate()
    normalizer = Normalizer("binance-usdm", [out])
    events = list(normalizer.run())
    assert normalizer.summary().frames_by_kind["ws"] >= told
    assert normalizer.summary().rejects == {}
    _assert_chained_only(events)


def _assert_chained_only(events: list[Any]) -> None:
    trades = [int(one.trade_id) for one in events if isinstance(one, Trade)]
    assert trades == list(range(trades[0], trades[0] + len(trades)))


async def test_a_full_disk_is_said_and_what_was_written_stays_readable(sandbox, tmp_path):
    """A limit on the size of files stands for the disk's end: the write fails in the same way."""
    out, most = tmp_path / "r.zst", 30_000
    process = await _csx(
        *_words(sandbox, out), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    )
    _, said = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 5, said
    line = f"csx ingest record: {out}: File too large".encode()
    assert any(one.startswith(line) for one in said.splitlines()), said  # what measures coverage may complain after it
    normalizer = Normalizer("binance-usdm", [out])
    assert any(isinstance(one, Trade) for one in normalizer.run())
    assert normalizer.summary().rejects == {}
    assert json.loads(index_path(out).read_bytes())["ended_by"] == "File too large"


async def test_an_unknown_symbol_and_a_venue_that_is_down_are_one_line(sandbox, tmp_path):
    out = tmp_path / "r.zst"
    words = _words(sandbox, out)
    words[words.index("BTC-USDT-PERP")] = "NOPE-USDT-PERP"
    process = await _csx(*words)
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 3
    assert said.splitlines()[-1].startswith(b"csx ingest record: --symbols: binance-usdm does not list NOPE-USDT-PERP")
    assert not list(tmp_path.iterdir())
    down = ["--rest-url", "http://127.0.0.1:9"]
    process = await _csx(*_words(sandbox, out), *down)
    async with asyncio.timeout(20):
        assert process.stderr is not None
        while b"does not list its instruments" not in (await process.stderr.readline()):
            pass
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
    assert process.returncode == 0
    assert b"nothing recorded" in said


@pytest.mark.parametrize(
    ("wrong", "code", "message"),
    [
        ({"--venue": "mtgox"}, 2, "--venue mtgox: unknown, one of"),
        ({"--symbols": "btcusdt"}, 2, "--symbols"),
        ({"--symbols": ","}, 2, "name at least one"),
        ({"--for": "soon"}, 2, "'soon' is no duration"),
        ({"--for": "0s"}, 2, "no duration"),
        ({"--streams": "gossip"}, 2, "--streams gossip"),
        ({"--out": "{}/there"}, 2, "never overwrites"),
        ({"--out": "{}"}, 2, "never overwrites"),
        ({"--out": "{}/no/such/r.zst"}, 2, "there is no folder"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path, wrong, code, message):
    (tmp_path / "there").touch()
    words = {"--venue": "okx", "--symbols": "BTC-USDT", "--out": "{}/r.zst"} | wrong
    args = [part.format(tmp_path) for pair in words.items() for part in pair]
    done = CliRunner().invoke(app, ["record", *args])
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith("csx ingest record: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
