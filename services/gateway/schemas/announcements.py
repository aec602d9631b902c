"""Views on their way to stream clients, and how far they are counted. Pure."""

import msgspec
from msgspec import Struct


class Announcement(Struct, frozen=True, kw_only=True):
    """One view on its way to stream clients."""

    channel: str
    venue: str
    symbol: str
    slot: str = ""
    """What within channel, venue and symbol a newer one replaces; with an empty slot: all of it."""
    event_ns: int
    """When what it tells of happened."""
    at_ns: int
    """Our clock when it was folded."""
    data: msgspec.Raw


class Counted(Struct, frozen=True):
    """Views and how far their announcements are counted, all of one moment."""

    views: list[bytes]
    counts: dict[str, int]
    """By `count_of`."""
    epoch: str
    """Of the counts; empty: nothing was ever announced."""


def count_of(channel: str, venue: str, symbol: str) -> str:
    """Return the name under which announcements are counted."""
    return f"{channel}|{venue}|{symbol}"
