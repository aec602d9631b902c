"""Resuming: whoever comes back with the cursor of the last message sees every signal once and in order."""

import asyncio
import random
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import RedisError
from websockets.exceptions import ConnectionClosed

from deploy.local.children import free_port
from deploy.local.valkey import EmbeddedValkey
from libs.common.bus.consuming import Record
from libs.common.runtime.process import Process
from services.gateway.board import Board
from services.gateway.projections.live import Live
from services.gateway.projections.signals import SignalFold
from services.gateway.server import serve
from services.gateway.settings import Settings
from services.gateway.store import feed
from services.gateway.store.cursor import Cursors
from services.gateway.store.feed import Item
from services.gateway.store.latest import Latest
from services.gateway.store.rows import Placed
from services.gateway.store.signalling import Told
from services.gateway.stream.closing import Close
from services.gateway.stream.cursors import Spot
from services.gateway.stream.hub import Hub
from services.gateway.stream.index import Topic
from services.gateway.stream.opening import Sessions
from services.gateway.surfaces.application import build
from tests.services.gateway.stream.talking import Line, desk

RECONNECTS = 100
SYMBOLS = ("BTC-USDT-PERP", "ETH-USDT")


class Replica:
    """One more gateway on the same stores, but for the Redis it is told of."""

    def __init__(self, gateway, redis_url):
        self.latest = Latest.at(redis_url)
        self.hub = Hub(queue_size=200, per_address=1000)
        board = Board(gateway.store, self.latest, clock=gateway.clock)
        self.sessions = Sessions(
            self.hub,
            board,
            gateway.guard,
            gateway.store,
            self.latest,
            cursors=Cursors([b"of all replicas" * 3]),
            heartbeat_s=0.3,
            clock=gateway.clock,
        )
        self.app = build(gateway.desk, guard=gateway.guard, sessions=self.sessions)
        self.fold = SignalFold(gateway.store, self.latest, gateway.clock)

    async def start(self):
        port = free_port()
        self._works = [asyncio.create_task(work, name=name) for name, work in self.sessions.works().items()]
        await self.sessions.follower.catch_up()
        self._stop = await serve(self.app, "127.0.0.1", port, Process("gateway", Settings()))
        self.address = f"127.0.0.1:{port}"

    async def stop(self):
        await self.hub.drain()
        await self._stop()
        for work in self._works:
            work.cancel()
        await asyncio.gather(*self._works, return_exceptions=True)
        with suppress(OSError):
            await self.latest.stop()


@pytest.fixture
async def replicas(gateway, fresh_redis_url):
    found = [Replica(gateway, fresh_redis_url) for _ in range(2)]
    for one in found:
        await one.start()
    yield found
    for one in found:
        await one.stop()


async def speak(gateway, make, replicas, count, chance, *, killed):
    """Fold signals and verdicts by either replica; sometimes one is killed between its commit and its hint."""
    for n in range(count):
        signal = make.signal(n, symbol=SYMBOLS[n % 2])
        events = [Record("t", 0, n, b"", one) for one in (signal, make.verdict(signal))]
        fold = chance.choice(replicas).fold
        if killed(n):
            told = Told(signals=[Placed(signal, 0, n)], verdicts=[make.verdict(signal)])
            await gateway.store.signalling.write(told, gateway.clock())  # committed, and nobody was told
            if chance.random() < 0.5:
                await fold(events)  # it comes again
        else:
            await fold(events)
        await asyncio.sleep(chance.random() * 0.02)


