"""Compaction: closed segments in, fewer and smaller ones out that keep each key's newest record, and all offsets.

Transactional batches, markers, batches whose codec is not read here and records without a key are kept as they are.
Only files and a plan are touched, so that it may run in a thread beside the log.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.broker.records import Buffer, Header, Record, UndecodableError, header, rebuild, records, scan
from deploy.local.broker.segment import SUFFIX, Segment

CLEANED: Final = ".cleaned"


@dataclass(frozen=True, slots=True)
class Plan:
    """Which segments to compact, and how."""

    folder: Path
    bases: tuple[int, ...]
    end: int
    keep: frozenset[int]
    """Base offsets of batches that must stay whole: the newest of each idempotent producer."""
    segment_bytes: int
    tombstones_before_ms: int
    """Tombstones older than this have been seen by everybody and go."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One new segment, under a temporary name, and the bases of those it replaces."""

    segment: Segment
    sources: tuple[int, ...]


def run(plan: Plan) -> list[Cleaned]:
    """Write the compacted segments of `plan` beside their sources."""
    newest: dict[bytes, int] = {}
    for base in plan.bases:
        for _, batch in _batches(plan.folder, base):
            for record in _competing(batch) or ():
                if record.key is not None:
                    newest[record.key] = max(record.offset, newest.get(record.key, -1))
    cleaned: list[Cleaned] = []
    for base in plan.bases:
        if cleaned and cleaned[-1].segment.size + _size(plan.folder, base) <= plan.segment_bytes:
            target = Cleaned(cleaned[-1].segment, (*cleaned.pop().sources, base))
        else:
            target = Cleaned(_fresh(plan.folder, base), (base,))
        cleaned.append(target)
        for head, batch in _batches(plan.folder, base):
            _copy(head, batch, target.segment, newest, plan)
    for piece in cleaned:
        piece.segment.seal()
        piece.segment.sync()
    return cleaned


def _copy(head: Header, batch: bytes, target: Segment, newest: dict[bytes, int], plan: Plan) -> None:
    found = None if head.base_offset in plan.keep else _competing(batch)
    if found is None:
        target.append(head, head.base_offset, batch)
        return
    kept = [record for record in found if _stays(record, newest, plan)]
    if len(kept) == len(found):
        target.append(head, head.base_offset, batch)
    elif kept:
        smaller = rebuild(head, kept)
        changed = header(smaller)
        assert changed is not None
        target.append(changed, head.base_offset, smaller)


def _stays(record: Record, newest: dict[bytes, int], plan: Plan) -> bool:
    if record.key is None:
        return True
    if newest[record.key] != record.offset:
        return False
    return not (record.tombstone and record.timestamp < plan.tombstones_before_ms)


def _competing(batch: bytes) -> list[Record] | None:
    head = header(batch)
    assert head is not None
    if head.transactional or head.control:
        return None
    try:
        return records(batch)
    except UndecodableError:
        return None


def _batches(folder: Path, base: int) -> Iterator[tuple[Header, bytes]]:
    data: Buffer = _path(folder, base).read_bytes()
    for at, head in scan(data):
        yield head, bytes(data[at : at + head.size])


def _fresh(folder: Path, base: int) -> Segment:
    segment = Segment(folder, base, suffix=CLEANED)
    segment.path.unlink(missing_ok=True)
    segment.path.touch()
    return segment


def _size(folder: Path, base: int) -> int:
    return _path(folder, base).stat().st_size


def _path(folder: Path, base: int) -> Path:
    return folder / f"{base:020d}{SUFFIX}"
