"""Opaque cursors: a place in the list of signals to a URL-safe word and back. Pure."""

import base64
import binascii
from typing import Final

import msgspec
from msgspec import Struct


class Place(Struct, frozen=True, array_like=True):
    """After which signal to go on; newest first, so the next one is smaller."""

    as_of_ns: int
    signal_id: str
    version: int = 1


_decode: Final = msgspec.json.Decoder(Place, strict=True).decode


class CursorError(ValueError):
    """The word is no cursor of ours."""


def write(place: Place) -> str:
    """Return the word for `place`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read(word: str) -> Place:
    """Return the place of `word`.

    Raises:
        CursorError: `word` did not come from `write`.
    """
    try:
        place = _decode(base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError) as e:
        raise CursorError("this is no cursor: take `next_cursor` of the page before") from e
    if place.version != 1 or abs(place.as_of_ns) >= 2**63:
        raise CursorError("this cursor is of another version: begin again without it")
    return place
