"""A WebSocket without its server: the connection of an upgrade request becomes ours once it was answered.

Granian gives each WebSocket a read buffer of 128 KiB that no setting changes, takes messages of any size before we
see them, and sends no pings. So it hears of none: a handshake is an ordinary request to it, answered with 101. It then
lets go of the connection, of which we have kept a duplicate; from there on we speak frames ourselves.
"""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from services.gateway.stream.frames import Frame, FrameError, Op, Reader, farewell, frame

MAX_TEXT: Final = 64 * 1024
_FILES: Final = Path("/dev/fd")
_SEND_BUFFER: Final = 128 * 1024
_WAITS: Final = 64 * 1024
_LET_GO_S: Final = 5.0
_LOOK_S: Final = 0.001
_DEAD_MS: Final = 20_000
"""A peer that acknowledges nothing for so long is gone."""


class Wire(asyncio.Protocol):
    """One connection that speaks frames."""

    __slots__ = ("_early", "_ending", "_gone", "_hear", "_lost", "_reader", "_room", "_transport", "paused")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader = Reader(MAX_TEXT)
        self._ending = False
        self.paused = False
        self._early: list[bytes] = []
        self._lost = False
        self._hear: Callable[[bytes], None] = self._early.append
        self._room: Callable[[], None] = _nothing_at_all
        self._gone: Callable[[], None] = _nothing_at_all

    def listen(self, hear: Callable[[bytes], None], room: Callable[[], None], gone: Callable[[], None]) -> None:
        """Pass on what comes, and what has come before: a client may speak as soon as it is answered.

        Args:
            hear: called with each message.
            room: called when the connection takes more again.
            gone: called once, when the connection is closed.
        """
        self._hear, self._room, self._gone = hear, room, gone
        early, self._early = self._early, []
        for payload in early:
            hear(payload)
        if self._lost:
            gone()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        connected = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        connected.set_write_buffer_limits(high=_WAITS)
        self._transport = connected

    def data_received(self, data: bytes) -> None:
        """Read frames."""
        if self._ending and self._transport is None:
            return
        try:
            for one in self._reader.feed(data):
                self._take(one)
        except FrameError as e:
            self.end(e.code, str(e))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (why it is gone changes nothing)
        """End."""
        self._transport = None
        self._lost = True
        self._gone()

    def pause_writing(self) -> None:
        """Take no more: the peer does not read."""
        self.paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self.paused = False
        self._room()

    def write(self, payload: bytes) -> None:
        """Send one message."""
        if self._transport is not None and not self._ending:
            self._transport.write(_framed(payload))

    def ping(self) -> None:
        """Ask for a sign of life: what is not acknowledged ends the connection."""
        if self._transport is not None and not self._ending and not self.paused:
            self._transport.write(frame(Op.PING, b""))

    def end(self, code: int, reason: str) -> None:
        """Say goodbye and close: at once where the peer does not read anyway, else when it has answered."""
        if self._transport is None or self._ending:
            return
        self._ending = True
        self._transport.write(farewell(code, reason))
        if self.paused:
            asyncio.get_running_loop().call_later(1.0, self.abort)
        else:
            asyncio.get_running_loop().call_later(2.0, self.abort)

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, one: Frame) -> None:
        if one.op is Op.PING:
            if self._transport is not None:
                self._transport.write(frame(Op.PONG, one.payload))
        elif one.op is Op.CLOSE:
            if self._transport is not None:
                if not self._ending:
                    self._ending = True
                    self._transport.write(frame(Op.CLOSE, one.payload[:2]))
                self._transport.close()
        elif one.op is not Op.PONG and not self._ending:
            self._hear(one.payload)


class _Framing:
    """Frames texts, of which many clients get the same one after the other: those once."""

    __slots__ = ("_made", "_payload")

    def __init__(self) -> None:
        self._payload, self._made = b"", frame(Op.TEXT, b"")

    def __call__(self, payload: bytes) -> bytes:
        if payload is not self._payload:
            self._payload, self._made = payload, frame(Op.TEXT, payload)
        return self._made


_framed: Final = _Framing()


def _nothing_at_all() -> None:
    """Until somebody listens."""


class CannotTake(Exception):
    """The connection of a request could not be found."""


async def take(client: tuple[str, int], port: int, answer: Callable[[], Any], wire: Wire) -> None:
    """Make the connection from `client` ours.

    Args:
        client: its address and port, as the server told them.
        port: the one it came to; what we opened ourselves towards the same address is not meant.
        answer: sends the 101; the server lets go of the connection after it.
        wire: gets the connection.

    Raises:
        CannotTake: there is no such connection in this process.
    """
    number, kept = _find(client, port)
    try:
        inode = os.fstat(number).st_ino
        await answer()
        async with asyncio.timeout(_LET_GO_S):
            while _is(number, inode):  # noqa: ASYNC110 - another thread closes it, and says nothing
                await asyncio.sleep(_LOOK_S)
        kept.setblocking(False)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if (patience := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
            kept.setsockopt(socket.IPPROTO_TCP, patience, _DEAD_MS)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: wire, kept)
    except BaseException:  # cancelled or failed alike: the duplicate would stay open
        kept.close()
        raise


def _find(client: tuple[str, int], port: int) -> tuple[int, socket.socket]:
    for name in sorted((int(one.name) for one in _FILES.iterdir()), reverse=True):  # new ones are high
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(name).st_mode):
                continue
            kept = socket.socket(fileno=os.dup(name))
            try:
                found = kept.family in {socket.AF_INET, socket.AF_INET6} and _same(kept.getpeername(), client)
                found = found and kept.getsockname()[1] == port
            except OSError:
                found = False
            if found:
                return name, kept
            kept.close()
    raise CannotTake(f"no connection from {client[0]}:{client[1]} is open here")


def _same(peer: tuple[Any, ...], client: tuple[str, int]) -> bool:
    return bool(peer[1] == client[1]) and str(peer[0]).removeprefix("::ffff:") == client[0].removeprefix("::ffff:")


def _is(number: int, inode: int) -> bool:
    try:
        return os.fstat(number).st_ino == inode
    except OSError:
        return False
