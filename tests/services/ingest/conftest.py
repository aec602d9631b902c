"""A made-up venue, its server on loopback, and the collaborators of ingest's shell."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from libs.common.bus.topics import Topic
from libs.common.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    Event,
    Gap,
    Liquidation,
    Origin,
    PositionSide,
    Side,
    Source,
    Timeframe,
    Trade,
)
from libs.common.events.symbols import parse
from libs.common.runtime.errors import DependencyDown
from services.ingest.calls.rest import Rest
from services.ingest.venues.terms import (
    Acknowledged,
    AnswerError,
    Checks,
    Heartbeat,
    Instrument,
    Item,
    Plan,
    Rejected,
    Reply,
    Request,
    Resubscribe,
    Rotate,
    SnapshotWanted,
    Stream,
)
from services.ingest.venues.venue import Session, Venue

SYMBOL = "BTC-USDT"


def trade(number: int, *, symbol: str = SYMBOL, received_ns: int = 0) -> Trade:
    """The trade with that id: everything in it follows from the id."""
    return Trade(
        venue="tiny",
        symbol=symbol,
        event_ns=number * 1_000_000,
        received_ns=received_ns,
        price=100.0,
        size=float(number),
        side=Side.BUY,
        trade_id=str(number),
    )


class TinySession(Session):
    """Frames are JSON objects that say what they are in `t`."""

    def __init__(self, plan: Plan) -> None:
        self.checks = Checks()
        self._plan = plan
        self._books: dict[str, BookSnapshot] = {}

    def subscribe(self) -> Sequence[bytes]:
        return [b'{"t":"subscribe"}', b'{"t":"more"}']

    def receive(self, frame: bytes, received_ns: int) -> list[Item]:
        try:
            said = msgspec.json.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            return [Rejected(reason="decode", detail=str(e), payload=frame[:4096])]
        if len(frame) > 8 * 2**20:
            return [Rejected(reason="oversize", detail=f"{len(frame)} bytes", payload=frame[:4096])]
        return self._items(said, said.get("s", SYMBOL), received_ns)

    def _items(  # noqa: C901, PLR0911  (the whole protocol at one glance)
        self, said: Mapping[str, Any], symbol: str, received_ns: int
    ) -> list[Item]:
        sequence = int(said.get("seq", 0))
        levels = tuple((float(p), float(q)) for p, q in said.get("b", ()))
        common: dict[str, Any] = {"venue": "tiny", "symbol": symbol, "event_ns": sequence, "received_ns": received_ns}
        match said["t"]:
            case "trade":
                return [trade(said["id"], symbol=symbol, received_ns=received_ns)]
            case "snap":
                self._books[symbol] = BookSnapshot(**common, bids=levels, asks=(), sequence=sequence)
                return [self._books[symbol]]
            case "delta":
                if symbol not in self._books or sequence <= self._books[symbol].sequence:
                    return []
                book = dict(self._books[symbol].bids) | dict(levels)
                bids = tuple(sorted(book.items(), reverse=True))
                self._books[symbol] = BookSnapshot(**common, bids=bids, asks=(), sequence=sequence)
                return [BookDelta(**common, bids=levels, asks=(), first_sequence=sequence, last_sequence=sequence)]
            case "lose":
                self._books.pop(symbol, None)
                gap = Gap(**common, stream="books", from_ns=sequence, to_ns=sequence, cause="sequence")
                return [gap, SnapshotWanted(symbol=symbol, cause="sequence")]
            case "skipped":
                return [Gap(**common, stream="trades", from_ns=sequence, to_ns=sequence, cause="sequence")]
            case "liq":
                return [Liquidation(**common, price=1.0, size=1.0, liquidated=PositionSide.LONG)]
            case "resub":
                return [Resubscribe(symbol=symbol, cause="sequence", frames=(b'{"t":"again"}',))]
            case "rotate":
                return [Rotate(cause="announced")]
            case "ping":
                return [Reply(frame=b'{"t":"pong"}')]
            case "boom":
                raise RuntimeError("a session must not do this")
            case _:
                return [Acknowledged(channel=said["t"])]

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> list[Item]:
        return self._items(msgspec.json.decode(body), symbol, received_ns)

    def book(self, symbol: str) -> BookSnapshot | None:
        return self._books.get(symbol)


class TinyVenue(Venue):
    """One connection for everything, REST below http://rest."""

    name = "tiny"

    def __init__(self, ws_url: str = "", heartbeat: Heartbeat | None = None) -> None:
        self.heartbeat = heartbeat or Heartbeat(ping=None, idle_s=60, dead_s=60)
        self._ws_url = ws_url

    def instruments_requests(self) -> Sequence[Request]:
        return [Request(url="http://rest/instruments")]

    def instruments(self, bodies: Iterable[bytes], unnamed: Any = None) -> dict[str, Instrument]:
        names = [name for body in bodies for name in msgspec.json.decode(body)]
        return {name: self.instrument(name) for name in names}

    @staticmethod
    def instrument(name: str = SYMBOL) -> Instrument:
        return Instrument(symbol=name, native=name, kind=parse(name), tick=0.1, lot=0.1)

    def plan(self, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Plan]:
        return [Plan(url=self._ws_url, symbols=tuple(one.symbol for one in instruments), streams=tuple(streams))]

    def session(self, plan: Plan, instruments: Mapping[str, Instrument], origin: Origin) -> Session:
        return TinySession(plan)

    def snapshot_request(self, instrument: Instrument) -> Request:
        return Request(url=f"http://rest/book?{instrument.native}", weight=5)

    def candles_request(self, instrument: Instrument, timeframe: Timeframe, limit: int) -> Request:
        return Request(url=f"http://rest/candles?{instrument.native}&{timeframe}&{limit}")

    def candles(
        self, instrument: Instrument, timeframe: Timeframe, body: bytes, received_ns: int, origin: Origin
    ) -> list[Candle]:
        return [
            Candle(
                venue="tiny",
                symbol=instrument.symbol,
                event_ns=open_ns + timeframe.ns,
                received_ns=received_ns,
                timeframe=timeframe,
                open_ns=open_ns,
                open=1.0,
                high=1.0,
                low=1.0,
                close=1.0,
                volume=1.0,
                closed=closed,
                source=Source.REST,
            )
            for open_ns, closed in msgspec.json.decode(body)
        ]

    def trades_request(self, instrument: Instrument, after_id: str) -> Request:
        return Request(url=f"http://rest/trades?{instrument.native}&{after_id}")

    def trades(
        self, instrument: Instrument, after_id: str, body: bytes, received_ns: int, origin: Origin
    ) -> list[Trade]:
        if not body.startswith(b"["):
            raise AnswerError(body.decode())
        return [trade(number, symbol=instrument.symbol) for number in msgspec.json.decode(body)]

    def trade_order(self, trade_id: str) -> int:
        return int(trade_id)


