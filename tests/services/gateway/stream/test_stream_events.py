"""Server-sent events: the same messages, resumed by the id of the last one, refused as any other request is."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from services.gateway.access.keys import mint
from services.gateway.stream.closing import Close
from tests.services.gateway.stream.talking import WITHIN_S

PATH = "/v1/stream/sse"


class Events:
    """A reader of a stream of events."""

    def __init__(self, answer):
        self._lines = answer.aiter_lines()
        self.heard = []
        self.last_id = ""

    async def hear(self, **wanted):
        """Return the next event's data that has these fields."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                event = {}
                while line := await anext(self._lines):
                    name, _, value = line.partition(": ")
                    event[name] = value
                self.last_id = event.get("id", self.last_id)
                data = json.loads(event["data"])
                assert data["type"] == event["event"]
                self.heard.append(data)
                if all(data.get(name) == value for name, value in wanted.items()):
                    return data


@asynccontextmanager
async def listening(address, key, *, last_id="", **wanted):
    headers = {"Authorization": f"Bearer {key}"} | ({"Last-Event-ID": last_id} if last_id else {})
    async with (
        httpx.AsyncClient(base_url=f"http://{address}", timeout=WITHIN_S) as http,
        http.stream("GET", PATH, params=wanted, headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"] == "text/event-stream"
        yield Events(answer)


async def test_events_are_what_sockets_get_and_go_on_after_the_last_id(gateway, address, make):
    await gateway.fold(make.trade(), make.signal(0))
    channels = "price,signals,verdicts"
    async with listening(address, gateway.key, channels=channels, symbols="BTC-USDT-PERP") as events:
        assert (await events.hear(type="ready"))["name"] == "test"
        await events.hear(type="snapshot", channel="price")
        await events.hear(type="subscribed", channel="verdicts")
        for n in (1, 2):
            signal = make.signal(n)
            await gateway.fold(signal, make.verdict(signal))
        await events.hear(type="update", channel="verdicts")
    last_id = events.last_id
    seen = [(one["channel"], one["seq"]) for one in events.heard if one["type"] == "update"]
    third = make.signal(3)
    await gateway.fold(third, make.verdict(third))
    async with listening(address, gateway.key, channels=channels, last_id=last_id) as events:
        while True:
            await events.hear()
            seen += [(one["channel"], one["seq"]) for one in events.heard[-1:] if one["type"] == "update"]
            if {("signals", 4), ("verdicts", 3)} <= set(seen):
                break
        beat = await events.hear(type="heartbeat")
        assert set(beat["cursors"]) == {"signals", "verdicts"}
    assert [seq for channel, seq in seen if channel == "signals"] == [2, 3, 4]
    assert [seq for channel, seq in seen if channel == "verdicts"] == [1, 2, 3]


async def test_a_ticket_opens_events_once_and_the_end_is_said(gateway, address):
    async with httpx.AsyncClient(base_url=f"http://{address}", headers=gateway.headers) as http:
        ticket = (await http.post("/v1/stream/tickets")).json()["ticket"]
        async with http.stream("GET", PATH, params={"channels": "signals", "ticket": ticket}) as answer:
            events = Events(answer)
            await events.hear(type="subscribed")
            assert (await http.get(PATH, params={"channels": "signals", "ticket": ticket})).status_code == 401
            draining = asyncio.create_task(gateway.hub.drain())
            assert (await events.hear(type="closing"))["reconnect_after_ms"] >= 500
            assert (await events.hear(type="closing"))["code"] == Close.DRAIN
            await draining


async def test_a_place_that_is_gone_moves_the_id_on(gateway, address, make):
    await gateway.fold(make.trade(), *(make.signal(n) for n in range(5)))
    await gateway.desk.sessions.follower.catch_up()
    old = gateway.desk.sessions.joining.cursor("signals", 1)
    await gateway.store.feed.prune(gateway.clock(), keep_items=2)
    async with listening(address, gateway.key, channels="signals", last_id=old) as events:
        await events.hear(type="resync_required")
        assert (await events.hear(type="closing"))["code"] == Close.RESYNC
    await gateway.fold(make.signal(9))
    async with listening(address, gateway.key, channels="signals", last_id=events.last_id) as events:
        assert (await events.hear(type="update"))["data"]["signal_id"] == "sig-0009"


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({}, 400, "channels"),
        ({"channels": "gossip"}, 400, "channel"),
        ({"channels": "book"}, 400, "symbol"),
        ({"channels": "price", "symbols": "DOGE-USDT"}, 404, "symbol"),
        ({"channels": "signals", "from": "nonsense"}, 400, "from"),
        ({"channels": "signals", "since": "x"}, 400, "since"),
        ({"channels": "signals", "ticket": "used"}, 401, "ticket"),
    ],
)
async def test_what_cannot_be_streamed_is_a_problem_before_anything_is_sent(gateway, ask, query, status, field):
    answer = await ask(PATH, params=query)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_events_need_a_key_its_scope_and_room(gateway, address):
    narrow, market = mint("n", ["read:market"]), mint("m", ["stream", "read:market"])
    for key in (narrow, market):
        await gateway.store.add_key(key.row)
    async with gateway.client(Host="127.0.0.1") as http:
        assert (await http.get(PATH, params={"channels": "price"})).status_code == 401
        for key, channel in ((narrow, "price"), (market, "signals")):
            answer = await http.get(PATH, params={"channels": channel}, headers={"Authorization": f"Bearer {key.text}"})
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        gateway.hub._max_clients = 0
        answer = await http.get(PATH, params={"channels": "price"}, headers=gateway.headers)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_connections")
        gateway.hub._max_clients = 10
        assert (await http.head(PATH, params={"channels": "gossip"}, headers=gateway.headers)).status_code == 400
