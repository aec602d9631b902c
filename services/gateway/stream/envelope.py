"""Views to the bytes that clients get: encoded once, but for the `prev_seq`, which is each client's own. Pure."""

from typing import Final

import msgspec
from msgspec import Struct

from services.gateway.schemas.announcements import Announcement
from services.gateway.store.feed import Said
from services.gateway.stream.channels import CHANNELS

_encode: Final = msgspec.json.Encoder().encode


class Message(Struct, frozen=True):
    """One view on its way; what has a newer one with the same key may be left out."""

    channel: str
    venue: str
    symbol: str
    slot: str
    seq: int
    before: bytes
    """Up to the value of `prev_seq`."""
    after: bytes
    snapshot: bool = False

    @property
    def market(self) -> tuple[str, str, str]:
        """What its `seq` counts."""
        return self.channel, self.venue, self.symbol

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a newer one with the same key replaces."""
        return self.channel, self.venue, self.symbol, self.slot


class Kept(Struct, frozen=True):
    """One message of a channel of which nothing is left out."""

    channel: str
    position: int
    venue: str
    symbol: str
    seq: int
    owner: str | None
    at_ns: int
    before: bytes
    after: bytes

    @property
    def whole(self) -> bytes:
        """Its bytes for everybody; of an item that has an owner each client's `prev_seq` is its own."""
        return whole(self.before, self.seq - 1, self.after)

    def seen_by(self, reader: str) -> bool:
        """Tell whether a user, or `*` for who sees everything, may see it."""
        return self.owner is None or reader == "*" or reader in self.owner.split(" ")


class Numbered(Struct, frozen=True):
    """An announcement and its count."""

    epoch: str
    seq: int
    channel: str
    venue: str
    symbol: str
    event_ns: int
    at_ns: int
    data: msgspec.Raw
    slot: str = ""


def numbered(announcement: Announcement, seq: int, epoch: str = "") -> Numbered:
    """Return an announcement of ours with its count."""
    return Numbered(epoch=epoch, seq=seq, **msgspec.structs.asdict(announcement))


def message(one: Numbered, *, snapshot: bool = False) -> Message:
    """Return the bytes of a view, made once for all clients."""
    before, after = _parts(
        "snapshot" if snapshot else "update",
        (one.channel, one.venue, one.symbol),
        one.seq,
        None,
        (one.event_ns, one.at_ns),
        one.data,
    )
    return Message(one.channel, one.venue, one.symbol, one.slot, one.seq, before, after, snapshot)


def kept(said: Said, cursor: str, *, snapshot: bool = False) -> Kept:
    """Return the bytes of an item of the feed; every replica makes the same."""
    before, after = _parts(
        "snapshot" if snapshot else "update",
        (said.channel, said.venue, said.symbol),
        said.seq,
        cursor,
        (_moment(said), said.at_ns),
        msgspec.Raw(said.body),
    )
    return Kept(said.channel, said.position, said.venue, said.symbol, said.seq, said.owner, said.at_ns, before, after)


def _parts(
    kind: str,
    market: tuple[str, str, str],
    seq: int,
    cursor: str | None,
    times: tuple[int, int],
    data: msgspec.Raw,
) -> tuple[bytes, bytes]:
    channel, venue, symbol = market
    event_ns, publish_ns = times
    head = _encode({"type": kind, "channel": channel, "venue": venue, "symbol": symbol, "seq": seq})
    rest = {
        "cursor": cursor,
        "ts_event_ns": event_ns,
        "ts_publish_ns": publish_ns,
        "schema": CHANNELS[channel].schema,
        "data": data,
    }
    return head[:-1] + b',"prev_seq":', b"," + _encode(rest)[1:]


def whole(before: bytes, previous: int | None, after: bytes) -> bytes:
    """Return a message with the `seq` that its client got before it; None: it got none."""
    return b"%b%b%b" % (before, b"null" if previous is None else b"%d" % previous, after)


class _Moments(Struct, frozen=True):
    known_at_ns: int | None = None
    decided_ns: int | None = None
    resolved_ns: int | None = None
    at_ns: int | None = None


_moments: Final = msgspec.json.Decoder(_Moments).decode


def _moment(said: Said) -> int:
    return int(getattr(_moments(said.body), CHANNELS[said.channel].moment))
