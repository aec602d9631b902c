"""Bytes of HTTP/1.1 in, calls to one handler out; and every way in which an answer may fail to come."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import h11
from msgspec import Struct

_MOST_BYTES: Final = 1024 * 1024
_MOST_UPLOAD_BYTES: Final = 51 * 1024 * 1024
"""A document of 50 MiB, and the fields beside it."""
_READ_BYTES: Final = 64 * 1024


class Request(Struct, frozen=True):
    """One request, complete."""

    method: str
    target: str
    kind: str
    """Of its body: the content type."""
    body: bytes
    headers: dict[str, str] = {}
    """By their names in small letters."""


class Answer(Struct, frozen=True):
    """What is sent back."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Reset(Struct, frozen=True):
    """The connection is reset (RST)."""

    torn: Answer | None = None
    """Half of the body of this has been sent before."""


class Silence(Struct, frozen=True):
    """Nothing is ever sent back; the connection stays open."""


Reaction: TypeAlias = Answer | Reset | Silence
Handler: TypeAlias = Callable[[Request], Awaitable[Reaction]]


class Server:
    """Listens on loopback."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 takes any free one."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._server:
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = h11.Connection(h11.SERVER)
        while True:
            try:
                request = await _read(wire, reader)
            except h11.RemoteProtocolError as e:
                await _write(wire, writer, Answer(e.error_status_hint, str(e).encode(), "text/plain"))
                return
            if request is None:
                return
            reaction = await self._handler(request)
            if isinstance(reaction, Silence):
                while await reader.read(_READ_BYTES):
                    continue  # until the other side gives up
                return
            if isinstance(reaction, Reset):
                if reaction.torn:
                    await _write_half(wire, writer, reaction.torn)
                _reset(writer)
                return
            await _write(wire, writer, reaction)
            if wire.our_state is h11.MUST_CLOSE:
                return
            wire.start_next_cycle()


async def _read(wire: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    head: h11.Request | None = None
    headers: dict[str, str] = {}
    kind, body = "", bytearray()
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Request):
            head = event
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
            kind = headers.get("content-type", "")
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > (_MOST_UPLOAD_BYTES if kind.startswith("multipart/") else _MOST_BYTES):
                raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage):
            assert head
            return Request(head.method.decode(), head.target.decode("latin-1"), kind, bytes(body), headers)
        else:
            return None


async def _write(wire: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(wire.send(_head(answer)) or b"")
    writer.write(wire.send(h11.Data(data=answer.body)) or b"")
    writer.write(wire.send(h11.EndOfMessage()) or b"")
    await writer.drain()


async def _write_half(wire: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(wire.send(_head(answer)) or b"")
    writer.write(wire.send(h11.Data(data=answer.body[: len(answer.body) // 2])) or b"")
    await writer.drain()


def _head(answer: Answer) -> h11.Response:
    headers = [("Content-Type", answer.kind), ("Content-Length", str(len(answer.body))), *answer.headers]
    return h11.Response(status_code=answer.status, headers=headers)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing sends RST, not FIN
    writer.transport.abort()