class TinyServer:
    """The venue's socket: keeps its connections and what they said."""

    def __init__(self) -> None:
        self.connections: list[ServerConnection] = []
        self.said: list[bytes] = []
        self.on_open: Callable[[ServerConnection], Any] | None = None
        self.url = ""

    @property
    def open(self) -> list[ServerConnection]:
        return [one for one in self.connections if one.state.name == "OPEN"]

    async def handle(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        if self.on_open is not None:
            await self.on_open(connection)
        with contextlib.suppress(Exception):
            async for message in connection:
                self.said.append(message.encode() if isinstance(message, str) else message)

    async def send(self, *frames: Any) -> None:
        """Send objects as JSON text, and text or bytes as they are, to every open connection."""
        for frame in frames:
            ready = frame if isinstance(frame, str | bytes) else msgspec.json.encode(frame).decode()
            for connection in self.open:
                with contextlib.suppress(Exception):
                    await connection.send(ready)


class Broker:
    """A sink that keeps what it acknowledged, and can be told to be down."""

    def __init__(self) -> None:
        self.down = False
        self.forgetful = False
        """Takes events, but no private records."""
        self.events: list[Any] = []
        self.rejects: list[Any] = []
        self.positions: list[tuple[bytes, bytes | None]] = []
        self.refused = 0
        self.cause: Exception | None = None
        self.poison: Callable[[Event], bool] = lambda event: False

    async def publish(self, events: Sequence[Event], *, topic: Topic | None = None) -> None:
        await asyncio.sleep(0)
        if self.down:
            self.refused += 1
            raise DependencyDown("the broker does not take records")
        if self.cause is not None and any(self.poison(event) for event in events):
            raise DependencyDown("the broker does not take records") from self.cause
        (self.rejects if topic is not None else self.events).extend(events)

    async def put(self, topic: Topic, key: bytes, value: bytes | None, *, partition: int | None = None) -> int:
        if self.down or self.forgetful:
            raise DependencyDown("the broker does not take records")
        self.positions.append((key, value))
        return len(self.positions)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def trade_ids(self) -> list[int]:
        return [int(one.trade_id) for one in self.of(Trade)]


async def until(fact: Callable[[], Any], within_s: float = 5.0) -> None:
    """Wait for a fact, with a deadline."""
    async with asyncio.timeout(within_s):
        while not fact():  # noqa: ASYNC110  (any fact, not only ours, can be waited for)
            await asyncio.sleep(0.005)


@pytest.fixture
def tiny() -> SimpleNamespace:
    """The made-up venue's parts."""
    return SimpleNamespace(SYMBOL=SYMBOL, Venue=TinyVenue, Session=TinySession, Broker=Broker, trade=trade, until=until)


@pytest.fixture
async def server() -> AsyncIterator[TinyServer]:
    """The made-up venue's socket on loopback."""
    tiny = TinyServer()
    async with serve(tiny.handle, "127.0.0.1", 0, max_size=None, close_timeout=0.2) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        tiny.url = f"ws://127.0.0.1:{port}"
        yield tiny


@pytest.fixture
async def rest_of() -> AsyncIterator[Callable[..., Rest]]:
    """Make a Rest whose answers come from a function of the path and query."""
    made: list[tuple[Rest, httpx.AsyncClient]] = []

    def make(answer: Callable[[str], Any], **options: Any) -> Rest:
        async def handle(request: httpx.Request) -> httpx.Response:
            said = answer(str(request.url).removeprefix("http://rest/"))
            if asyncio.iscoroutine(said):
                said = await said
            if isinstance(said, httpx.Response):
                return said
            return httpx.Response(200, content=msgspec.json.encode(said))

        client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
        rest = Rest("tiny", client, **{"weight_per_minute": 60_000, **options})
        made.append((rest, client))
        return rest

    yield make
    for rest, client in made:
        await rest.stop()
        await client.aclose()
