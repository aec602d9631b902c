"""One thing that went over a wire in, one line of a recording out, and back; see docs/recordings.md. Pure."""

import base64
import binascii
from enum import StrEnum, unique
from typing import Final

import msgspec
from msgspec import Struct, field

FORMAT: Final = 1
MARK: Final = b'{"csx_recording":'
"""How each file of this format begins, unpacked."""
INDEX_MARK: Final = b'{"csx_index":'
"""How its index begins."""


@unique
class Kind(StrEnum):
    """What happened."""

    CONNECT = "connect"
    SEND = "send"
    RECEIVE = "recv"
    ANSWER = "rest"
    DISCONNECT = "disconnect"


class Header(Struct, kw_only=True):
    """The first line of each file."""

    format: int = field(name="csx_recording")
    software: str
    venue: str
    symbols: tuple[str, ...]
    part: int
    """1 is the first file."""
    wall_ns: int
    mono_ns: int


class Entry(Struct, kw_only=True, omit_defaults=True):
    """One line."""

    kind: Kind
    wall_ns: int
    """By the recorder's wall clock, nanoseconds since the epoch."""
    mono_ns: int
    """By a clock of the same machine that never goes back, nanoseconds; only differences mean anything."""
    connection: int = field(name="conn", default=0)
    """Counted from 1 in the order of dialling; 0 is REST."""
    url: str = ""
    """Of connect and rest."""
    status: int = 200
    """Of rest: the HTTP status."""
    cause: str = ""
    """Of disconnect."""
    data: bytes = b""
    """Frame or body, byte by byte as it was."""


class _Line(Struct, omit_defaults=True):
    """An entry as it is written: bytes that are UTF-8 as text, others as base64."""

    kind: Kind
    wall_ns: int
    mono_ns: int
    conn: int = 0
    url: str = ""
    status: int = 200
    cause: str = ""
    text: str = ""
    base64: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


def pack(entry: Entry) -> bytes:
    """Return the line of `entry`, with its end."""
    line = _Line(entry.kind, entry.wall_ns, entry.mono_ns, entry.connection, entry.url, entry.status, entry.cause)
    try:
        line.text = entry.data.decode()
    except UnicodeDecodeError:
        line.base64 = base64.b64encode(entry.data).decode()
    return _encode(line) + b"\n"


def head(header: Header) -> bytes:
    """Return the line of `header`, with its end."""
    return _encode(header) + b"\n"


def unpack(line: bytes) -> Entry:
    """Return the entry of a line.

    Raises:
        ValueError: the line is none of this format.
    """
    read = _decode(line)
    try:
        data = base64.b64decode(read.base64, validate=True) if read.base64 else read.text.encode()
    except binascii.Error as e:
        raise ValueError(f"base64: {e}") from e
    return Entry(
        kind=read.kind,
        wall_ns=read.wall_ns,
        mono_ns=read.mono_ns,
        connection=read.conn,
        url=read.url,
        status=read.status,
        cause=read.cause,
        data=data,
    )
