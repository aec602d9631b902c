"""Kraken over loopback: a book that its checksum does not fit comes anew, and a hole ends in the whole tape.

What is recorded there reads back.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from libs.common.events import BookDelta, BookSnapshot, Gap, Trade
from libs.common.events.symbols import spot
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import load
from services.ingest.recording.entries import Entry
from services.ingest.recording.normalize import Normalizer
from services.ingest.recording.order import Order
from services.ingest.recording.record import record
from services.ingest.recording.recorder import Recorder
from services.ingest.settings import Settings
from services.ingest.sockets.timers import Timers
from services.ingest.venues import Kraken
from services.ingest.venues.terms import Instrument

BTC = Instrument(
    symbol="BTC-USD", native="BTC/USD", kind=spot("BTC", "USD"), tick=0.1, lot=1e-8, aliases=("XBTUSD", "XBT/USD")
)
HISTORY = 3
"""Trades that come with a subscription here; 50 at the venue."""


class Venue:
    """The venue's socket and REST side: answers subscriptions, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.open: list[ServerConnection] = []
        self.tape: list[dict[str, Any]] = []
        self.bids = {"100.0": "1.00000000", "99.9": "2.50000000"}
        self.asks = {"100.1": "0.50000000"}
        self.refuses_books = False
        self.url = ""

    async def handle(self, connection: ServerConnection) -> None:
        self.open.append(connection)
        await self.send(connection, '{"channel":"status","type":"update","data":[{"system":"online"}]}')
        async for text in connection:
            said = json.loads(text)
            self.requests.append(said)
            await self.answer_request(connection, said)
        self.open.remove(connection)

    async def answer_request(self, connection: ServerConnection, said: dict[str, Any]) -> None:
        if said["method"] == "ping":
            await self.send(connection, '{"method":"pong"}')
            return
        channel, request = said["params"]["channel"], said["req_id"]
        if self.refuses_books and said["method"] == "subscribe" and channel == "book":
            self.refuses_books = False
            refusal = {"error": "Exceeded msg rate", "method": "subscribe", "success": False, "req_id": request}
            await self.send(connection, json.dumps(refusal))
            return
        result = {"channel": channel, "symbol": "BTC/USD", "depth": said["params"].get("depth")}
        answer = {"method": said["method"], "result": result, "success": True, "req_id": request}
        await self.send(connection, json.dumps(answer))
        if said["method"] == "subscribe":
            await (self.show(connection) if channel == "book" else self.retell(connection))

    async def send(self, connection: ServerConnection, text: str) -> None:
        await connection.send(text)

    async def show(self, connection: ServerConnection) -> None:
        """Send the whole book."""
        await self.send(connection, self.book("snapshot", self.bids, self.asks))

    async def change(self, side: str, price: str, size: str, *, told: bool = True) -> None:
        """Change a level; whoever listens is told, or not."""
        levels = self.bids if side == "bids" else self.asks
        levels[price] = size
        if not float(size):
            del levels[price]
        changed: dict[str, dict[str, str]] = {"bids": {}, "asks": {}, side: {price: size}}
        if told:
            await self.send(self.open[-1], self.book("update", changed["bids"], changed["asks"]))

    def book(self, kind: str, bids: dict[str, str], asks: dict[str, str]) -> str:
        """Bare numbers, as the venue sends them: written by hand, for their last zeros count."""
        best_bids = sorted(self.bids.items(), key=lambda level: -float(level[0]))
        best_asks = sorted(self.asks.items(), key=lambda level: float(level[0]))
        digits = (number for level in [*best_asks, *best_bids] for number in level)
        crc = crc32("".join(str(int(number.replace(".", ""))) for number in digits).encode())
        sides = ",".join(
            f'"{name}":[' + ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in levels.items()) + "]"
            for name, levels in (("bids", bids), ("asks", asks))
        )
        row = f'{{"symbol":"BTC/USD",{sides},"checksum":{crc},"timestamp":"2026-09-25T01:29:00.000001Z"}}'
        return f'{{"channel":"book","type":"{kind}","data":[{row}]}}'

    def happens(self, number: int) -> dict[str, Any]:
        """A trade; whoever listens may hear of it."""
        said = {
            "symbol": "BTC/USD",
            "side": "buy",
            "price": 100.1,
            "qty": 0.25,
            "ord_type": "market",
            "trade_id": number,
            "timestamp": f"2026-09-25T01:29:{number:02}.000001Z",
        }
        self.tape.append(said)
        return said

    async def trade(self, number: int) -> None:
        said = {"channel": "trade", "type": "update", "data": [self.happens(number)]}
        await self.send(self.open[-1], json.dumps(said))

    async def retell(self, connection: ServerConnection) -> None:
        if self.tape:
            said = {"channel": "trade", "type": "snapshot", "data": self.tape[-HISTORY:]}
            await self.send(connection, json.dumps(said))

    def catalogue(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what is no upgrade: the catalogue."""
        if not request.path.startswith("/0/public/AssetPairs"):
            return None
        row = {"altname": "XBTUSD", "wsname": "XBT/USD", "pair_decimals": 1, "lot_decimals": 8, "tick_size": "0.1"}
        return connection.respond(200, json.dumps({"error": [], "result": {"XXBTZUSD": row}}))

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Trades since a time; REST knows their times to a tenth of a microsecond."""
        url = urlsplit(str(request.url))
        self.asked.append(url.path)
        since = int(parse_qs(url.query)["since"][0])
        rows = [
            ["100.1", "0.25", 1790299740 + one["trade_id"] + 0.0000013, "b", "m", "", one["trade_id"]]
            for one in self.tape
            if (1790299740 + one["trade_id"]) * 10**9 > since
        ]
        return httpx.Response(200, json={"error": [], "result": {"XXBTZUSD": rows, "last": "1"}})


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    made = Venue()
    async with serve(made.handle, "127.0.0.1", 0, close_timeout=0.2, process_request=made.catalogue) as running:
        made.url = f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}"
        yield made


