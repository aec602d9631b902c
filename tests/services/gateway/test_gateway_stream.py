"""The stream over a real socket: signing in, snapshot then live, slow clients, revoked keys, the end."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from libs.common.events import Source
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.process import Process
from services.gateway import metrics
from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring
from services.gateway.access.keys import mint
from services.gateway.server import serve
from services.gateway.settings import Settings
from services.gateway.stream.hub import Client, Close, Message, Topic
from services.gateway.stream.opening import Sessions

WITHIN_S = 10


class Desk:
    """A client that remembers what it heard."""

    def __init__(self, socket):
        self.socket = socket
        self.heard = []

    async def say(self, **message):
        await self.socket.send(json.dumps(message))

    async def hear(self, **wanted):
        """Return the next message that has these fields."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                message = json.loads(await self.socket.recv())
                self.heard.append(message)
                if all(message.get(name) == value for name, value in wanted.items()):
                    return message

    async def closed(self):
        async with asyncio.timeout(WITHIN_S):
            try:
                while True:
                    self.heard.append(json.loads(await self.socket.recv()))
            except ConnectionClosed as e:
                return e.rcvd.code if e.rcvd else None


@asynccontextmanager
async def desk(address, key=None, path="/v1/stream", **options):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with websockets.connect(f"ws://{address}{path}", additional_headers=headers, **options) as socket:
        yield Desk(socket)


async def test_signs_in_by_header_first_message_or_ticket(gateway, address):
    async with desk(address, gateway.key) as client:
        ready = await client.hear(type="ready")
        assert ready["name"] == "test"
        assert "signals" in ready["channels"]
    async with desk(address) as client:
        await client.say(op="auth", key=gateway.key)
        await client.hear(type="ready")
    async with httpx.AsyncClient(base_url=f"http://{address}", headers=gateway.headers) as http:
        ticket = (await http.post("/v1/stream/tickets")).json()["ticket"]
    async with desk(address, path=f"/v1/stream?ticket={ticket}") as client:
        await client.hear(type="ready")
    async with desk(address, path=f"/v1/stream?ticket={ticket}") as client:
        assert await client.closed() == Close.UNAUTHENTICATED


@pytest.mark.parametrize("first", ['{"op":"auth","key":"csx_live_x"}', '{"op":"subscribe","channel":"price"}', "{", ""])
async def test_without_a_key_the_stream_closes(address, first):
    async with desk(address) as client:
        await client.socket.send(first)
        assert await client.closed() == Close.UNAUTHENTICATED
    assert client.heard == []


async def test_a_wrong_header_and_a_foreign_page_are_refused(gateway, address):
    async with desk(address, "csx_live_nonsense") as client:
        assert await client.closed() == Close.UNAUTHENTICATED
    for bad in ({"origin": "http://evil.example"}, {"additional_headers": {"Host": "evil.example"}}):
        with pytest.raises((InvalidStatus, ConnectionClosed)):
            async with websockets.connect(f"ws://{address}/v1/stream", **bad) as socket:
                await socket.recv()
    async with websockets.connect(
        f"ws://{address}/v1/stream", origin=Origin(f"http://{address}"), additional_headers=gateway.headers
    ) as socket:
        assert json.loads(await socket.recv())["type"] == "ready"


async def test_snapshot_comes_first_then_what_is_new(gateway, address, make):
    await gateway.fold(make.trade(100.0), make.snapshot(10), make.reading(), make.signal(1))
    async with desk(address, gateway.key) as client:
        for channel in ("price", "book", "readings", "signals", "candles"):
            await client.say(op="subscribe", id=channel, channel=channel, symbol="BTC-USDT-PERP")
            await client.hear(type="subscribed", id=channel)
        await client.say(op="subscribe", channel="health")
        await client.hear(type="snapshot", channel="health")
        await gateway.fold(make.trade(101.0, n=2))
        assert (await client.hear(type="update", channel="price"))["data"]["price"] == 101.0
        gateway.clock.now += make.SECOND
        await gateway.fold(make.delta(11, 11, bids=[(99.5, 1.0)]))
        assert (await client.hear(type="update", channel="book"))["data"]["bids"][0] == [99.5, 1.0]
        await gateway.fold(make.reading(score=-0.9))
        assert (await client.hear(type="update", channel="readings"))["data"]["score"] == -0.9
        signal = make.signal(2)
        await gateway.fold(signal)
        assert (await client.hear(type="update", channel="signals"))["data"]["decision"] is None
        await gateway.fold(make.verdict(signal))
        assert (await client.hear(type="update", channel="signals"))["data"]["decision"] == "publish"
        await gateway.fold(make.candle(close=101.5, source=Source.REST), make.candle(complete=False))
        bars = [(await client.hear(type="update", channel="candles"))["data"]["candle"] for _ in range(2)]
        assert {(bar["source"], bar["close"], bar["complete"]) for bar in bars} == {
            ("rest", 101.5, True),
            ("trades", 101.0, False),
        }
        await client.hear(type="update", channel="health")
        await client.hear(type="heartbeat")
    snapshots = [m["channel"] for m in client.heard if m["type"] == "snapshot"]
    assert sorted(snapshots) == ["book", "health", "price", "readings", "signals"]
    for channel in ("price", "book", "readings", "signals"):
        kinds = [m["type"] for m in client.heard if m.get("channel") == channel]
        assert kinds.index("subscribed") < kinds.index("snapshot") < kinds.index("update"), channel
    origins = {
        m["data"]["origin"] for m in client.heard if m["type"] in {"snapshot", "update"} and m["channel"] != "health"
    }
    assert origins == {"simulated"}


