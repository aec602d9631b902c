"""A WebSocket without its server: the connection of an upgrade request becomes ours once it was answered.

Granian gives each WebSocket a read buffer of 128 KiB that no setting changes, takes messages of any size before we
see them, and sends no pings. So it hears of none: a handshake is an ordinary request to it, answered with 101. It then
lets go of the connection, of which we have kept a duplicate; from there on frames are ours to speak.
"""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import Protocol, Side, State

MAX_TEXT: Final = 64 * 1024
_REASON: Final = 123
"""Bytes that a goodbye has room for."""
_FILES: Final = Path("/dev/fd")
_SEND_BUFFER: Final = 128 * 1024
_WAITS: Final = 64 * 1024
_LET_GO_S: Final = 5.0
_LOOK_S: Final = 0.001
_DEAD_MS: Final = 20_000
"""A peer that acknowledges nothing for so long is gone."""


class Wire(asyncio.Protocol):
    """One connection that speaks frames; the protocol is the `websockets` library's, without its input and output."""

    __slots__ = ("_early", "_ending", "_gone", "_hear", "_lost", "_parts", "_protocol", "_room", "_transport", "paused")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=MAX_TEXT)
        self._parts: list[bytes] = []
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
        """Read frames; pings, closes and faults are answered by the protocol."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            assert isinstance(event, Frame), "the handshake is over"
            if event.opcode in DATA_OPCODES and self._open:
                self._parts.append(bytes(event.data))
                if event.fin:
                    whole, self._parts = b"".join(self._parts), []
                    self._hear(whole)
        self._answer()

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
        if self._transport is not None and self._open:
            self._transport.write(_framed(payload))

    def ping(self) -> None:
        """Ask for a sign of life: what is not acknowledged ends the connection."""
        if self._open and not self.paused:
            self._protocol.send_ping(b"")
            self._answer()

    def end(self, code: int, reason: str) -> None:
        """Say goodbye and close: at once where the peer does not read anyway, else when it has answered."""
        if self._transport is None or not self._open:
            return
        self._protocol.send_close(code, reason.encode()[:_REASON].decode(errors="ignore"))
        self._answer()

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def _open(self) -> bool:
        return self._protocol.state is State.OPEN

    def _answer(self) -> None:
        """Send what the protocol has to say."""
        if self._transport is None:
            return
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:  # both have said goodbye, or the peer does not speak the protocol
                self._transport.close()
        if self._protocol.close_expected() and not self._ending:
            self._ending = True
            asyncio.get_running_loop().call_later(1.0 if self.paused else 2.0, self.abort)


class _Framing:
    """Frames texts, of which many clients get the same one after the other: those once."""

    __slots__ = ("_made", "_payload")

    def __init__(self) -> None:
        self._payload, self._made = b"", _text(b"")

    def __call__(self, payload: bytes) -> bytes:
        if payload is not self._payload:
            self._payload, self._made = payload, _text(payload)
        return self._made


def _text(payload: bytes) -> bytes:
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


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
