"""Hyperliquid recorded, by others and by ourselves, and what becomes of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from libs.common.events import BookSnapshot, FundingRate, Gap, MarkPrice, OpenInterest, Origin, Side, Trade
from services.ingest.recording.normalize import Normalizer
from services.ingest.recording.order import Order
from services.ingest.recording.record import record
from services.ingest.recording.recordings import FrameKind, read
from services.ingest.recording.volumes import index_path

T = 1790232236546
TRADE = {"coin": "kPEPE", "side": "A", "px": "0.004411", "sz": "100.0", "time": T, "hash": "0x0", "tid": 7}
BOOK = {"coin": "BTC", "time": T, "levels": [[{"px": "84143.0", "sz": "10", "n": 1}], []]}
CONTEXT = {"coin": "BTC", "ctx": {"funding": "0.0000018952", "openInterest": "36585.31848", "oraclePx": "84198.0",
                                  "markPx": "84148.0"}}  # fmt: skip
CATALOGUE = [
    {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40}, {"name": "kPEPE", "szDecimals": 0}]},
    [{"dayNtlVlm": "1.0"}, {"dayNtlVlm": "2.0"}],
]


def frame(channel: str, data: Any) -> str:
    return json.dumps({"channel": channel, "data": data})


def test_plain_frames_are_read_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "frames.txt"
    spot = TRADE | {"coin": "@107"}
    lines = [frame("trades", [TRADE]), frame("l2Book", BOOK), frame("activeAssetCtx", CONTEXT), frame("trades", [spot])]
    path.write_text("\n".join(lines))
    normalizer = Normalizer("hyperliquid", [path])
    trade, book = normalizer.run()
    assert isinstance(trade, Trade)
    assert (trade.symbol, trade.side, trade.origin) == ("1000PEPE-USDC-PERP", Side.SELL, Origin.RECORDED)
    assert isinstance(book, BookSnapshot)
    assert (book.symbol, book.sequence) == ("BTC-USDC-PERP", T)
    # without a clock nobody knows when a context was true; spot pairs are not read
    assert normalizer.summary().rejects == {"value": 1, "unknown_instrument": 1}


class Venue:
    """Enough of the venue to be recorded: one port for the socket, one for POST."""

    def __init__(self) -> None:
        self.served = asyncio.Event()

    async def socket(self, connection: ServerConnection) -> None:
        await connection.send("Websocket connection established.")
        said = [json.loads(await connection.recv())["subscription"] for _ in range(6)]
        assert {one["coin"] for one in said} == {"BTC", "kPEPE"}
        for one in said:
            await connection.send(frame("subscriptionResponse", {"method": "subscribe", "subscription": one}))
        await connection.send(frame("trades", [TRADE]))
        await connection.send(frame("l2Book", BOOK))
        await connection.send(frame("activeAssetCtx", CONTEXT))
        await connection.send(frame("l2Book", BOOK | {"time": T + 500}))
        await (await connection.ping())
        self.served.set()
        await connection.wait_closed()

    async def info(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("post /info http/1.1")  # what stands behind # is not sent
        assert "content-type: application/json" in head
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        assert json.loads(await reader.readexactly(length)) == {"type": "metaAndAssetCtxs"}
        body = json.dumps(CATALOGUE).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()


async def test_our_own_recording_replays(tmp_path: Path, tiny) -> None:
    venue, out, stop = Venue(), tmp_path / "hl.zst", asyncio.Event()
    rest = await asyncio.start_server(venue.info, "127.0.0.1", 0)
    async with rest, serve(venue.socket, "127.0.0.1", 0, close_timeout=0.2) as running:
        ws_port, rest_port = (next(iter(one.sockets)).getsockname()[1] for one in (running, rest))
        order = Order(
            venue="hyperliquid",
            symbols=("BTC-USDC-PERP", "1000PEPE-USDC-PERP"),
            out=out,
            ws_url=f"ws://127.0.0.1:{ws_port}",
            rest_url=f"http://127.0.0.1:{rest_port}",
        )
        recording = asyncio.create_task(record(order, stop))
        await tiny.until(lambda: venue.served.is_set() or recording.done(), within_s=15)
        stop.set()
        assert await recording is not None
    (catalogue,) = (one for one in read(out) if one.kind is FrameKind.ANSWER)
    assert catalogue.url.endswith("/info#metaAndAssetCtxs")
    normalizer = Normalizer("hyperliquid", [index_path(out)])
    normalizer.learn(out)  # it is found by that name
    events = list(normalizer.run())
    summary = normalizer.summary()
    assert [type(one) for one in events if not isinstance(one, Gap)] == [
        Trade,
        BookSnapshot,
        MarkPrice,
        FundingRate,
        OpenInterest,
        BookSnapshot,
    ]
    assert (summary.gaps, summary.rejects, summary.books_in_sync) == (0, {}, ["BTC-USDC-PERP"])
    assert all(one.received_ns for one in events)
