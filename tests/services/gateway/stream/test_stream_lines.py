"""Connections: a reader that stops reading is cut without harm to others, and TLS is served by the server's own."""

import asyncio
import datetime as dt
import json
import socket
import ssl
from contextlib import suppress

import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.local.children import free_port
from libs.common.runtime.process import Process
from services.gateway.server import serve
from services.gateway.settings import Settings
from services.gateway.store import feed
from services.gateway.store.feed import Item
from services.gateway.stream.closing import Close
from services.gateway.stream.taking import CannotTake, Wire, take
from tests.services.gateway.stream.talking import WITHIN_S, Desk, desk


async def test_a_reader_that_stops_is_cut_and_the_others_hear_everything_in_time(gateway, address, make):
    await gateway.fold(make.trade())
    body = b'{"known_at_ns":1,"text":"' + b"x" * 20_000 + b'"}'
    item = Item(venue="okx", symbol="BTC-USDT-PERP", body=body)
    async with (
        desk(address, gateway.key, max_queue=1, max_size=None) as stuck,
        desk(address, gateway.key, max_size=None) as quick,
    ):
        for client in (stuck, quick):
            await client.say(op="subscribe", channel="signals", since="live")
            await client.hear(type="subscribed")
        said = 0
        async with asyncio.timeout(60):
            while len(list(gateway.hub.clients)) == 2:
                async with gateway.store.pool.acquire() as connection, connection.transaction():
                    await feed.append(connection, {"signals": [item] * 10}, 1)
                await gateway.desk.sessions.follower.catch_up()
                said += 10
                while len(quick.updates("signals")) < said:
                    await quick.hear(type="update")
        assert [one["seq"] for one in quick.updates("signals")] == list(range(1, said + 1))
        await quick.say(op="ping")
        await quick.hear(type="pong")


async def test_a_line_that_takes_nothing_for_too_long_is_cut(gateway, address, make):
    gateway.desk.sessions.pulse._send_s = 1.0
    await gateway.fold(make.trade())
    async with desk(address, gateway.key, max_queue=1, max_size=None) as stuck:
        await stuck.say(op="subscribe", channel="price")
        await stuck.hear(type="snapshot")
        (client,) = gateway.hub.clients
        async with asyncio.timeout(WITHIN_S):
            while client.closing is None:
                client.line.write(b"x" * 100_000) if not client.line.paused else await asyncio.sleep(0.05)
        assert client.closing is Close.SLOW


async def test_what_is_sent_at_once_after_the_handshake_is_heard(gateway, address):
    async def one():
        async with websockets.connect(f"ws://{address}/v1/stream") as client:
            await client.send(json.dumps({"op": "auth", "key": gateway.key}))
            return "ready" in await client.recv()

    gateway.hub._per_address = 1000
    for _ in range(4):
        assert all(await asyncio.gather(*(one() for _ in range(25))))
    async with asyncio.timeout(WITHIN_S):
        while any(True for _ in gateway.hub.clients):  # noqa: ASYNC110 - a hub has no event for it
            await asyncio.sleep(0.01)


async def test_a_connection_that_is_not_here_is_not_taken():
    with pytest.raises(CannotTake):
        await take(("127.0.0.1", 1), 8080, _never, Wire())


async def test_a_connection_of_ours_to_the_same_address_is_not_taken_for_the_clients(address):
    host, _, port = address.partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    with pytest.raises(CannotTake):  # what we opened came to no port of ours
        await take((host, int(port)), int(port), _never, Wire())
    writer.close()
    await writer.wait_closed()


async def _never():
    raise AssertionError("nobody is answered")


async def test_a_client_that_breaks_the_protocol_is_told_so(gateway, address):
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"GET /v1/stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Authorization: Bearer {gateway.key}\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    writer.write(head.encode())
    async with asyncio.timeout(WITHIN_S):
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in answer
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
        writer.write(b"\x81\x01x")  # not masked
        rest = await reader.read()
    assert b"\x88" in rest
    assert (1002).to_bytes(2, "big") in rest
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@pytest.fixture
def certificate(tmp_path):
    """A certificate of our own for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


async def test_over_tls_the_server_keeps_the_connection_and_the_stream_is_the_same(gateway, address, make, certificate):
    port = free_port()
    stop = await serve(gateway.app, "127.0.0.1", port, Process("gateway", Settings()), tls=certificate)
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    url = f"wss://localhost:{port}/v1/stream"
    try:
        async with websockets.connect(
            url, ssl=trusted, additional_headers=gateway.headers, host="127.0.0.1", family=socket.AF_INET
        ) as one:
            client = Desk(one)
            await client.hear(type="ready")
            await client.say(op="subscribe", channel="signals")
            await client.hear(type="subscribed")
            await gateway.fold(make.signal(1))
            assert (await client.hear(type="update"))["seq"] == 1
            await client.socket.send("x" * 70_000)
            assert await client.closed() == Close.OVERSIZE
        async with websockets.connect(url, ssl=trusted, host="127.0.0.1", family=socket.AF_INET) as one:
            await one.send("{")
            assert await Desk(one).closed() == Close.UNAUTHENTICATED
    finally:
        await stop()
