"""An uploaded file in; whether Telegram takes it as a photo or a document, and its size in pixels, out."""

import struct
import zlib
from typing import Final

from deploy.local.sandbox.telegram_call import ApiError, Call, Upload

MOST_PHOTO_BYTES: Final = 10 * 1024 * 1024
MOST_DOCUMENT_BYTES: Final = 50 * 1024 * 1024
MOST_SIDES: Final = 10_000
"""Width and height of a photo together."""
MOST_RATIO: Final = 20
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_CHUNK: Final = 12
"""Bytes of a chunk beside its content: length, type, checksum."""


def read_upload(call: Call, field: str) -> Upload:
    """Return the file of `field`, sent under its name or as `attach://name`.

    Raises:
        ApiError: there is none, or it is empty.
    """
    given = call.text(field)
    found = call.files.get(given.removeprefix("attach://") if given.startswith("attach://") else field)
    if found is None:
        raise ApiError(400, f"Bad Request: there is no {field} in the request")
    if not found.content:
        raise ApiError(400, "Bad Request: file must be non-empty")
    if len(found.content) > (MOST_PHOTO_BYTES if field == "photo" else MOST_DOCUMENT_BYTES):
        raise ApiError(413, "Request Entity Too Large")
    return found


def photo_size(content: bytes) -> tuple[int, int]:
    """Return width and height of a whole PNG; the fake takes no other photo.

    Raises:
        ApiError: no PNG, a broken one, or one too long, too wide or too narrow.
    """
    try:
        width, height = _png_size(content)
    except (ValueError, struct.error, zlib.error) as e:
        raise ApiError(400, "Bad Request: IMAGE_PROCESS_FAILED") from e
    sides = sorted((width, height))
    if sum(sides) > MOST_SIDES or sides[0] == 0 or sides[1] > MOST_RATIO * sides[0]:
        raise ApiError(400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
    return width, height


def _png_size(content: bytes) -> tuple[int, int]:
    if not content.startswith(_PNG):
        raise ValueError("no PNG")
    at, names, size, pixels = len(_PNG), list[bytes](), (0, 0), bytearray()
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        inside = content[at + 8 : at + 8 + length]
        if zlib.crc32(name + inside) != struct.unpack_from(">I", content, at + 8 + length)[0]:
            raise ValueError("a broken chunk")
        if name == b"IHDR":
            size = struct.unpack_from(">II", inside)
        elif name == b"IDAT":
            pixels += inside
        names.append(name)
        at += length + _CHUNK
    zlib.decompress(bytes(pixels))
    if names[:1] != [b"IHDR"] or names[-1:] != [b"IEND"]:
        raise ValueError("no whole PNG")
    return size
