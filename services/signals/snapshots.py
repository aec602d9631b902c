"""State out, state in: an engine's bytes with the offsets they stand for, and the journal of what was folded since."""

import zlib
from typing import Final

import msgspec
from msgspec import Struct

from libs.common.events import HOUR_NS

_SCHEME: Final = 1
_HOURS_KEPT: Final = 8
"""Longer than the shortest topic of `market.*` is kept: older signals cannot be recomputed anyway."""


class SnapshotError(ValueError):
    """A snapshot or journal entry that cannot be read."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """The state of one partition between two batches."""

    partition: int
    offsets: dict[str, int]
    """Topic -> the offset of the next record to fold."""
    journal_offset: int
    """The next entry of the journal to replay."""
    engine: bytes
    taken_ns: int
    scheme: int = _SCHEME


class Folded(Struct, frozen=True, kw_only=True):
    """One batch of one partition, as it was folded: which ranges, merged by time of receipt.

    `order` spells out the merge: runs of (index into `topics`, count). It, not the merge rule, is what a replay
    follows, so that the rule may change without changing the past.
    """

    partition: int
    topics: list[str]
    starts: list[int]
    """First offset of each topic's range."""
    ends: list[int]
    """One after the last."""
    order: list[tuple[int, int]]


_snapshot_decoder: Final[msgspec.msgpack.Decoder[Snapshot]] = msgspec.msgpack.Decoder(Snapshot)
_folded_decoder: Final[msgspec.msgpack.Decoder[Folded]] = msgspec.msgpack.Decoder(Folded)
_encoder: Final = msgspec.msgpack.Encoder()


def snapshot_key(taken_ns: int) -> bytes:
    """Return the record key: of each of the last hours, compaction keeps the newest snapshot."""
    return f"hour-{taken_ns // HOUR_NS % _HOURS_KEPT}".encode()


def pack(snapshot: Snapshot) -> bytes:
    """Return the record value of a snapshot: MessagePack, deflated."""
    return zlib.compress(_encoder.encode(snapshot), level=1)


def unpack(data: bytes) -> Snapshot:
    """Read a record value back.

    Raises:
        SnapshotError: it is damaged, or of another scheme.
    """
    try:
        snapshot = _snapshot_decoder.decode(zlib.decompress(data))
    except (zlib.error, msgspec.DecodeError) as e:
        raise SnapshotError(f"damaged snapshot: {e}") from e
    if snapshot.scheme != _SCHEME:
        raise SnapshotError(f"snapshot of scheme {snapshot.scheme}, not {_SCHEME}")
    return snapshot


def pack_folded(folded: Folded) -> bytes:
    """Return the journal record of one folded batch."""
    return _encoder.encode(folded)


def unpack_folded(data: bytes) -> Folded:
    """Read a journal record back.

    Raises:
        SnapshotError: it is damaged.
    """
    try:
        return _folded_decoder.decode(data)
    except msgspec.DecodeError as e:
        raise SnapshotError(f"damaged journal entry: {e}") from e


def describe(partition: int, batch: list[tuple[str, int]]) -> Folded:
    """Return the journal entry of `batch`: (topic, offset) in folding order."""
    topics: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    order: list[tuple[int, int]] = []
    for topic, offset in batch:
        if topic not in topics:
            topics.append(topic)
            starts.append(offset)
            ends.append(offset)
        index = topics.index(topic)
        ends[index] = offset + 1
        if order and order[-1][0] == index:
            order[-1] = (index, order[-1][1] + 1)
        else:
            order.append((index, 1))
    return Folded(partition=partition, topics=topics, starts=starts, ends=ends, order=order)
