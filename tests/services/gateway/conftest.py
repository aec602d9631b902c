"""A gateway on real stores: its views filled through the projections, its API asked over ASGI or a real socket."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import asyncpg
import httpx
import pytest

from deploy.local.children import free_port
from libs.common.bus.consuming import Record
from libs.common.bus.topics import Topic, topic_of
from libs.common.events import (
    Absence,
    BookDelta,
    BookSnapshot,
    Candle,
    Contribution,
    Decision,
    Delivery,
    DeliveryState,
    Direction,
    Event,
    Fact,
    Label,
    LayerReading,
    Mark,
    Origin,
    Plan,
    Side,
    Signal,
    Source,
    Target,
    Timeframe,
    Trade,
    Verdict,
)
from libs.common.runtime.migrations import migrate
from libs.common.runtime.process import Process
from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring
from services.gateway.access.keys import mint
from services.gateway.access.revocation import Revocations
from services.gateway.access.usage import Usage
from services.gateway.board import Board
from services.gateway.exporting.exporter import Exporter
from services.gateway.idempotency import PostgresLedger
from services.gateway.operations.desk import Desk
from services.gateway.perimeter.perimeter import Perimeter
from services.gateway.projections.flows import FLOW_TOPICS, FlowFold
from services.gateway.projections.history import HISTORY_TOPICS, History
from services.gateway.projections.live import LIVE_TOPICS, Live
from services.gateway.projections.quality import QUALITY_TOPICS, QualityFold
from services.gateway.projections.readings import READING_TOPICS, ReadingFold
from services.gateway.projections.signals import SIGNAL_TOPICS, SignalFold
from services.gateway.sealing import Seal
from services.gateway.server import serve
from services.gateway.settings import Settings
from services.gateway.store.latest import Latest
from services.gateway.store.store import Store
from services.gateway.stream.hub import Hub
from services.gateway.stream.opening import Sessions
from services.gateway.surfaces.application import build
from services.gateway.vitals import Vitals
from tests.services.gateway import entering

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NOON = 1_723_118_400 * SECOND  # 2024-08-08T12:00:00Z


@dataclass
class Clock:
    """Our clock, set by the test."""

    now: int = NOON

    def __call__(self) -> int:
        return self.now


@dataclass
class Gateway:
    store: Store
    latest: Latest
    clock: Clock
    history: History
    live: Live
    hub: Hub
    board: Board
    guard: Guard
    desk: Desk
    app: Perimeter
    key: str
    faults: dict[str, str] = field(default_factory=dict)
    flows: FlowFold = field(init=False)
    quality: QualityFold = field(init=False)
    readings: ReadingFold = field(init=False)
    signals: SignalFold = field(init=False)

    def __post_init__(self) -> None:
        """Fold what has no other collaborators than the stores."""
        self.signals = SignalFold(self.store, self.latest, self.clock)
        self.flows = FlowFold(self.store.flows, self.latest, self.clock)
        self.quality = QualityFold(self.store.flows, self.latest, self.clock)
        self.readings = ReadingFold(self.store.readings, self.clock)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def fold(self, *events: Event) -> None:
        """Feed events as the folds would."""
        records = [Record(topic_of(event).name, 0, i, b"", event) for i, event in enumerate(events)]
        for handler, mine in (
            (self.history, [r for r in records if r.topic in _names(HISTORY_TOPICS)]),
            (self.signals, [r for r in records if r.topic in _names(SIGNAL_TOPICS)]),
            (self.flows, [r for r in records if r.topic in _names(FLOW_TOPICS)]),
            (self.readings, [r for r in records if r.topic in _names(READING_TOPICS)]),
            (self.quality, [r for r in records if r.topic in _names(QUALITY_TOPICS)]),
            (self.live, [r for r in records if r.topic in _names(LIVE_TOPICS)]),
        ):
            if mine:
                await handler(mine)

    def client(self, **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers or self.headers)


def _names(topics: Sequence[Topic]) -> set[str]:
    return {topic.name for topic in topics}


Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture(scope="session")
def migrated(postgres_dsn: str) -> str:
    """The name of a database that has our tables: a copy of it is made in a third of the time."""
    name = f"migrated_{os.urandom(6).hex()}"

    async def make() -> None:
        server = await asyncpg.connect(postgres_dsn)
        await server.execute(f"CREATE DATABASE {name}")
        await server.close()
        await migrate(postgres_dsn.rpartition("/")[0] + f"/{name}", "services.gateway.migrations", "gateway")

    asyncio.run(make())
    return name


@pytest.fixture
async def gateway_dsn(postgres_dsn: str, migrated: str) -> AsyncIterator[str]:
    """A database of one test alone, with our tables in it."""
    name = f"test_{os.urandom(6).hex()}"
    server = await asyncpg.connect(postgres_dsn)
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {migrated} STRATEGY FILE_COPY")
    yield postgres_dsn.rpartition("/")[0] + f"/{name}"
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await server.close()


@pytest.fixture
async def gateway(gateway_dsn: str, fresh_redis_url: str) -> AsyncIterator[Gateway]:
    store, latest, clock = Store(gateway_dsn), Latest.at(fresh_redis_url), Clock()
    await store.start()
    key = mint("test")
    await store.add_key(key.row)
    keyring = Keyring(store, monotonic=lambda: clock.now / SECOND, clock=clock)
    guard = Guard(keyring)
    board = Board(store, latest, clock=clock)
    hub = Hub(queue_size=50)
    faults: dict[str, str] = {}

    async def report() -> dict[str, str]:
        return faults

    sessions = Sessions(hub, board, guard, store, latest, heartbeat_s=0.2, send_s=2.0, health_s=0.05, clock=clock)
    desk = Desk(store=store, latest=latest, board=board, faults=report, clock=clock, sessions=sessions)
    desk.usage, desk.exporter = Usage(lambda: store.pool, clock=clock), Exporter(lambda: store.pool)
    tell = Revocations(latest.redis, guard).tell
    desk.ledger = PostgresLedger(lambda: store.pool, seal=Seal([b"of the tests" * 3]), tell=tell, clock=clock)
    desk.chats, desk.vitals = frozenset({"1001"}), Vitals()
    desk.sign_ins = entering.sign_ins(store, latest, keyring, guard, clock)
    app = Perimeter(build(desk, guard=guard, sessions=sessions), Settings().rules)
    history, live = History(store, latest, clock), Live(store, latest, clock)
    yield Gateway(store, latest, clock, history, live, hub, board, guard, desk, app, key.text, faults)
    await latest.stop()
    await store.stop()


@pytest.fixture
async def ask(gateway: Gateway) -> AsyncIterator[Ask]:
    """GET with a good key."""
    async with gateway.client() as client:
        yield client.get


@pytest.fixture
async def address(gateway: Gateway) -> AsyncIterator[str]:
    """The gateway on a real port, with the relay of announcements beside it."""
    process = Process("gateway", Settings())
    port = free_port()
    assert gateway.desk.sessions
    beside = [asyncio.create_task(work, name=name) for name, work in gateway.desk.sessions.works().items()]
    stop = await serve(gateway.app, "127.0.0.1", port, process)
    while not (await gateway.latest.redis.pubsub_numsub("csx:gateway:live"))[0][1]:  # noqa: ASYNC110 - Redis has no event
        await asyncio.sleep(0.005)
    await gateway.desk.sessions.follower.catch_up()
    yield f"127.0.0.1:{port}"
    await gateway.hub.drain()
    await stop()
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """Events to feed, and the words of their times."""
    return SimpleNamespace(
        trade=trade,
        candle=candle,
        reading=reading,
        mark=mark,
        signal=signal,
        verdict=verdict,
        delivery=delivery,
        snapshot=snapshot,
        delta=delta,
        SECOND=SECOND,
        MINUTE=MINUTE,
        NOON=NOON,
    )


def trade(
    price: float = 60_000.0, *, at: int = NOON, venue: str = "okx", symbol: str = "BTC-USDT-PERP", n: int = 1
) -> Trade:
    return Trade(
        venue=venue,
        symbol=symbol,
        event_ns=at,
        received_ns=at,
        origin=Origin.SIMULATED,
        price=price,
        size=0.5,
        side=Side.BUY,
        trade_id=str(n),
    )


def candle(
    open_ns: int = NOON,
    *,
    close: float = 101.0,
    source: Source = Source.TRADES,
    closed: bool = True,
    complete: bool = True,
    known: int = 0,
    symbol: str = "BTC-USDT-PERP",
    venue: str = "okx",
    origin: Origin = Origin.SIMULATED,
) -> Candle:
    return Candle(
        venue=venue,
        symbol=symbol,
        event_ns=known or open_ns + MINUTE,
        received_ns=0,
        origin=origin,
        timeframe=Timeframe.M1,
        open_ns=open_ns,
        open=100.0,
        high=102.0,
        low=99.0,
        close=close,
        volume=12.5,
        taker_buy_volume=7.5,
        trades=31,
        closed=closed,
        complete=complete,
        source=source,
    )


def mark(
    kind: str = "order_block", low: float = 59_800.0, high: float = 59_900.0, *, state: str = "fresh", side: int = 1
) -> Mark:
    return Mark(
        kind=kind,
        low=low,
        high=high,
        side=side,
        strength=0.5,
        formed_ns=NOON - 600 * SECOND,
        known_ns=NOON - 300 * SECOND,
        state=state,
        mark_id=f"{kind}-1",
    )


def reading(
    layer: str = "cvd",
    score: float = 0.4,
    *,
    at: int = NOON,
    timeframe: Timeframe | None = None,
    marks: tuple[Mark, ...] = (),
    facts: dict[str, Fact] | None = None,
    confidence: float = 0.8,
) -> LayerReading:
    return LayerReading(
        venue="okx",
        symbol="BTC-USDT-PERP",
        origin=Origin.SIMULATED,
        layer=layer,
        timeframe=timeframe,
        as_of_ns=at,
        score=score,
        confidence=confidence,
        facts={"delta_quote": 1234.5, "cause": None} if facts is None else facts,
        marks=marks,
    )


def signal(
    n: int = 1, *, at: int = NOON, direction: Direction = Direction.LONG, symbol: str = "BTC-USDT-PERP"
) -> Signal:
    return Signal(
        venue="okx",
        symbol=symbol,
        origin=Origin.SIMULATED,
        signal_id=f"sig-{n:04d}",
        timeframe=Timeframe.M1,
        as_of_ns=at,
        known_at_ns=at + SECOND,
        direction=direction,
        label=Label.BUY,
        score=0.42,
        confidence=0.7,
        price=60_000.0,
        contributions=(
            Contribution(layer="cvd", score=0.5, confidence=0.9, weight=0.6, contribution=0.3),
            Contribution(layer="technicals", score=0.3, confidence=0.8, weight=0.4, contribution=0.12),
        ),
        absent=(Absence(layer="order_flow", cause="no_book"),),
        readings=(reading(),),
        plan=Plan(
            entry_low=59_900.0,
            entry_high=60_010.0,
            stop=59_500.0,
            targets=tuple(
                Target(price=p, reward_to_risk=r) for p, r in ((60_600.0, 1.1), (61_000.0, 2.0), (61_500.0, 3.1))
            ),
            expires_ns=at + 15 * MINUTE,
            invalidation="A close below 59,500 before the entry fills.",
            stop_basis="atr",
            atr=210.5,
            fee_rate=0.0005,
            break_even_hit_rate=0.48,
        ),
        inputs={"engine_version": "1.0.0", "last_trade": "77"},
    )


def verdict(of: Signal, *, decided: int = NOON + 2 * SECOND, decision: Decision = Decision.PUBLISH) -> Verdict:
    return Verdict(
        venue=of.venue,
        symbol=of.symbol,
        origin=of.origin,
        signal=of,
        decision=decision,
        rationale="score and confidence suffice",
        judge="rules",
        decided_ns=decided,
    )


def delivery(state: DeliveryState = DeliveryState.DELIVERED, *, at: int = NOON, of: str = "sig-0001") -> Delivery:
    return Delivery(
        alert_id=f"alert-of-{of}",
        signal_id=of,
        channel="telegram",
        recipient="123456789",
        state=state,
        attempts=1,
        at_ns=at,
        message_id="42",
        origin=Origin.SIMULATED,
    )


def snapshot(sequence: int = 10, *, at: int = NOON, venue: str = "okx") -> BookSnapshot:
    return BookSnapshot(
        venue=venue,
        symbol="BTC-USDT-PERP",
        event_ns=at,
        received_ns=at,
        origin=Origin.SIMULATED,
        bids=((99.0, 1.0), (98.0, 2.0)),
        asks=((101.0, 3.0), (102.0, 4.0)),
        sequence=sequence,
    )


def delta(
    first: int, last: int, *, bids: Sequence[tuple[float, float]] = (), asks: Sequence[tuple[float, float]] = ()
) -> BookDelta:
    return BookDelta(
        venue="okx",
        symbol="BTC-USDT-PERP",
        event_ns=NOON + last,
        received_ns=NOON,
        origin=Origin.SIMULATED,
        bids=tuple(bids),
        asks=tuple(asks),
        first_sequence=first,
        last_sequence=last,
    )
