"""Opaque cursors: a place in one list to a URL-safe word and back, signed where there is a secret. Pure."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

_VERSION: Final = 2
_SIGNATURE_BYTES: Final = 12

Step: TypeAlias = int | str
A = TypeVar("A", int, str)
B = TypeVar("B", int, str)


class Place(Struct, frozen=True, array_like=True):
    """After which item of which list to go on."""

    version: int
    kind: str
    """The list: an operation's name. A cursor of one list fits no other."""
    at: tuple[Any, ...]
    """The item's sort key, integers and texts; of the types that its reader named."""

    def one(self, kind: type[A]) -> A:
        """Return `at` as one value; it was read as such."""
        (value,) = self.at
        assert isinstance(value, kind), "it was read with this type"
        return value

    def two(self, first: type[A], second: type[B]) -> tuple[A, B]:
        """Return `at` as one value of each type; it was read as such."""
        one, other = self.at
        assert isinstance(one, first), "it was read with these types"
        assert isinstance(other, second), "it was read with these types"
        return one, other


_decode: Final = msgspec.json.Decoder(tuple[int, str, tuple[Step, ...]], strict=True).decode
_NONE: Final = "this is no cursor: take `next_cursor` of the page before"
_ANOTHER: Final = "this cursor is of another version or list: begin again without it"


class CursorError(ValueError):
    """The word is no cursor of ours, or of another list."""


class Cursors:
    """Writes and reads cursors; with secrets, what we did not sign is refused.

    The first secret signs, all of them verify: two while they are rotated.
    """

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        self._keys = [hashlib.sha256(b"cryptosatx cursor\0" + secret).digest() for secret in secrets]

    def write(self, kind: str, *at: Step) -> str:
        """Return the word for a place in the list `kind`."""
        body = msgspec.json.encode(Place(_VERSION, kind, at))
        word = _text(body)
        return f"{word}.{_text(_sign(self._keys[0], body))}" if self._keys else word

    def read(self, word: str, kind: str, *steps: type[Step]) -> Place:
        """Return the place of `word` in the list `kind`, whose sort key has the types `steps`.

        Raises:
            CursorError: `word` did not come from `write`, or for another list.
        """
        text, _, signature = word.partition(".")
        try:
            body = _bytes(text)
            place = Place(*_decode(body))
            signed = _bytes(signature)
        except (binascii.Error, ValueError, msgspec.DecodeError) as e:
            raise CursorError(_NONE) from e
        known = [hmac.compare_digest(_sign(key, body), signed) for key in self._keys]
        if (self._keys and not any(known)) or (not self._keys and signed):
            raise CursorError(_NONE)
        fits = len(place.at) == len(steps) and all(map(isinstance, place.at, steps)) and all(map(_plain, place.at))
        if place.version != _VERSION or place.kind != kind or not fits:
            raise CursorError(_ANOTHER)
        return place


def _plain(step: Step) -> bool:
    return abs(step) < 2**63 if isinstance(step, int) else "\0" not in step


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:_SIGNATURE_BYTES]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
