"""One open WebSocket as the server sees it: texts in, frames out, or silence and cuts where a fault wants them."""

import asyncio
from collections import deque
from urllib.parse import parse_qsl, urlsplit

from websockets.frames import CloseCode
from websockets.protocol import State
from websockets.server import ServerProtocol


class Socket:
    """One open WebSocket, seen from the server."""

    def __init__(self, protocol: ServerProtocol, transport: asyncio.Transport, target: str) -> None:
        parts = urlsplit(target)
        self.path = parts.path
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.sent = 0
        self.received = 0
        self.active_s = 0.0
        """When data last went either way, loop time."""
        self.writable = asyncio.Event()
        self.writable.set()
        self.gone = False
        self.frozen = False
        self._protocol = protocol
        self._transport = transport
        self._stalled: deque[bytes] | None = None

    @property
    def backlog(self) -> int:
        """Bytes written but not taken by the peer's TCP yet."""
        return self._transport.get_write_buffer_size()

    @property
    def pending(self) -> bool:
        """Whether something is on its way that the peer's TCP has not taken yet, held back or not."""
        return not self.frozen and not self.gone and (self._stalled is not None or self.backlog > 0)

    def send(self, text: bytes) -> None:
        """Send a text frame; the bytes go out as they are, valid UTF-8 or not."""
        if self.gone or self.frozen or self._protocol.state is not State.OPEN:
            return
        if self._stalled is not None:
            self._stalled.append(text)
            return
        self._protocol.send_text(text)
        self.sent += 1
        self.touch()
        self._flush()

    def ping(self) -> None:
        """Send a WebSocket ping."""
        if not self.gone and not self.frozen and self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    def close(self, code: int, reason: str) -> None:
        """Close by the protocol."""
        if not self.gone and not self.frozen and self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._flush()

    def close_later(self, delay_s: float) -> None:
        """Close in a while, as announced."""
        asyncio.get_running_loop().call_later(delay_s, self.close, CloseCode.GOING_AWAY, "")

    def abort(self) -> None:
        """Cut the TCP connection without a word."""
        self._transport.abort()

    def freeze(self) -> None:
        """Go half open: read nothing, send nothing, keep the TCP connection."""
        self.frozen = True
        self._transport.pause_reading()

    def stall(self, delay_s: float) -> None:
        """Hold back what is sent for `delay_s`, in order."""
        if self._stalled is None:
            self._stalled = deque()
            asyncio.get_running_loop().call_later(delay_s, self._release)

    def touch(self) -> None:
        """Note that data goes either way now."""
        self.active_s = asyncio.get_running_loop().time()

    def _flush(self) -> None:
        flush(self._protocol, self._transport)

    def _release(self) -> None:
        held, self._stalled = self._stalled or (), None
        for text in held:
            self.send(text)


def flush(protocol: ServerProtocol, transport: asyncio.Transport) -> None:
    """Write what the protocol has to say."""
    for data in protocol.data_to_send():
        if data:
            transport.write(data)
        else:
            transport.close()
