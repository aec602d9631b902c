"""The stream over a real socket: signing in, snapshot then live, what is refused, the end."""

import asyncio
import json

import httpx
import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from libs.common.events import Barrier, FundingRate, Liquidation, Outcome, PositionSide, Source
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.process import Process
from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring
from services.gateway.access.keys import mint
from services.gateway.server import serve
from services.gateway.settings import Settings
from services.gateway.stream.closing import Close
from services.gateway.stream.opening import Sessions
from tests.services.gateway.stream.talking import Line, desk


async def test_signs_in_by_header_first_message_or_ticket(gateway, address):
    async with desk(address, gateway.key) as client:
        ready = await client.hear(type="ready")
        assert ready["name"] == "test"
        assert {"signals", "verdicts", "price", "funding"} <= set(ready["channels"])
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


async def test_what_is_no_handshake_is_told_so(address):
    async with httpx.AsyncClient(base_url=f"http://{address}") as http:
        assert (await http.get("/v1/stream")).json()["code"] == "bad_request"
        headers = {"Upgrade": "websocket", "Connection": "upgrade", "Sec-WebSocket-Key": "x" * 24}
        answer = await http.get("/v1/stream", headers=headers | {"Sec-WebSocket-Version": "12"})
        assert (answer.status_code, answer.headers["sec-websocket-version"]) == (400, "13")


async def test_snapshot_comes_first_then_what_is_new(gateway, address, make):
    first = make.signal(1)
    await gateway.fold(make.trade(100.0), make.snapshot(10), make.reading(), first)
    async with desk(address, gateway.key) as client:
        for channel in ("price", "book", "readings", "signals", "verdicts", "outcomes", "candles"):
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
        said = await client.hear(type="update", channel="signals")
        assert (said["data"]["signal_id"], said["seq"], said["prev_seq"]) == ("sig-0002", 2, 1)
        assert said["ts_event_ns"] == signal.known_at_ns
        assert said["schema"] == "signal/1"
        await gateway.fold(make.verdict(signal))
        assert (await client.hear(type="update", channel="verdicts"))["data"]["decision"] == "publish"
        await gateway.fold(_outcome(signal))
        assert (await client.hear(type="update", channel="outcomes"))["data"]["barrier"] == "stop"
        await gateway.fold(make.candle(close=101.5, source=Source.REST), make.candle(complete=False))
        bars = [(await client.hear(type="update", channel="candles"))["data"]["candle"] for _ in range(2)]
        assert {(bar["source"], bar["close"], bar["complete"]) for bar in bars} == {
            ("rest", 101.5, True),
            ("trades", 101.0, False),
        }
        await client.hear(type="update", channel="health")
        beat = await client.hear(type="heartbeat")
        assert set(beat["cursors"]) == {"signals", "verdicts", "outcomes"}
        assert beat["cursors"]["signals"] == said["cursor"]
    snapshots = [m["channel"] for m in client.heard if m["type"] == "snapshot"]
    assert sorted(snapshots) == ["book", "health", "price", "readings", "signals"]
    for channel in ("price", "book", "readings", "signals"):
        kinds = [m["type"] for m in client.heard if m.get("channel") == channel]
        assert kinds.index("subscribed") < kinds.index("snapshot") < kinds.index("update"), channel
    told = [m for m in client.heard if m["type"] in {"snapshot", "update"} and m["channel"] != "health"]
    assert {m["data"]["origin"] for m in told} == {"simulated"}
    for m in told:
        if m["type"] == "update" and m["channel"] not in {"signals", "verdicts", "outcomes", "candles"}:
            assert m["prev_seq"] == m["seq"] - 1, m  # nothing was left out


def _outcome(of):
    return Outcome(
        venue=of.venue,
        symbol=of.symbol,
        origin=of.origin,
        signal_id=of.signal_id,
        timeframe=of.timeframe,
        resolved_ns=of.as_of_ns,
        barrier=Barrier.STOP,
        r_multiple=-1.0,
        mfe=0.0,
        mae=1.0,
    )


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


async def test_liquidations_and_funding_come_as_they_are_said(gateway, address, make):
    await gateway.fold(make.trade())
    market = {"venue": "okx", "symbol": "BTC-USDT-PERP", "event_ns": make.NOON, "received_ns": 0}
    liquidation = Liquidation(price=60_000.0, size=0.5, liquidated=PositionSide.LONG, **market)
    async with desk(address, gateway.key) as client:
        for channel in ("liquidations", "funding"):
            await client.say(op="subscribe", channel=channel)
            await client.hear(type="subscribed", channel=channel)
        await gateway.fold(liquidation, FundingRate(rate=0.0001, interval_s=28_800, **market))
        forced = (await client.hear(channel="liquidations"))["data"]
        assert (forced["venue"], forced["liquidation"]["notional"]) == ("okx", 30_000.0)
        assert (await client.hear(channel="funding"))["data"]["funding"]["rate"] == 0.0001


async def test_several_symbols_are_asked_for_at_once(gateway, address, make):
    await gateway.fold(make.trade(1.0), make.trade(2.0, symbol="ETH-USDT"), make.trade(3.0, symbol="SOL-USDT"))
    async with desk(address, gateway.key) as client:
        await client.say(op="subscribe", id=1, channel="price", symbols=["BTC-USDT-PERP", "ETH-USDT"])
        assert (await client.hear(type="subscribed", id=1))["symbols"] == ["BTC-USDT-PERP", "ETH-USDT"]
        await client.say(op="ping")
        await client.hear(type="pong")
    assert [m["symbol"] for m in client.heard if m["type"] == "snapshot"] == ["BTC-USDT-PERP", "ETH-USDT"]


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