@pytest.mark.parametrize(("seed", "symbol"), [(1, ""), (2, "ETH-USDT")])
async def test_a_hundred_reconnects_at_random_moments_see_every_signal_once_and_in_order(
    gateway, replicas, make, seed, symbol
):
    chance, count = random.Random(seed), 400
    for name in SYMBOLS:
        await gateway.fold(make.trade(symbol=name))
    speaking = asyncio.create_task(
        speak(gateway, make, replicas, count, chance, killed=lambda n: n % 17 == 5), name="speaking"
    )
    last = f"sig-{count - 1:04d}"
    cursor = replicas[0].sessions.joining.cursor("signals", 0)  # from the very first on
    heard: list[dict[str, Any]] = []
    async with asyncio.timeout(120):
        for turn in range(10_000):
            async with desk(chance.choice(replicas).address, gateway.key) as client:
                await client.say(op="subscribe", channel="signals", symbol=symbol, since=cursor)
                cursor = (await client.hear(type="subscribed"))["cursor"]
                stay = chance.random() * 0.06 if turn < RECONNECTS else 60.0
                with suppress(TimeoutError, ConnectionClosed):
                    async with asyncio.timeout(stay):
                        while not heard or heard[-1]["data"]["signal_id"] != last:
                            await client.hear(type="update")
                            heard.append(client.heard[-1])
                for one in client.updates("signals"):
                    cursor = one["cursor"]
            if heard and heard[-1]["data"]["signal_id"] == last and turn >= RECONNECTS:
                break
    await speaking
    wanted = [f"sig-{n:04d}" for n in range(count) if not symbol or SYMBOLS[n % 2] == symbol]
    assert [one["data"]["signal_id"] for one in heard] == wanted
    for name in SYMBOLS:
        seqs = [(one["prev_seq"], one["seq"]) for one in heard if one["symbol"] == name]
        assert seqs == [(n, n + 1) for n in range(len(seqs))]


async def test_redis_may_be_restarted_empty_and_nobody_is_closed(gateway, make, store_dir):
    server, port = EmbeddedValkey(), free_port()
    folder = store_dir / "restarted"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    replica = Replica(gateway, server.start(folder, port))
    await replica.start()
    await gateway.fold(make.trade())
    fold = SignalFold(gateway.store, replica.latest, gateway.clock)
    live = Live(gateway.store, replica.latest, gateway.clock)
    try:
        async with desk(replica.address, gateway.key) as client:
            for channel in ("signals", "price"):
                await client.say(op="subscribe", channel=channel, since="live")
                await client.hear(type="subscribed", channel=channel)
            await live([Record("t", 0, 0, b"", make.trade(1.0))])
            await client.hear(type="update", channel="price")
            await fold([Record("t", 0, 0, b"", make.signal(0))])
            await client.hear(type="update", channel="signals")
            await replica.latest.redis.flushall()
            server.stop()
            with pytest.raises((RedisError, OSError)):  # nobody could be told; the row was committed
                await fold([Record("t", 0, 1, b"", make.signal(1))])
            await client.hear(type="update", channel="signals")
            server.start(folder, port)
            await replica.latest.redis.flushall()
            await fold([Record("t", 0, 2, b"", make.signal(2))])
            await client.hear(type="update", channel="signals")
            async with asyncio.timeout(20):
                while client.heard[-1].get("channel") != "price":
                    await live([Record("t", 0, 1, b"", make.trade(2.0, n=2))])
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.3):
                            await client.hear(channel="price")
            assert client.heard[-1]["data"]["price"] == 2.0
        assert [one["data"]["signal_id"] for one in client.updates("signals")] == [f"sig-{n:04d}" for n in range(3)]
    finally:
        await replica.stop()
        server.stop()


async def test_what_is_said_while_the_line_to_redis_is_broken_is_made_good_by_a_snapshot(gateway, replicas, make):
    one, _ = replicas
    await gateway.fold(make.trade(1.0), make.snapshot(10))
    async with desk(one.address, gateway.key) as client:
        for channel in ("price", "book", "signals"):
            await client.say(op="subscribe", channel=channel, symbol="BTC-USDT-PERP", venue="okx")
            await client.hear(type="subscribed", channel=channel)
        redis = gateway.latest.redis
        killed = await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        assert killed >= 2
        await gateway.fold(make.trade(2.0, n=2), make.signal(1))  # nobody listens
        assert (await client.hear(type="update", channel="signals"))["seq"] == 1
        while not any(m.get("channel") == "price" and m.get("data", {}).get("price") == 2.0 for m in client.heard):
            await client.hear(channel="price")
        told = [(m["type"], m["data"]["price"]) for m in client.heard if m.get("channel") == "price" and "data" in m]
        assert told in ([("snapshot", 1.0), ("snapshot", 2.0)], [("snapshot", 1.0), ("update", 2.0)])


