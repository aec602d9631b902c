"""CoinGlass's socket against a strict server on loopback: key, subscription, pings, refusals, lost connections."""

import asyncio
import http
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from libs.common.events import Metric
from libs.common.runtime.backoff import Backoff
from services.ingest.delivery.buffer import Buffer
from services.ingest.vendor_socket import VendorSocket
from services.ingest.vendors.coinglass_stream import CoinGlassStream
from services.ingest.venues.terms import Heartbeat
from tests.services.ingest.vendors.answers import ORDERS


class Glass:
    """The vendor: refuses another key or path, and says orders to who subscribed only."""

    def __init__(self) -> None:
        self.url = ""
        self.dialled = 0
        self.heard: list[Any] = []
        self.first: bytes | None = None
        self.open: ServerConnection | None = None
        self.mute = False

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.dialled += 1
        parts = urlsplit(request.path)
        if parts.path != "/ws-api" or parse_qs(parts.query) != {"cg-api-key": ["k+y"]}:
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "key\n")
        return None

    async def talk(self, connection: ServerConnection) -> None:
        try:
            async for frame in connection:
                self.heard.append(frame)
                if frame == "ping":
                    if not self.mute:
                        await connection.send("pong")
                    continue
                assert msgspec.json.decode(frame) == {"method": "subscribe", "channels": ["liquidationOrders"]}
                self.open = connection
                if self.first is not None:
                    await connection.send(self.first, text=True)
        except ConnectionClosed:
            return


@pytest.fixture
async def glass() -> AsyncIterator[Glass]:
    glass = Glass()
    async with serve(glass.talk, "127.0.0.1", 0, process_request=glass.admit) as server:
        glass.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield glass


@asynccontextmanager
async def running(
    url: str, key: str | None, beat: Heartbeat | None = None
) -> AsyncIterator[Callable[[], list[Metric]]]:
    buffer = Buffer()
    stream = CoinGlassStream(url, key, ("BTC-USDT-PERP",))
    stream.heartbeat = beat or stream.heartbeat
    socket = VendorSocket(stream, buffer, backoff=Backoff(initial_s=0.01, cap_s=0.05))
    found: list[Metric] = []

    async def take() -> None:
        while batch := await buffer.take(100):
            found.extend(one for one in batch if isinstance(one, Metric))

    tasks = [asyncio.create_task(socket.run()), asyncio.create_task(take())]
    try:
        yield lambda: found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_orders_are_published_and_a_lost_connection_is_absent_until_the_next(glass: Glass, tiny) -> None:
    glass.first = msgspec.json.encode(ORDERS)
    async with running(glass.url, "k+y") as found:
        await tiny.until(lambda: len(found()) == 1)
        assert (found()[0].name, found()[0].value) == ("liquidation_order_short", 3858.184)
        assert glass.open is not None
        await glass.open.close(1001)
        await tiny.until(lambda: len(found()) == 4)
        assert [(one.value, one.cause) for one in found()[1:]] == [
            (None, "the socket was closed with 1001"),
            (None, "the socket was closed with 1001"),
            (3858.184, None),
        ]
    assert glass.dialled == 2


async def test_a_refused_key_is_said_once_and_left_alone(glass: Glass, tiny) -> None:
    async with running(glass.url, "stolen") as found:
        await tiny.until(lambda: len(found()) == 2)
        assert {one.cause for one in found()} == {"HTTP 401 to the socket: key or plan"}
    assert glass.dialled == 1


async def test_a_plan_that_lacks_the_socket_is_said_in_the_vendors_words(glass: Glass, tiny) -> None:
    glass.first = b'{"code":"403","msg":"Upgrade plan, k+y"}'
    async with running(glass.url, "k+y") as found:
        await tiny.until(lambda: len(found()) == 2)
        assert {one.cause for one in found()} == {"code 403: Upgrade plan, ***"}
    assert glass.dialled == 1


async def test_it_pings_and_a_vendor_that_stops_answering_is_dialled_again(glass: Glass, tiny) -> None:
    async with running(glass.url, "k+y", Heartbeat(ping=b"ping", idle_s=0.05, dead_s=0.3, busy_too=True)) as found:
        await tiny.until(lambda: glass.heard.count("ping") >= 10)
        assert (glass.dialled, found()) == (1, [])
        glass.mute = True
        await tiny.until(lambda: glass.dialled >= 2)
        assert {one.cause for one in found()} == {"the socket is silent"}


async def test_an_unreadable_frame_ends_nothing(glass: Glass, tiny) -> None:
    glass.first = b"\xff{"
    async with running(glass.url, "k+y") as found:
        await tiny.until(lambda: glass.open is not None)
        assert glass.open is not None
        await glass.open.send(msgspec.json.encode(ORDERS), text=True)
        await tiny.until(lambda: len(found()) == 1)
    assert glass.dialled == 1


async def test_without_a_key_nothing_is_dialled(glass: Glass, tiny) -> None:
    async with running(glass.url, None) as found:
        await tiny.until(lambda: len(found()) == 2)
        assert {one.cause for one in found()} == {"no key"}
    assert glass.dialled == 0