async def test_who_talks_without_end_is_cut(gateway, address):
    async with desk(address, gateway.key) as client:
        await client.hear(type="ready")
        for _ in range(60):
            await client.say(op="ping")
        assert await client.closed() == Close.RATE


async def test_a_key_without_the_scope_hears_nothing_of_it(gateway, address, make):
    await gateway.fold(make.trade(), make.signal())
    narrow = mint("narrow", ["stream", "read:market"])
    none = mint("none", ["read:market"])
    for key in (narrow, none):
        await gateway.store.add_key(key.row)
    async with desk(address, narrow.text) as client:
        ready = await client.hear(type="ready")
        assert "signals" not in ready["channels"]
        await client.say(op="subscribe", id=1, channel="signals")
        assert (await client.hear(type="error", id=1))["code"] == "forbidden"
    async with desk(address, none.text) as client:
        assert await client.closed() == Close.REVOKED


async def test_a_revoked_key_closes_its_open_stream_within_the_five_seconds_of_the_manual(gateway):
    guard = Guard(Keyring(gateway.store))  # by the true clock
    sessions = Sessions(gateway.hub, gateway.board, guard, gateway.store, gateway.latest)
    others = mint("other")
    await gateway.store.add_key(others.row)
    lines = {}
    for key in (gateway.key, others.text):
        lines[key] = Line()
        sessions.open(lines[key], await sessions.who(f"Bearer {key}", None), "")
    watch = asyncio.create_task(sessions.pulse.watch())
    await gateway.store.revoke_key(gateway.key[9:19], gateway.clock())  # just after it was looked up: the worst case
    async with asyncio.timeout(5):
        while lines[gateway.key].ended is None:  # noqa: ASYNC110 - a line has no event
            await asyncio.sleep(0.01)
    watch.cancel()
    assert lines[gateway.key].ended == (Close.REVOKED, "revoked")
    assert lines[others.text].ended is None


async def test_a_credential_that_ends_is_told_of_may_be_renewed_and_then_ends_the_stream(gateway, address, make):
    soon = mint("soon", expires_ns=gateway.clock.now + 61 * make.SECOND)
    later = mint("later", expires_ns=gateway.clock.now + 3600 * make.SECOND)
    for key in (soon, later):
        await gateway.store.add_key(key.row)
    async with desk(address, soon.text) as renewed, desk(address, soon.text) as client:
        assert (await renewed.hear(type="ready"))["expires_ns"] == soon.row.expires_ns
        await client.hear(type="ready")
        gateway.clock.now += 2 * make.SECOND
        for one in (renewed, client):
            assert (await one.hear(type="reauth_required"))["expires_ns"] == soon.row.expires_ns
        await renewed.say(op="auth", id=1, key=later.text)
        assert (await renewed.hear(type="authenticated", id=1))["expires_ns"] == later.row.expires_ns
        gateway.clock.now += 60 * make.SECOND
        assert await client.closed() == Close.UNAUTHENTICATED
        await renewed.say(op="ping", id=2)
        await renewed.hear(type="pong", id=2)


async def test_a_heartbeat_says_how_well_venues_are_heard(gateway, address, make):
    from libs.common.events import FeedQuality, Grade
    from libs.common.events import Origin as Born

    report = FeedQuality(
        venue="okx",
        event_ns=make.NOON,
        origin=Born.SIMULATED,
        grade=Grade.C,
        causes=("books: 1 hole", "b", "c", "d"),
        window_s=60.0,
        streams=(),
        symbols=1,
        connections=1,
        connections_wanted=1,
        clock_offset_s=None,
        clock_bound_s=None,
        clock_cause="not asked",
        bars_audited=0,
        bars_different=0,
        rest_budget_used=0.0,
        rest_pace=1.0,
        rest_venue_weight=None,
        rest_paused_s=0.0,
        rest_in_flight=0,
        rest_waiting=0,
    )
    await gateway.fold(make.trade(), report)
    async with desk(address, gateway.key) as client:
        beat = await client.hear(type="heartbeat")
    assert beat["quality"]["okx"] == {
        "grade": "c",
        "causes": ["books: 1 hole", "b", "c"],
        "as_of_ns": make.NOON,
        "age_s": 0.0,
    }
    assert beat["feeds"] == {"total": 1, "stale": 0}
    assert beat["cursors"] == {}


async def test_the_house_is_full_an_address_has_enough_and_the_house_closes(gateway, address):
    gateway.hub._max_clients = 2
    async with desk(address, gateway.key) as first, desk(address, gateway.key) as second:
        await first.hear(type="ready")
        await second.hear(type="ready")
        async with desk(address, gateway.key) as third:
            assert await third.closed() == Close.FULL
        gateway.hub._max_clients, gateway.hub._per_address = 10, 2
        async with desk(address, gateway.key) as third:
            assert await third.closed() == Close.RATE
        await gateway.hub.drain()
        assert await first.closed() == Close.DRAIN
        assert 500 <= first.heard[-1]["reconnect_after_ms"] <= 5000
        async with desk(address, gateway.key) as late:
            assert await late.closed() == Close.DRAIN


async def test_a_taken_port_is_one_clear_line(gateway, address):
    port = int(address.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
        await serve(gateway.app, "127.0.0.1", port, Process("gateway", Settings()))


async def test_pages_and_problems_come_over_the_real_server_too(gateway, address):
    async with httpx.AsyncClient(base_url=f"http://{address}") as http:
        assert "CryptoSatX" in (await http.get("/")).text
        assert (await http.get("/v1/markets")).status_code == 401
        assert (await http.get("/v1/nothing", headers=gateway.headers)).json()["code"] == "not_found"