@pytest.fixture
async def fed(venue: Venue, listening) -> AsyncIterator[Any]:
    """What the broker has of a line that listens to the venue."""
    kraken = Kraken(ws_url=venue.url, rest_url="http://rest")
    timers = Timers(close_s=0.2, subscribe_spacing_s=0.001, resubscribe_spacing_s=0.001)
    async with listening(kraken, [BTC], venue.answer, timers) as broker:
        yield broker


def ids(fed: Any) -> list[int]:
    return [int(one.trade_id) for one in fed.of(Trade)]


async def test_a_book_that_its_checksum_does_not_fit_comes_anew_on_the_same_connection(venue: Venue, fed, tiny) -> None:
    await tiny.until(lambda: fed.of(BookSnapshot) and len(venue.requests) == 2)
    first = venue.open[-1]
    await venue.change("bids", "100.0", "3.00000000")
    await tiny.until(lambda: fed.of(BookDelta))
    await venue.change("bids", "99.9", "7.00000000", told=False)  # lost on the way
    await venue.change("asks", "100.1", "0.75000000")
    await tiny.until(lambda: len(fed.of(BookSnapshot)) == 2 and any(gap.recovered for gap in fed.of(Gap)))
    await venue.change("asks", "100.2", "0.00000001")
    await tiny.until(lambda: len(fed.of(BookDelta)) == 2)
    (before, after), (change, _) = fed.of(BookSnapshot), fed.of(BookDelta)
    assert (after.bids, after.asks) == (((100.0, 3.0), (99.9, 7.0)), ((100.1, 0.75),))
    assert (change.first_sequence, change.bids) == (before.sequence + 1, ((100.0, 3.0),))
    assert after.sequence > change.last_sequence + 1
    assert [(gap.cause, gap.recovered) for gap in fed.of(Gap)] == [("checksum", False), ("sequence", True)]
    asked = [(one["method"], one["params"]["channel"]) for one in venue.requests if one["method"] != "ping"]
    assert asked == [
        ("subscribe", "book"),
        ("subscribe", "trade"),
        ("unsubscribe", "book"),
        ("subscribe", "book"),
    ]
    assert venue.open == [first]
    assert fed.rejects == []


