"""A thousand stream clients in one process, by raw frames: signals go to the topic, clients say when they came."""

import asyncio
import json
import re
import socket
from collections.abc import Sequence
from typing import Final, cast

from msgspec import Struct
from msgspec.structs import replace

from deploy.proving.messages import verdicts
from deploy.proving.messages_findings import Plan
from libs.common.bus.publisher import Publisher
from libs.common.events import Signal
from libs.common.runtime.clock import monotonic_s, now_ns

_MARK: Final = re.compile(rb'"signal_id":"bench-(\d+)"')
_TAIL: Final = 64
_OPEN: Final = b"\r\n\r\n"
_EVERYTHING: Final = ("price", "book", "candles", "readings", "signals")


class Heard(Struct):
    """When signals were published, and how long after that each client had each."""

    said_s: dict[int, float] = {}
    took_s: dict[int, list[float]] = {}


def frame(text: str) -> bytes:
    """Return one text as a client's frame; the mask of zeros leaves it as it is."""
    payload = text.encode()
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xFE]) + size.to_bytes(2, "big")
    return head + b"\x00\x00\x00\x00" + payload


class Listener(asyncio.Protocol):
    """One client."""

    def __init__(self, heard: Heard, subscriptions: tuple[str, ...], key: str, port: int) -> None:
        self._heard = heard
        self._subscriptions = subscriptions
        self._key = key
        self._port = port
        self._tail = b""
        self._seen: set[int] = set()
        self._transport: asyncio.Transport | None = None
        self.open = False
        self.closed = False
        self.refused = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.write(
            f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {self._key}\r\n\r\n".encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        """Remember that it ended."""
        self.closed = True

    def data_received(self, data: bytes) -> None:
        """Look for marked signals; nothing else is of interest."""
        assert self._transport is not None
        if not self.open:
            if not data.startswith(b"HTTP/1.1 101"):
                self.refused = data[:300]
                return
            self.open = True
            for one in self._subscriptions:
                self._transport.write(frame(one))
            return
        data = self._tail + data if self._tail else data
        if b"bench-" in data:
            for found in _MARK.finditer(data):
                number = int(found[1])
                if number not in self._seen and (said_s := self._heard.said_s.get(number)) is not None:
                    self._seen.add(number)
                    self._heard.took_s.setdefault(number, []).append(monotonic_s() - said_s)
        self._tail = b"" if data.endswith(b"}") else data[-_TAIL:]

    def stop_reading(self) -> None:
        """Read nothing any more, as a client that hangs."""
        assert self._transport is not None
        self._transport.pause_reading()

    def close(self) -> None:
        """Go."""
        if self._transport is not None:
            self._transport.abort()


def usual(symbol: str) -> tuple[str, ...]:
    """Return what a usual client subscribes to: every signal, and one market's book."""
    return (
        '{"op":"subscribe","id":"1","channel":"signals"}',
        f'{{"op":"subscribe","id":"2","channel":"book","symbols":["{symbol}"]}}',
    )


def everything(symbols: Sequence[str]) -> tuple[str, ...]:
    """Return subscriptions to all there is of some markets."""
    words = json.dumps(list(symbols))
    return tuple(
        f'{{"op":"subscribe","id":"{n}","channel":"{name}","symbols":{words}}}' for n, name in enumerate(_EVERYTHING)
    )


async def connect(
    port: int, key: str, heard: Heard, subscriptions: tuple[str, ...], count: int, *, receive_bytes: int = 0
) -> list[Listener]:
    """Open `count` clients, fifty at a time; return when all are open."""
    loop, made = asyncio.get_running_loop(), []
    for at in range(0, count, 50):
        for _ in range(min(50, count - at)):
            sock = socket.socket()
            sock.setblocking(False)
            if receive_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            await loop.sock_connect(sock, ("127.0.0.1", port))
            _, client = await loop.create_connection(lambda: Listener(heard, subscriptions, key, port), sock=sock)
            made.append(client)
        async with asyncio.timeout(30):
            while not all(client.open for client in made):
                await asyncio.sleep(0.01)
                if refused := next((client.refused for client in made if client.refused), None):
                    raise RuntimeError(f"no stream: {refused!r}")
                if lost := sum(client.closed for client in made):
                    raise RuntimeError(f"{lost} of {len(made)} streams were closed")
    return made


async def heard_by_all(heard: Heard, numbers: Sequence[int], count: int, within_s: float) -> None:
    """Wait until `count` clients had each of `numbers`, or until the time is over: what is missing is counted later."""
    deadline_s = monotonic_s() + within_s
    while monotonic_s() < deadline_s and any(len(heard.took_s.get(n, ())) < count for n in numbers):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


class Loudspeaker:
    """Publishes signals to the topic at a steady rate."""

    def __init__(self, bootstrap: str, heard: Heard) -> None:
        self._publisher = Publisher(bootstrap, "bench")
        self._heard = heard
        self._number = 0
        (verdict,) = verdicts(Plan(chats=1, signals=1, kills=0, seed=1, long_wait_s=0))
        self._pattern: Signal = verdict.signal

    async def start(self) -> None:
        """Connect."""
        await self._publisher.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._publisher.stop()

    async def say(self, per_s: float, seconds: float) -> list[int]:
        """Publish for `seconds`; return the numbers of what was said."""
        said: list[int] = []
        began_s = monotonic_s()
        while (ahead_s := len(said) / per_s) < seconds:
            await asyncio.sleep(max(0.0, began_s + ahead_s - monotonic_s()))
            self._number += 1
            at_ns = now_ns()
            signal = replace(
                self._pattern,
                symbol="BTC-USDT-PERP",
                venue="okx",
                signal_id=f"bench-{self._number}",
                as_of_ns=at_ns,
                known_at_ns=at_ns,
            )
            self._heard.said_s[self._number] = monotonic_s()
            await self._publisher.publish([signal])
            said.append(self._number)
        return said