async def test_a_cursor_that_leads_nowhere_says_so_and_gives_a_new_one(gateway, replicas, make):
    await gateway.fold(make.trade(), *(make.signal(n) for n in range(10)))
    one, _ = replicas
    await one.sessions.follower.catch_up()
    old = one.sessions.joining.cursor("signals", 2)
    never = one.sessions.joining.cursor("signals", 99)
    verdicts = one.sessions.joining.cursor("verdicts", 0)
    await gateway.store.feed.prune(gateway.clock(), keep_items=5)
    for cursor in (old, never):
        async with desk(one.address, gateway.key) as client:
            await client.say(op="subscribe", channel="signals", since=cursor)
            told = await client.hear(type="resync_required")
            assert await client.closed() == Close.RESYNC
        async with desk(one.address, gateway.key) as client:
            await client.say(op="subscribe", id=1, channel="signals", since=told["cursor"])
            await client.hear(type="subscribed", id=1)
            await client.say(op="ping", id=2)
            await client.hear(type="pong", id=2)
            assert client.updates("signals") == []
    async with desk(one.address, gateway.key) as client:
        for number, wrong in enumerate((verdicts, "nonsense", old[:-2])):
            await client.say(op="subscribe", id=number, channel="signals", since=wrong)
            answer = await client.hear(type="error", id=number)
            assert (answer["code"], answer["errors"][0]["field"]) == ("invalid_parameter", "from")


async def test_a_position_of_another_database_is_not_ours(gateway, replicas, make):
    await gateway.fold(make.trade(), make.signal(1), make.signal(2))
    one, _ = replicas
    await one.sessions.follower.catch_up()
    cursor = one.sessions.joining.cursor("signals", 1)
    await gateway.store.pool.execute("UPDATE gateway.feed SET at_ns = at_ns + 1")
    async with desk(one.address, gateway.key) as client:
        await client.say(op="subscribe", channel="signals", since=cursor)
        assert await client.closed() == Close.RESYNC


async def test_what_is_far_behind_is_read_page_by_page_beside_what_is_live(gateway, replicas, make):
    one, _ = replicas
    items = [Item(venue="okx", symbol=SYMBOLS[n % 2], body=b'{"known_at_ns":1,"n":%d}' % n) for n in range(3000)]
    async with gateway.store.pool.acquire() as connection, connection.transaction():
        await feed.append(connection, {"signals": items[:2900]}, 1)
    await one.sessions.follower.catch_up()
    principal = await gateway.guard.sign_in(gateway.key)
    line = Line()
    client = one.sessions.open(line, principal, "").client
    joining, start = one.sessions.joining, one.sessions.joining.head("signals")
    await joining.live(client, Topic("signals", SYMBOLS[0]))  # it listens to one symbol already

    async def add():
        for at in range(2900, 3000, 10):
            async with gateway.store.pool.acquire() as connection, connection.transaction():
                await feed.append(connection, {"signals": items[at : at + 10]}, 2)
            await one.sessions.follower.catch_up()

    client.hold()
    adding = asyncio.create_task(add())
    await joining.resume(client, Topic("signals"), Spot(0, 0))
    client.release()
    await adding
    numbers = [message["data"]["n"] for message in line.heard if message["type"] == "update"]
    assert start.position == 2900
    assert sorted(numbers) == list(range(3000))  # each once, though two topics wanted half of them
    assert numbers == sorted(numbers)