async def test_only_what_was_asked_for_comes_until_it_is_given_up(gateway, address, make):
    await gateway.fold(make.trade(1.0), make.trade(2.0, symbol="ETH-USDT"))
    async with desk(address, gateway.key) as client:
        await client.say(op="subscribe", channel="price", symbol="ETH-USDT", venue="okx")
        await client.hear(type="snapshot", channel="price")
        await gateway.fold(make.trade(3.0), make.trade(4.0, symbol="ETH-USDT"))
        await client.hear(type="update", channel="price")
        await client.say(op="unsubscribe", id=9, channel="price", symbol="ETH-USDT", venue="okx")
        assert (await client.hear(type="unsubscribed", id=9))["known"]
        await gateway.fold(make.trade(5.0, symbol="ETH-USDT"))
        await client.say(op="ping", id="p")
        await client.hear(type="pong", id="p")
    assert [m["data"]["price"] for m in client.heard if m.get("channel") == "price" and "data" in m] == [2.0, 4.0]


async def test_what_is_not_understood_is_answered_and_ten_times_is_enough(gateway, address, make):
    await gateway.fold(make.trade())
    faults = [
        ({"op": "subscribe", "channel": "gossip"}, "invalid_parameter", "channel"),
        ({"op": "subscribe", "channel": "price", "symbol": "DOGE-USDT"}, "unknown_symbol", "symbol"),
        ({"op": "subscribe", "channel": "book"}, "invalid_parameter", "symbol"),
        ({"op": "subscribe", "channel": "price", "symbol": "BTC-USDT-PERP", "venue": "x"}, "unknown_venue", "venue"),
        ({"op": "dance"}, "invalid_parameter", "op"),
    ]
    async with desk(address, gateway.key) as client:
        await client.hear(type="ready")
        for number, (message, code, field) in enumerate(faults):
            await client.say(id=number, **message)
            answer = await client.hear(type="error", id=number)
            assert (answer["code"], answer["errors"][0]["field"]) == (code, field)
        for text in ("{", "[]", '{"op":1}', '{"op":"ping","extra":1}'):
            await client.socket.send(text)
            assert (await client.hear(type="error"))["code"] == "bad_request"
        await client.socket.send("one too many")
        assert await client.closed() == Close.BAD_REQUEST
    async with desk(address, gateway.key) as client:
        await client.socket.send("x" * 65_537)
        assert await client.closed() == Close.OVERSIZE


async def test_a_revoked_key_closes_its_open_stream_within_the_five_seconds_of_the_manual(gateway):
    sessions = Sessions(gateway.hub, gateway.board, Guard(Keyring(gateway.store)), gateway.latest)  # by the true clock
    open_, other = Line(), Line()
    others = mint("other")
    await gateway.store.add_key(others.row)
    talks = [
        asyncio.create_task(sessions.open(line).run(await sessions.who(f"Bearer {key}", None)))
        for line, key in ((open_, gateway.key), (other, others.text))
    ]
    await asyncio.gather(open_.greeted.wait(), other.greeted.wait())
    await gateway.store.revoke_key(gateway.key[9:19], gateway.clock())  # just after it was looked up: the worst case
    async with asyncio.timeout(5):
        await talks[0]
    assert open_.closed == Close.REVOKED
    assert other.closed is None
    other.gone.set()
    await talks[1]


