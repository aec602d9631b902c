"""Kafka's primitive types: bytes to values and back, for the non-flexible versions of the protocol. Pure."""

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Final, TypeVar

T = TypeVar("T")

_I8: Final = Struct(">b")
_I16: Final = Struct(">h")
_I32: Final = Struct(">i")
_I64: Final = Struct(">q")

NULL_STRING: Final = b"\xff\xff"
NO_THROTTLE: Final = b"\x00\x00\x00\x00"
EMPTY: Final = b"\x00\x00\x00\x00"
"""An array, or bytes, of length zero."""


class MalformedError(ValueError):
    """Bytes that cannot be the message they claim to be."""


class Reader:
    """A cursor over one request; each method takes the next value.

    Numbers past the end raise struct.error, everything else `MalformedError`.
    """

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def i8(self) -> int:
        """Take one byte."""
        at = self.at
        self.at = at + 1
        value: int = _I8.unpack_from(self.data, at)[0]
        return value

    def i16(self) -> int:
        """Take two bytes."""
        at = self.at
        self.at = at + 2
        value: int = _I16.unpack_from(self.data, at)[0]
        return value

    def i32(self) -> int:
        """Take four bytes."""
        at = self.at
        self.at = at + 4
        value: int = _I32.unpack_from(self.data, at)[0]
        return value

    def i64(self) -> int:
        """Take eight bytes."""
        at = self.at
        self.at = at + 8
        value: int = _I64.unpack_from(self.data, at)[0]
        return value

    def optional_string(self) -> str | None:
        """Take a string that may be null."""
        size = self.i16()
        return None if size < 0 else self._take(size).decode()

    def string(self) -> str:
        """Take a string; null reads as empty."""
        return self.optional_string() or ""

    def bytes_(self) -> bytes:
        """Take a byte string; null reads as empty."""
        size = self.i32()
        return b"" if size < 0 else self._take(size)

    def optional_array(self, item: Callable[[], T]) -> list[T] | None:
        """Take an array that may be null."""
        count = self.i32()
        if count > len(self.data) - self.at:  # an item has at least one byte: do not loop for a liar
            raise MalformedError(f"an array of {count} items in {len(self.data) - self.at} bytes")
        return None if count < 0 else [item() for _ in range(count)]

    def array(self, item: Callable[[], T]) -> list[T]:
        """Take an array; null reads as empty."""
        return self.optional_array(item) or []

    def skip(self, size: int) -> None:
        """Pass over `size` bytes."""
        self.at += size

    def _take(self, size: int) -> bytes:
        at = self.at
        self.at = at + size
        if self.at > len(self.data):
            raise MalformedError(f"{size} bytes announced, {len(self.data) - at} left")
        return self.data[at : at + size]


class Request(Reader):
    """One request's body, and who sent it."""

    __slots__ = ("client", "host", "version")

    def __init__(self, data: bytes, at: int, *, version: int, client: str, host: str) -> None:
        super().__init__(data, at)
        self.version = version
        self.client = client
        self.host = host


i8: Final = _I8.pack
i16: Final = _I16.pack
i32: Final = _I32.pack
i64: Final = _I64.pack


def string(value: str | None) -> bytes:
    """Return `value` as the wire wants it."""
    if value is None:
        return NULL_STRING
    encoded = value.encode()
    return _I16.pack(len(encoded)) + encoded


def bytes_(value: bytes) -> bytes:
    """Return `value` behind its length."""
    return _I32.pack(len(value)) + value


def array(items: Iterable[bytes]) -> bytes:
    """Return already encoded `items` behind their count."""
    parts = list(items)
    return _I32.pack(len(parts)) + b"".join(parts)
