"""WebSocket frames of RFC 6455, as a server reads and writes them: bytes in, messages out. Pure."""

import struct
from base64 import b64encode
from collections.abc import Iterator
from enum import IntEnum, unique
from hashlib import sha1
from typing import Final

from msgspec import Struct

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FIN: Final = 0x80
_MASK: Final = 0x80
_RESERVED: Final = 0x70
_SHORT: Final = 125


@unique
class Op(IntEnum):
    """What a frame is."""

    MORE = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_OPS: Final = frozenset(Op)


class Frame(Struct, frozen=True):
    """A whole message, or a control frame."""

    op: Op
    payload: bytes


class FrameError(Exception):
    """The client does not speak the protocol, or says too much at once."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def accept(key: bytes) -> bytes:
    """Return what proves that a handshake was understood."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def frame(op: Op, payload: bytes) -> bytes:
    """Return one whole frame, unmasked as servers send them."""
    size = len(payload)
    if size <= _SHORT:
        head = bytes((_FIN | op, size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", _FIN | op, 126, size)
    else:
        head = struct.pack("!BBQ", _FIN | op, 127, size)
    return head + payload


def farewell(code: int, reason: str) -> bytes:
    """Return the frame that closes."""
    return frame(Op.CLOSE, struct.pack("!H", code) + reason.encode()[: _SHORT - 2])


class Reader:
    """Collects what a client sends."""

    __slots__ = ("_buffer", "_limit", "_parts", "_parts_op")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = b""
        self._parts: list[bytes] = []
        self._parts_op = Op.MORE

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the messages that `data` completes.

        Raises:
            FrameError: with the code to close with.
        """
        self._buffer += data
        while (found := self._next()) is not None:
            final, op, payload = found
            if op >= Op.CLOSE:
                if not final or len(payload) > _SHORT:
                    raise FrameError(1002, "a control frame is short and whole")
                yield Frame(op, payload)
                continue
            if (op is Op.MORE) != bool(self._parts):
                raise FrameError(1002, "a message is not begun within another")
            if op is not Op.MORE:
                self._parts_op = op
            self._parts.append(payload)
            if sum(map(len, self._parts)) > self._limit:
                raise FrameError(1009, "the message is too large")
            if final:
                whole = b"".join(self._parts)
                self._parts.clear()
                yield Frame(self._parts_op, whole)

    def _next(self) -> tuple[bool, Op, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        if first & _RESERVED or first & 0x0F not in _OPS:
            raise FrameError(1002, "there is no such frame")
        if not second & _MASK:
            raise FrameError(1002, "what a client sends is masked")
        size, at = second & 0x7F, 2
        if size == 126:
            if len(buffer) < 4:
                return None
            size, at = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            if len(buffer) < 10:
                return None
            size, at = int.from_bytes(buffer[2:10], "big"), 10
        if size > self._limit:
            raise FrameError(1009, "the message is too large")
        if len(buffer) < at + 4 + size:
            return None
        mask, masked = buffer[at : at + 4], buffer[at + 4 : at + 4 + size]
        self._buffer = buffer[at + 4 + size :]
        return bool(first & _FIN), Op(first & 0x0F), _unmask(masked, mask)


def _unmask(masked: bytes, mask: bytes) -> bytes:
    size = len(masked)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(masked, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
