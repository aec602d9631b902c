"""The TCP side: frames in, each handled in order, answers out; what is not understood ends its connection, logged."""

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Coroutine
from typing import Final, cast

from deploy.local.broker.apis import API_VERSIONS, APIS, versions
from deploy.local.broker.broker import Broker
from deploy.local.broker.codes import Code
from deploy.local.broker.wire import MalformedError, Reader, Request, i32

MAX_REQUEST_BYTES: Final = 100 << 20
"""Kafka's own socket.request.max.bytes."""
_MAX_QUEUED: Final = 64  # requests of one connection not yet handled; then it is not read any more
_JOIN_BELOW: Final = 1 << 16

log = logging.getLogger(__name__)


class Connection(asyncio.Protocol):
    """One client: requests are answered in the order they came, one at a time."""

    def __init__(self, broker: Broker, open_connections: set["Connection"]) -> None:
        self._broker = broker
        self._open = open_connections
        self._transport: asyncio.Transport | None = None
        self._peer = "?"
        self._buffer = bytearray()
        self._queue: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None
        self._full = False  # the client does not read its answers
        self._paused = False  # we do not read its requests

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its ancestry
        self._peer = str((self._transport.get_extra_info("peername") or ("?",))[0])
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was asked and not answered."""
        del exc  # why it went does not change what is to be forgotten
        self._open.discard(self)
        self._transport = None
        self._queue.clear()
        self._buffer.clear()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """Stop answering, and so soon reading, a client that does not read."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._full = False
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Cut bytes into requests."""
        buffer = self._buffer
        buffer += data
        at, size = 0, len(buffer)
        while size - at >= 4:
            length = int.from_bytes(buffer[at : at + 4], "big")
            if length > MAX_REQUEST_BYTES:
                self._refuse(f"a request of {length} bytes, the limit is {MAX_REQUEST_BYTES}")
                return
            if size - at - 4 < length:
                break
            with memoryview(buffer) as view:
                self._queue.append(bytes(view[at + 4 : at + 4 + length]))
            at += 4 + length
        if at:
            del buffer[:at]
        self._pump()

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def _pump(self) -> None:
        while self._queue and self._task is None and not self._full and self._transport is not None:
            self._handle(self._queue.popleft())
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if len(self._queue) > _MAX_QUEUED and not self._paused:
            self._paused = True
            transport.pause_reading()
        elif self._paused and len(self._queue) <= _MAX_QUEUED // 2:
            self._paused = False
            transport.resume_reading()

    def _handle(self, frame: bytes) -> None:
        what = "a request too short for its header"
        try:
            key, version, correlation = struct.unpack_from(">hhi", frame)
            api = APIS.get(key)
            what = f"{api.name if api else f'unknown API {key}'} version {version}"
            if api is None or not api.first <= version <= api.last:
                if key == API_VERSIONS:
                    self._send(correlation, versions(Code.UNSUPPORTED_VERSION, 0))
                    return
                spoken = f", versions {api.first} to {api.last} are spoken" if api else ""
                self._refuse(f"{what}{spoken}")
                return
            head = Reader(frame, 8)
            client = head.string()
            request = Request(frame, head.at, version=version, client=client, host=self._peer)
            answer = api.handle(self._broker, request)
        except (struct.error, MalformedError, UnicodeError) as e:
            self._refuse(f"{what}: malformed, {e}")
            return
        except Exception:  # whatever broke, one client's request must not end the broker for the others
            log.exception("%s from %s failed, its connection is closed", what, self._peer)
            self.close()
            self._queue.clear()
            return
        if isinstance(answer, Coroutine):
            self._task = asyncio.get_running_loop().create_task(self._answer_later(correlation, answer, what))
        elif answer is not None:
            self._send(correlation, answer)

    async def _answer_later(self, correlation: int, answer: Coroutine[None, None, bytes], what: str) -> None:
        try:
            self._send(correlation, await answer)
        except (struct.error, MalformedError, UnicodeError) as e:
            self._refuse(f"{what}: malformed, {e}")
        except Exception:  # as above, for an answer that came later
            log.exception("%s from %s failed, its connection is closed", what, self._peer)
            self.close()
        finally:
            self._task = None
        self._pump()

    def _send(self, correlation: int, body: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        head = i32(len(body) + 4) + i32(correlation)
        if len(body) < _JOIN_BELOW:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    def _refuse(self, what: str) -> None:
        log.warning("refused from %s: %s", self._peer, what)
        self._queue.clear()
        self._buffer.clear()
        self.close()


class Server:
    """The listening socket of a broker and its housekeeping."""

    def __init__(self, broker: Broker, *, host: str, port: int) -> None:
        self._broker = broker
        self._host = host
        self._port = port
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._housekeeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; port 0 takes a free one, which `broker.port` then tells.

        Raises:
            OSError: the port is taken, or not ours to take.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._broker, self._connections), self._host, self._port, backlog=256
        )
        self._broker.host = self._host
        self._broker.port = int(self._server.sockets[0].getsockname()[1])
        self._housekeeping = loop.create_task(self._broker.keep_house())

    async def stop(self) -> None:
        """Close every connection, then the broker's files."""
        if self._server is not None:
            self._server.close()
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            await asyncio.gather(self._housekeeping, return_exceptions=True)
        for connection in list(self._connections):
            connection.close()
        self._broker.close()
