"""One TCP connection: bytes in, HTTP requests and WebSocket messages to the handler, with control over the TCP level.

HTTP is spoken by h11 and WebSocket by websockets' sans-I/O server, so that a fault can cut, stall or half-open the
connection beneath either.
"""

import asyncio
import logging
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import h11
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.server import ServerProtocol

from deploy.local.sandbox.handler import Handler, Request, Response
from deploy.local.sandbox.websocket import Socket, flush

log = logging.getLogger(__name__)

BACKLOG_BYTES: Final = 4 << 20
"""A connection with more than this unsent is slow: a player waits for it."""
_MAX_HEAD: Final = 64 << 10
_MAX_BODY: Final = 1 << 20


class Wire(asyncio.Protocol):
    """A connection that turns out to be HTTP or WebSocket."""

    def __init__(self, handler: Handler, wires: set["Wire"]) -> None:
        self._handler = handler
        self._wires = wires
        self._transport: asyncio.Transport
        self._head = b""
        self._http: h11.Connection | None = None
        self._websocket: ServerProtocol | None = None
        self._socket: Socket | None = None
        self._request: h11.Request | None = None
        self._body = b""
        self._message: list[bytes] = []
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=BACKLOG_BYTES)
        self._transport = transport
        self._wires.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        log.debug("connection lost", extra={"cause": repr(exc)})
        self._wires.discard(self)
        if self._answering:
            self._answering.cancel()
        if self._socket:
            self._socket.gone = True
            self._socket.writable.set()
            self._handler.closed(self._socket)

    def pause_writing(self) -> None:
        """The peer reads too slowly."""
        if self._socket:
            self._socket.writable.clear()

    def resume_writing(self) -> None:
        """The peer caught up."""
        if self._socket:
            self._socket.writable.set()

    def shut(self) -> None:
        """End this connection: a WebSocket by going away, anything else at once."""
        if self._socket and not self._socket.frozen:
            self._socket.close(CloseCode.GOING_AWAY, "")
        else:
            self._transport.abort()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        if self._websocket:
            self._websocket_data(data)
        elif self._http:
            self._http.receive_data(data)
            self._next_request()
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end >= 0:
                head, self._head = self._head, b""
                if b"\r\nupgrade: websocket" in head[:end].lower():
                    self._websocket = ServerProtocol(max_size=_MAX_BODY)
                    self._websocket_data(head)
                else:
                    self._http = h11.Connection(h11.SERVER)
                    self._http.receive_data(head)
                    self._next_request()
            elif len(self._head) > _MAX_HEAD:
                self._transport.abort()

    # --- HTTP

    def _next_request(self) -> None:
        http = self._http
        assert http
        while self._answering is None:
            try:
                event = http.next_event()
            except h11.RemoteProtocolError:
                self._transport.abort()
                return
            match event:
                case h11.Request():
                    self._request, self._body = event, b""
                case h11.Data():
                    self._body += bytes(event.data)
                    if len(self._body) > _MAX_BODY:
                        self._transport.abort()
                        return
                case h11.EndOfMessage():
                    self._answering = asyncio.get_running_loop().create_task(self._answer())
                case _:
                    if http.our_state is h11.MUST_CLOSE or event is not h11.NEED_DATA:
                        self._transport.close()
                    return

    async def _answer(self) -> None:
        http, head = self._http, self._request
        assert http
        assert head
        parts = urlsplit(head.target.decode("latin-1"))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        request = Request(method=head.method.decode(), path=parts.path, query=query, body=self._body)
        try:
            response = await self._handler.answer(request)
        except Exception:  # a fault of one route answers 500, as a real exchange does, and the market goes on
            log.exception("request failed", extra={"path": request.path})
            response = Response(status=500, body=b'{"msg":"the sandbox failed; see its log"}')
        headers = {"content-type": response.content_type, "content-length": str(len(response.body)), **response.headers}
        if self._transport.is_closing():
            return
        parts_out = (
            http.send(h11.Response(status_code=response.status, headers=list(headers.items()))),
            http.send(h11.Data(data=response.body)) if head.method != b"HEAD" else b"",
            http.send(h11.EndOfMessage()),
        )
        self._transport.write(b"".join(part or b"" for part in parts_out))
        self._answering = None
        if http.our_state is h11.MUST_CLOSE:
            self._transport.close()
            return
        http.start_next_cycle()
        self._next_request()

    # --- WebSocket

    def _websocket_data(self, data: bytes) -> None:
        protocol = self._websocket
        assert protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Handshake):
                self._shake(protocol, event)
            elif isinstance(event, Frame):
                self._frame(event)
        flush(protocol, self._transport)
        if protocol.close_expected() and self._socket is None:
            self._transport.close()

    def _shake(self, protocol: ServerProtocol, request: Handshake) -> None:
        if not self._handler.admits(urlsplit(request.path).path):
            protocol.send_response(protocol.reject(404, "no such path\n"))
            return
        response = protocol.accept(request)
        protocol.send_response(response)
        if response.status_code != 101:
            return
        flush(protocol, self._transport)
        self._socket = Socket(protocol, self._transport, request.path)
        self._socket.touch()
        self._handler.opened(self._socket)

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT} or self._socket is None:
            return
        self._message.append(bytes(frame.data))
        if frame.fin:
            text, self._message = b"".join(self._message), []
            self._socket.received += 1
            self._socket.touch()
            self._handler.message(self._socket, text)
