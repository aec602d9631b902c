"""Where a client is in kept channels, as a signed word: it resumes from there, at any replica. Pure."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from services.gateway.problems import field_problem
from services.gateway.store.cursor import CursorError, Cursors
from services.gateway.stream.channels import KEPT

_KIND: Final = "stream"


class Spot(Struct, frozen=True):
    """A message of a kept channel."""

    position: int
    """0: before the first."""
    at_ns: int
    """When it was said: a position of another database is known by that. 0: not known."""


def write(cursors: Cursors, spots: Mapping[str, Spot]) -> str:
    """Return the word for a spot in each of some channels."""
    return cursors.write(
        _KIND, " ".join(f"{name} {spot.position} {spot.at_ns}" for name, spot in sorted(spots.items()))
    )


def read(cursors: Cursors, word: str) -> dict[str, Spot]:
    """Return the spots of `word` by channel.

    Raises:
        Problem: it is no cursor of the stream.
    """
    try:
        (text,) = cursors.read(word, _KIND, str).at
    except CursorError as e:
        raise field_problem("invalid_parameter", "from", str(e)) from e
    parts = iter(str(text).split(" "))
    spots: dict[str, Spot] = {}
    for channel, position, at_ns in zip(parts, parts, parts, strict=False):
        if channel in KEPT and position.isdecimal() and at_ns.isdecimal():
            spots[channel] = Spot(int(position), int(at_ns))
    if not spots:
        raise field_problem("invalid_parameter", "from", "this is no cursor of the stream: begin without it")
    return spots


def read_one(cursors: Cursors, word: str, channel: str) -> Spot:
    """Return the spot of `word` in `channel`.

    Raises:
        Problem: it is no cursor of that channel.
    """
    spot = read(cursors, word).get(channel)
    if spot is None:
        raise field_problem("invalid_parameter", "from", f"this cursor is not of the channel {channel}")
    return spot
