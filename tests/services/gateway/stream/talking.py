"""A stream's client in tests: it remembers what it heard."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets
from websockets.exceptions import ConnectionClosed

WITHIN_S = 20


class Desk:
    """A client that remembers what it heard."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def say(self, **message: Any) -> None:
        """Send a request; `since` is said as `from`."""
        if "since" in message:
            message["from"] = message.pop("since")
        await self.socket.send(json.dumps(message))

    async def hear(self, **wanted: Any) -> dict[str, Any]:
        """Return the next message that has these fields."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                message: dict[str, Any] = json.loads(await self.socket.recv())
                self.heard.append(message)
                if all(message.get(name) == value for name, value in wanted.items()):
                    return message

    async def closed(self) -> int | None:
        """Return the code with which the stream is closed."""
        async with asyncio.timeout(WITHIN_S):
            try:
                while True:
                    self.heard.append(json.loads(await self.socket.recv()))
            except ConnectionClosed as e:
                return e.rcvd.code if e.rcvd else None

    def updates(self, channel: str) -> list[dict[str, Any]]:
        """Return what was heard of a channel."""
        return [one for one in self.heard if one.get("channel") == channel and one["type"] == "update"]


@asynccontextmanager
async def desk(address: str, key: str | None = None, path: str = "/v1/stream", **options: Any) -> AsyncIterator[Desk]:
    """Connect."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with websockets.connect(f"ws://{address}{path}", additional_headers=headers, **options) as socket:
        yield Desk(socket)


class Line:
    """A connection of a client in the same process, which reads when it is told to."""

    def __init__(self) -> None:
        self.paused = False
        self.room_after: int | None = None
        """Pause by itself after so many messages."""
        self.wrote: list[bytes] = []
        self.ended: tuple[int, str] | None = None

    def write(self, payload: bytes) -> None:
        """Keep a message."""
        self.wrote.append(payload)
        if self.room_after is not None:
            self.room_after -= 1
            self.paused = self.room_after <= 0

    def ping(self) -> None:
        """Nobody is there."""

    def end(self, code: int, reason: str) -> None:
        """Keep the reason."""
        self.ended = code, reason

    @property
    def heard(self) -> list[dict[str, Any]]:
        """What was written."""
        return [json.loads(one) for one in self.wrote]
