"""Symbols that appear, are delisted, halted, renamed, while a third is heard without a break; nothing is left."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from libs.common.events import Candle, Gap, Listing, ListingStatus, Trade
from libs.common.events.symbols import parse
from libs.common.runtime.process import Process
from libs.common.runtime.settings import load
from services.ingest.delivery.publisher import Mark
from services.ingest.following import Ingest
from services.ingest.listings.refreshing import refreshing
from services.ingest.listings.registry import Registry
from services.ingest.listings.universe import Universe
from services.ingest.settings import Settings
from services.ingest.venues.terms import Instrument, Plan, Request, Stream

A, B, C, NEW = "A-USDT", "B-USDT", "C-USDT", "币安人生-USDT"


class World:
    """A made-up exchange whose catalogue the test changes, and the ingest that follows it; two symbols a connection."""

    def __init__(self, tiny: Any, rest_of: Callable[..., Any], server: Any) -> None:
        class Living(tiny.Venue):  # type: ignore[misc]  # the fixture's class
            def instruments(self, bodies: Iterable[bytes], unnamed: Any = None) -> dict[str, Instrument]:
                rows: dict[str, dict[str, Any]] = {}
                for body in bodies:
                    rows |= msgspec.json.decode(body)
                found = [
                    Instrument(
                        symbol=symbol,
                        native=row.get("native", symbol),
                        kind=parse(symbol),
                        tick=0.1,
                        lot=0.1,
                        contract_size=row.get("size", 1.0),
                        status=ListingStatus(row.get("status", "live")),
                    )
                    for symbol, row in rows.items()
                ]
                return {one.native: one for one in found}

            def turnover_requests(self) -> Sequence[Request]:
                return [Request(url="http://rest/turnover")]

            def turnover(self, bodies: Iterable[bytes], instruments: Any) -> dict[str, float]:
                (body,) = bodies
                return {name: worth for name, worth in msgspec.json.decode(body).items() if name in instruments}

            def plan(self, instruments: Sequence[Instrument], streams: Sequence[Stream]) -> list[Plan]:
                pairs = [instruments[start : start + 2] for start in range(0, len(instruments), 2)]
                return [
                    Plan(
                        url=f"{self._ws_url}/{quote(','.join(one.native for one in pair))}",
                        symbols=tuple(one.symbol for one in pair),
                        streams=tuple(streams),
                    )
                    for pair in pairs
                ]

        self.tiny, self.server = tiny, server
        self.rows: dict[str, dict[str, Any]] = {}
        self.worth: dict[str, float] = {}
        self.newest: dict[str, int] = {}
        self.broker = tiny.Broker()
        self.venue = Living(server.url)
        self.rest = rest_of(self._answer)
        self.registry = Registry(self.venue, self.rest, self.broker)
        self.process: Process | None = None
        self.mute: set[str] = set()
        """Symbols whose books are not told to new connections."""
        server.on_open = self._greet

    def _answer(self, path: str) -> object:
        if path == "instruments":
            return self.rows
        if path == "turnover":
            return self.worth
        if path.startswith("candles"):
            return [[0, True]]
        symbol, _, after = unquote(path).removeprefix("trades?").partition("&")
        return list(range(int(after) + 1, min(int(after) + 50, self.newest.get(symbol, 0)) + 1))

    async def _greet(self, connection: ServerConnection) -> None:
        for symbol in set(self.heard_by(connection)) - self.mute:
            await connection.send(msgspec.json.encode({"t": "snap", "s": symbol, "seq": 1, "b": [[10, 1]]}).decode())

    def heard_by(self, connection: ServerConnection) -> list[str]:
        natives = {row.get("native", symbol): symbol for symbol, row in self.rows.items()}
        assert connection.request is not None
        return [natives.get(name, name) for name in unquote(connection.request.path)[1:].split(",")]

    @property
    def heard(self) -> list[str]:
        """Symbols of all open connections."""
        return sorted(symbol for one in self.server.open for symbol in self.heard_by(one))

    async def trade(self, *symbols: str) -> None:
        """One more trade of each, to every connection that hears it."""
        for symbol in symbols:
            self.newest[symbol] = self.newest.get(symbol, 0) + 1
            text = msgspec.json.encode({"t": "trade", "s": symbol, "id": self.newest[symbol]}).decode()
            for connection in self.server.open:
                if symbol in self.heard_by(connection):
                    await connection.send(text)

    def ids(self, symbol: str) -> list[int]:
        return [int(one.trade_id) for one in self.broker.of(Trade) if one.symbol == symbol]

    def gaps(self, symbol: str) -> list[Gap]:
        return [gap for gap in self.broker.of(Gap) if gap.symbol == symbol]

    def listings(self, symbol: str) -> list[Listing]:
        return [one for one in self.broker.of(Listing) if one.symbol == symbol]

    async def start(self, settings: Settings, words: Sequence[str], marks: dict[str, Mark] | None = None) -> None:
        self.universe = Universe(self.venue, self.rest, words, pick_every_s=0.0)
        await self.registry.begin()
        wanted = await self.universe.begin(self.registry.catalogue)
        self.process = Process("ingest", settings)
        self.ingest = Ingest(settings, self.venue, wanted, sink=self.broker, rest=self.rest, marks=marks or {})
        self.ingest.start(self.process)
        await self.registry.publish(self.ingest.followed, self.universe.turnover)
        await self.tiny.until(lambda: self.heard == sorted(wanted))

    async def refresh(self, *, settled: bool = True) -> None:
        """What `refreshing` does, once."""
        await self.registry.refresh()
        await self.ingest.follow(await self.universe.choose(self.registry.catalogue))
        if settled:
            await self.ingest.settled()
        await self.registry.publish(self.ingest.followed, self.universe.turnover)


@pytest.fixture
async def world(tiny, rest_of, server) -> AsyncIterator[World]:
    world = World(tiny, rest_of, server)
    yield world
    if world.process is not None:
        await world.ingest.stop()
        assert world.process.exit_code == 0


@pytest.fixture
def settings(monkeypatch) -> Settings:
    monkeypatch.setenv("CSX_INGEST_HISTORY_BARS", "1")
    return load(Settings)


async def test_a_third_flows_without_a_gap_while_one_appears_and_one_is_delisted(
    world: World, settings: Settings
) -> None:
    world.rows = {A: {}, B: {}, C: {}}
    await world.start(settings, [A, B, NEW])
    task = asyncio.create_task(refreshing(world.registry, world.universe, world.ingest, 0.05))

    async def ticking() -> None:
        while True:
            await world.trade(A, B, NEW)
            await asyncio.sleep(0.002)  # the pace of the made-up market, not a wait

    market = asyncio.create_task(ticking())
    until = world.tiny.until
    await until(lambda: len(world.ids(A)) > 20)
    assert NEW not in world.heard
    world.rows = {A: {}, B: {}, C: {}, NEW: {}}
    await until(lambda: len(world.ids(NEW)) > 20)
    del world.rows[B]
    await until(lambda: world.heard == sorted([A, NEW]))
    await until(lambda: world.listings(B) and world.listings(B)[-1].status is ListingStatus.DELISTED)
    seen = len(world.ids(A))
    await until(lambda: len(world.ids(A)) > seen + 20)
    for one in (market, task):
        one.cancel()
    await asyncio.gather(market, task, return_exceptions=True)
    for symbol in (A, NEW):
        ids = world.ids(symbol)
        assert ids == list(range(ids[0], ids[0] + len(ids)))  # each once, in order, none missing
        assert world.gaps(symbol) == []
    assert world.ids(A)[0] <= 2
    assert any(one.symbol == NEW for one in world.broker.of(Candle))  # its past was fetched
    assert [one.followed for one in world.listings(NEW)][-1]
    assert await world.ingest.fault() is None


async def test_nothing_is_left_of_who_is_not_followed_any_more(world: World, settings: Settings) -> None:
    world.rows = {A: {}, B: {}, C: {}}
    await world.start(settings, [A, B, C])
    await world.trade(A, B, C)
    await world.tiny.until(lambda: world.ids(C) == [1] and world.ids(B) == [1])
    await world.ingest.recovery.interrupted(C, "disconnect")
    del world.rows[B], world.rows[C]  # two of three: doubted, until it was said three times
    for _ in range(3):
        await world.refresh()
    assert world.heard == [A]
    assert len(world.ingest.lines) == 1
    assert list(world.ingest.followed) == [A]
    await world.tiny.until(lambda: world.ingest.buffer.pending == 0 and world.gaps(C))
    await world.tiny.until(lambda: {symbol for _, symbol in world.ingest.buffer._lanes} == {A})
    assert set(world.ingest.recovery._markets) == {A}
    assert {errand.symbol for errand in world.ingest.history._errands} == {A}
    assert world.ingest._gaps._open == {}
    await world.tiny.until(lambda: len(world.gaps(C)) == 2)
    assert [(gap.to_ns > gap.from_ns, gap.recovered) for gap in world.gaps(C)] == [(False, False), (True, False)]
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert sum(name.startswith("line ") for name in names) == 1
    assert world.ingest.draining.marks[C].trade_id == "1"


async def test_who_comes_back_goes_on_behind_its_last_trade(world: World, settings: Settings) -> None:
    world.rows = {A: {}, B: {}, C: {}}
    await world.start(settings, [A, B, C])
    await world.trade(C)
    await world.tiny.until(lambda: world.ids(C) == [1])
    del world.rows[C]
    await world.refresh()
    await world.trade(C, C, C)
    world.rows[C] = {}
    await world.refresh()
    await world.tiny.until(lambda: C in world.heard)
    await world.trade(C)
    await world.tiny.until(lambda: world.ids(C) == [1, 2, 3, 4, 5])
    assert [one.status for one in world.listings(C)] == ["live", "delisted", "live"]


async def test_a_halt_changes_no_connection_and_is_said(world: World, settings: Settings) -> None:
    world.rows = {A: {}, B: {}}
    await world.start(settings, [A, B])
    before = list(world.server.connections)
    await world.refresh()
    world.rows[B]["status"] = "halted"
    await world.refresh()
    assert world.server.open == before == world.server.connections
    assert world.listings(B)[-1].status is ListingStatus.HALTED
    assert await world.ingest.fault() is None


async def test_another_name_or_contract_size_makes_that_connection_anew_with_overlap(
    world: World, settings: Settings
) -> None:
    world.rows = {A: {}, B: {}, C: {}}
    await world.start(settings, [A, B, C])
    await world.trade(A, B, C)
    (first,) = [one for one in world.server.open if A in world.heard_by(one)]
    (other,) = [one for one in world.server.open if C in world.heard_by(one)]
    world.rows[B]["native"] = "B2"
    await world.refresh()
    assert first not in world.server.open
    assert other in world.server.open
    assert sorted(unquote(one.request.path) for one in world.server.open) == ["/A-USDT,B2", "/C-USDT"]
    assert world.listings(B)[-1].aliases == ("B-USDT",)
    world.rows[C]["size"] = 10.0
    await world.refresh()
    assert other not in world.server.open
    await world.trade(A, B, C)
    await world.tiny.until(lambda: all(world.ids(symbol) == [1, 2] for symbol in (A, B, C)))
    assert not world.broker.of(Gap)


async def test_the_busiest_are_followed_as_they_change(world: World, settings: Settings) -> None:
    world.rows = {A: {}, B: {}, C: {}}
    world.worth = {A: 3.0, B: 2.0, C: 1.0}
    await world.start(settings, ["top:2"])
    assert world.heard == [A, B]
    world.worth = {A: 3.0, B: 0.0, C: 1.0}
    await world.refresh()
    assert world.heard == [A, C]
    assert [one.symbol for one in world.broker.of(Listing) if one.followed] == [A, B, C]


async def test_marks_of_an_earlier_run_count_for_who_is_followed_later(world: World, settings: Settings) -> None:
    world.rows = {A: {}}
    await world.start(settings, [A, B], {B: Mark("1", 1_000_000)})
    world.newest[B] = 3
    world.rows[B] = {}
    await world.refresh()
    await world.tiny.until(lambda: B in world.heard)
    await world.trade(B)
    await world.tiny.until(lambda: world.ids(B) == [2, 3, 4])


async def test_the_next_change_does_not_wait_for_a_book_that_never_comes(world: World, settings: Settings) -> None:
    world.rows = {A: {}, B: {}, C: {}}
    await world.start(settings, [A, B, C])
    await world.trade(A, B)
    world.mute = {A}
    del world.rows[B]
    await world.refresh(settled=False)  # the connection for A alone opens, and is never proven
    await world.tiny.until(lambda: world.heard.count(A) == 2)
    assert B in world.ingest.recovery._markets  # the old connection still hears it
    await world.trade(A, B)
    world.rows[B] = {}
    world.mute = set()
    await world.refresh()  # it is back before it was forgotten
    await world.trade(A, B)
    await world.tiny.until(lambda: world.ids(A) == world.ids(B) == [1, 2, 3])
    assert world.heard == [A, B, C]
    assert world.gaps(A) == []
    await world.tiny.until(lambda: [gap.recovered for gap in world.gaps(B)] == [False, True])


async def test_a_venue_that_lists_nothing_or_lies_stops_no_feed(world: World, settings: Settings) -> None:
    world.rows = {A: {}, B: {}}
    await world.start(settings, [A, B])
    task = asyncio.create_task(refreshing(world.registry, world.universe, world.ingest, 0.01))
    world.rows = {}
    await world.tiny.until(functools.partial(getattr, world.registry, "doubtful"))
    world.rows = {A: {"size": "many"}}
    await world.trade(A, B)
    await world.tiny.until(lambda: world.ids(A) == [1] and world.ids(B) == [1])
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert world.heard == [A, B]