class Line:
    """A connection whose client listens, says nothing, and goes when told."""

    def __init__(self):
        self.greeted, self.gone, self.closed = asyncio.Event(), asyncio.Event(), None

    async def receive(self):
        await self.gone.wait()

    async def send(self, text):
        self.greeted.set()

    async def close(self, code, reason):
        self.closed = code


async def test_a_reader_that_stops_reading_costs_the_others_nothing(gateway, address, make):
    slow_options = {"max_queue": 1}
    async with desk(address, gateway.key, **slow_options) as slow, desk(address, gateway.key) as quick:
        for client in (slow, quick):
            await client.say(op="subscribe", channel="price")
            await client.say(op="subscribe", channel="signals")
            await client.hear(type="subscribed", channel="signals")
        for n in range(30):
            await gateway.fold(make.trade(float(n + 1), n=n), make.signal(n))
        while True:
            if (await quick.hear(type="update", channel="signals"))["data"]["signal_id"] == "sig-0029":
                break
        while True:
            if (await slow.hear(type="update", channel="signals"))["data"]["signal_id"] == "sig-0029":
                break
    for client in (slow, quick):
        ids = [m["data"]["signal_id"] for m in client.heard if m["type"] == "update" and m["channel"] == "signals"]
        assert ids == [f"sig-{n:04d}" for n in range(30)]


async def test_a_client_that_reads_nothing_is_conflated_and_then_cut(gateway, address):
    async with desk(address, gateway.key, max_queue=1, max_size=None) as stuck:
        await stuck.say(op="subscribe", channel="price")
        await stuck.hear(type="subscribed")
        (queue,) = gateway.hub._clients
        conflated = metrics.CONFLATED.labels("price")._value
        before, sent = conflated.get(), 0
        async with asyncio.timeout(WITHIN_S):
            while queue.closing is None:  # the socket's own buffers fill first, then only the newest waits
                gateway.hub.send(message(text="x" * 200_000))
                sent += 1
                await asyncio.sleep(0.002)
    assert queue.closing is Close.SLOW
    assert conflated.get() - before > sent / 2
    assert len(queue._newest) <= 1


async def test_the_house_is_full_and_the_house_closes(gateway, address):
    gateway.hub._max_clients = 1
    async with desk(address, gateway.key) as first:
        await first.hear(type="ready")
        async with desk(address, gateway.key) as second:
            assert await second.closed() == Close.FULL
        await gateway.hub.drain()
        assert await first.closed() == Close.DRAIN


async def test_a_taken_port_is_one_clear_line(gateway, address):
    port = int(address.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
        await serve(gateway.app, "127.0.0.1", port, Process("gateway", Settings()))


async def test_pages_and_problems_come_over_the_real_server_too(gateway, address):
    async with httpx.AsyncClient(base_url=f"http://{address}") as http:
        assert "CryptoSatX" in (await http.get("/")).text
        assert (await http.get("/v1/markets")).status_code == 401
        assert (await http.get("/v1/nothing", headers=gateway.headers)).json()["code"] == "not_found"


def message(channel="price", *, symbol="BTC-USDT", slot="", text="x"):
    return Message(channel, "okx", symbol, slot, text)


async def test_market_data_conflates_to_the_newest_and_signals_come_first():
    client = Client(10)
    for topic in (Topic("price"), Topic("signals")):
        client.begin(topic)
        client.open(topic, [])
    for n in range(5):
        client.offer(message(text=f"p{n}"))
        client.offer(message("signals", text=f"s{n}"))
    client.offer(message(symbol="ETH-USDT", text="eth"))
    client.offer(message("book", text="unwanted"))
    taken = [one.text for one in await client.take()]
    assert taken == ["s0", "s1", "s2", "s3", "s4", "p4", "eth"]


async def test_a_client_that_lets_signals_pile_up_is_cut():
    client = Client(3)
    client.begin(Topic("signals"))
    client.open(Topic("signals"), [])
    for n in range(4):
        client.offer(message("signals", text=str(n)))
    assert client.closing is Close.SLOW
    assert await client.take() == []


async def test_what_comes_while_the_snapshot_is_read_follows_it():
    client = Client(3)
    topic = Topic("price", "BTC-USDT")
    client.begin(topic)
    client.offer(message(text="older"))
    client.offer(message(text="newer"))
    client.open(topic, [message(text="snapshot")])
    assert [one.text for one in await client.take()] == ["newer"]
    assert client.drop(topic)
    assert not client.drop(topic)