async def test_a_jump_of_ids_is_filled_by_time_and_a_lost_connection_by_what_the_next_one_retells(
    venue: Venue, fed, tiny
) -> None:
    venue.happens(1)
    await tiny.until(lambda: ids(fed) == [1])  # from before the subscription
    await venue.trade(2)
    for number in (3, 4, 5, 6):
        venue.happens(number)
    await venue.trade(7)
    await tiny.until(lambda: ids(fed) == [1, 2, 3, 4, 5, 6, 7])
    assert venue.asked == ["/0/public/Trades"]
    first = venue.open[-1]
    await first.close()
    venue.happens(8)
    await tiny.until(lambda: venue.open and venue.open[-1] is not first)
    await tiny.until(lambda: ids(fed) == [1, 2, 3, 4, 5, 6, 7, 8])
    assert venue.asked == ["/0/public/Trades"]
    assert {gap.stream for gap in fed.of(Gap) if gap.recovered} >= {"trades"}


async def test_a_fresh_book_that_is_refused_makes_a_new_connection(venue: Venue, fed, tiny) -> None:
    await tiny.until(lambda: fed.of(BookSnapshot))
    first = venue.open[-1]
    venue.refuses_books = True
    await venue.change("bids", "99.9", "0.00000000", told=False)
    await venue.change("asks", "100.1", "0.80000000")
    await tiny.until(lambda: venue.open and venue.open[-1] is not first)
    await tiny.until(lambda: len(fed.of(BookSnapshot)) == 2)
    assert fed.of(BookSnapshot)[1].bids == ((100.0, 1.0),)
    await tiny.until(lambda: fed.rejects)


class Watched(Recorder):
    """A recorder that lets one see what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[bytes] = []

    def put(self, entry: Entry) -> None:
        self.frames.append(entry.data)
        super().put(entry)


async def test_a_recording_reads_back_with_what_was_lost_while_nobody_listened(
    venue: Venue, tiny, tmp_path: Path
) -> None:
    """The trades that a new connection retells are passed over: the recording may hold them already."""
    stop, out = asyncio.Event(), tmp_path / "kraken.zst"
    venue.happens(1)
    order = Order(
        venue="kraken", symbols=("BTC-USD",), out=out, ws_url=venue.url, rest_url=venue.url.replace("ws", "http", 1)
    )
    recorder = Watched()
    recording = asyncio.create_task(record(order, stop, recorder))
    await tiny.until(lambda: len(venue.requests) == 2)
    first = venue.open[-1]
    await venue.change("bids", "100.0", "3.00000000")
    await venue.trade(2)
    await first.close()
    venue.happens(3)
    await tiny.until(lambda: len(venue.requests) == 4)
    await venue.trade(4)
    await venue.change("asks", "100.1", "0.75000000")
    await tiny.until(lambda: any(b'"qty":0.75000000' in frame for frame in recorder.frames))
    stop.set()
    index = await recording
    assert index is not None
    normalizer = Normalizer("kraken", [out])
    events = list(normalizer.run())
    summary = normalizer.summary()
    assert [int(one.trade_id) for one in events if isinstance(one, Trade)] == [2, 4]
    holes = [(one.stream, one.cause, one.recovered) for one in events if isinstance(one, Gap)]
    assert sorted(holes) == [("books", "disconnect", False), ("trades", "disconnect", False)]
    assert [type(one) for one in events if isinstance(one, BookSnapshot | BookDelta)] == [BookSnapshot, BookDelta] * 2
    assert (summary.checksums, summary.rejects) == ({"verified": 4, "failed": 0}, {})
    assert summary.books_in_sync == ["BTC-USD"]
    assert summary.frames_by_kind["catalogue"] == 1


def _load(monkeypatch, **environ: str) -> Settings:
    for name, value in environ.items():
        monkeypatch.setenv(f"CSX_INGEST_{name}", value)
    return load(Settings)


def test_the_depth_is_a_choice_and_a_wrong_one_is_refused_at_the_start(monkeypatch) -> None:
    chosen = _load(monkeypatch, VENUE="kraken", SYMBOLS="BTC-USD", BOOK_CHANNEL="book100")
    assert Kraken(**chosen.venue_options()).snapshot_request(BTC).url.endswith("count=100")
    with pytest.raises(ConfigurationError, match=r"CSX_INGEST_BOOK_CHANNEL: .*kraken has: book10, book25, book100"):
        _load(monkeypatch, BOOK_CHANNEL="book20")
    with pytest.raises(ConfigurationError, match=r"CSX_INGEST_BOOK_CHANNEL: .*coinapi has: book, book5"):
        _load(monkeypatch, VENUE="coinapi", API_KEY="k", BOOK_CHANNEL="book100")
