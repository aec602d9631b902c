"""Events to bytes and back: JSON, one tagged object a record or a line. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from libs.common.events import Event

_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)


class CodecError(ValueError):
    """Bytes that are no event; the message says where and why."""


def encode(event: Event) -> bytes:
    """Return the JSON of `event` without a line break; equal events give equal bytes."""
    return _encoder.encode(event)


def decode(data: bytes | str) -> Event:
    """Return the event in `data`; unknown fields are ignored, so that older readers follow newer writers.

    Raises:
        CodecError: `data` is no JSON, has an unknown `type`, or a field of a wrong type.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise CodecError(str(e)) from e


def decode_lines(lines: Iterable[bytes]) -> Iterator[Event]:
    """Yield the event of each non-empty line.

    Raises:
        CodecError: a line is no event; the message begins with its number, from 1.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield decode(line)
            except CodecError as e:
                raise CodecError(f"line {number}: {e}") from e
