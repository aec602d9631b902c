"""One partition: batches in, offsets and batches out; survives its process, forgets what its topic allows."""

import shutil
import time
from asyncio import Future
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Final

from deploy.local.broker.codes import Code
from deploy.local.broker.compaction import CLEANED, Cleaned, Plan, run
from deploy.local.broker.configs import TopicConfig
from deploy.local.broker.files import write_whole
from deploy.local.broker.producers import Producers
from deploy.local.broker.records import Buffer, Header, UndecodableError, header, marker, records
from deploy.local.broker.segment import SUFFIX, Segment

_START: Final = "start"
Clock = Callable[[], float]


class Log:
    """The segments of one partition and what must be known about them without reading them."""

    def __init__(self, folder: Path, config: TopicConfig, clock: Clock = time.time) -> None:
        """Open or create `folder`; `clock` tells seconds since 1970, for retention."""
        self.folder = folder
        self.config = config
        self.producers = Producers()
        self.waiters: set[Future[bool]] = set()
        """Resolved at the next append, and when the log goes away."""
        self.torn_bytes = 0
        self.closed = False
        self._clock = clock
        self._cleaned_to = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._segments = self._recover()
        self._bases = [segment.base for segment in self._segments]
        self.end = self._segments[-1].next_offset
        marked = folder / _START
        self.start = max(int(marked.read_text()) if marked.exists() else 0, self._bases[0])

    @property
    def stable_end(self) -> int:
        """The offset below which every transaction has ended (last stable offset)."""
        ongoing = self.producers.ongoing
        return min(ongoing.values()) if ongoing else self.end

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self._segments)

    def append(self, batch: bytes) -> tuple[Code, int]:
        """Append one record batch of a client; return its base offset, that of the first time for a duplicate."""
        head = header(batch)
        if head is None or head.size != len(batch) or head.record_count != head.last_offset_delta + 1:
            return Code.CORRUPT_MESSAGE, -1
        if head.control:
            return Code.INVALID_RECORD, -1
        if len(batch) > self.config.max_message_bytes:
            return Code.MESSAGE_TOO_LARGE, -1
        if head.producer_id >= 0:
            code, known = self.producers.check(head)
            if code or known is not None:
                return code, -1 if known is None else known
        return self._write(head, batch)

    def end_transaction(self, producer_id: int, epoch: int, *, commit: bool) -> None:
        """Write the marker that ends the open transaction of `producer_id`, if it wrote anything here."""
        if producer_id in self.producers.ongoing:
            batch = marker(producer_id, epoch, commit=commit, now_ms=int(self._clock() * 1000))
            head = header(batch)
            assert head is not None
            self._write(head, batch)

    def read(self, offset: int, max_bytes: int, limit: int) -> bytes:
        """Return whole batches from `offset` on, at least one where there is one below offset `limit`."""
        first = max(bisect_right(self._bases, offset) - 1, 0)
        for segment in self._segments[first:]:  # compaction may have emptied the rest of a segment
            if segment.base >= limit:
                break
            found = segment.read(offset, max_bytes, limit)
            if found:
                return found
        return b""

    def offset_at(self, timestamp_ms: int) -> tuple[int, int]:
        """Return offset and timestamp of the first record not older than `timestamp_ms`; (-1, -1) if there is none."""
        for segment in self._segments:
            batch = segment.batch_at_time(timestamp_ms) if segment.newest_ms >= timestamp_ms else None
            if batch is None:
                continue
            try:
                for record in records(batch):
                    if record.timestamp >= timestamp_ms and record.offset >= self.start:
                        return record.offset, record.timestamp
            except UndecodableError:  # compressed: the batch is as exact as it gets
                head = header(batch)
                assert head is not None
                return head.base_offset, head.max_timestamp
        return -1, -1

    def retain(self) -> None:
        """Delete the oldest segments that the topic's time and size do not cover any more."""
        config = self.config
        if not config.delete:
            return
        oldest_ms = self._clock() * 1000 - config.retention_ms if config.retention_ms >= 0 else None
        active = self._segments[-1]
        if oldest_ms is not None and active.size and _newest_ms(active) < oldest_ms:
            self._roll()
        total = self.size
        while len(self._segments) > 1:
            first = self._segments[0]
            too_large = 0 <= config.retention_bytes <= total - first.size
            too_old = oldest_ms is not None and _newest_ms(first) < oldest_ms
            if not (too_large or too_old) or first.next_offset > self.stable_end:
                break
            total -= first.size
            self._drop_first()

    def delete_before(self, offset: int) -> None:
        """Move the start to `offset`, for good, and delete what lies wholly before it."""
        self.start = max(self.start, min(offset, self.end))
        write_whole(self.folder / _START, str(self.start))
        while len(self._segments) > 1 and self._bases[1] <= self.start:
            self._drop_first()

    def plan_compaction(self) -> Plan | None:
        """Return what compaction would work on, None if too little changed since the last time."""
        if not self.config.compact or self.closed:
            return None
        sources = [segment for segment in self._segments[:-1] if segment.next_offset <= self.stable_end]
        total = sum(segment.size for segment in sources)
        dirty = sum(segment.size for segment in sources if segment.base >= self._cleaned_to)
        if not dirty or dirty < total * self.config.min_cleanable_dirty_ratio:
            return None
        return Plan(
            folder=self.folder,
            bases=tuple(segment.base for segment in sources),
            end=sources[-1].next_offset,
            keep=frozenset(self.producers.last_batches()),
            segment_bytes=self.config.segment_bytes,
            tombstones_before_ms=int(self._clock() * 1000) - self.config.delete_retention_ms,
        )

    def adopt(self, plan: Plan, cleaned: list[Cleaned]) -> bool:
        """Put compacted segments in the place of their sources; False, and nothing done, if those are gone."""
        if self.closed or self._bases[: len(plan.bases)] != list(plan.bases):
            for piece in cleaned:
                piece.segment.remove()
            return False
        by_base = {segment.base: segment for segment in self._segments}
        for piece in cleaned:
            piece.segment.rename(SUFFIX)  # replaces the first source; a crash from here leaves only overlaps
            for base in piece.sources[1:]:
                by_base[base].remove()
        self._segments[: len(plan.bases)] = [piece.segment for piece in cleaned]
        self._bases = [segment.base for segment in self._segments]
        self._cleaned_to = plan.end
        return True

    def compact(self) -> bool:
        """Compact now, in this thread, if there is enough to do; return whether anything was done."""
        plan = self.plan_compaction()
        return plan is not None and self.adopt(plan, run(plan))

    def close(self) -> None:
        """Sync and close every file and wake who waits."""
        self.closed = True
        for segment in self._segments:
            segment.sync()
            segment.seal()
        self._wake()

    def remove(self) -> None:
        """Close and delete the partition."""
        self.closed = True
        for segment in self._segments:
            segment.seal()
        shutil.rmtree(self.folder, ignore_errors=True)  # compaction may be writing there; its rest goes with the name
        self._wake()

    def _write(self, head: Header, batch: bytes) -> tuple[Code, int]:
        active, base = self._segments[-1], self.end
        if active.size and active.size + len(batch) > self.config.segment_bytes:
            active = self._roll()
            self.retain()
        try:
            active.append(head, base, batch)
        except OSError:
            return Code.KAFKA_STORAGE_ERROR, -1
        self.end = base + head.last_offset_delta + 1
        if head.producer_id >= 0:
            self.producers.track(head, base, batch)
        if self.waiters:
            self._wake()
        return Code.NONE, base

    def _roll(self) -> Segment:
        self._segments[-1].seal()
        fresh = Segment(self.folder, self.end)
        fresh.path.touch()  # its name keeps the end of the log when all before it is deleted
        self._segments.append(fresh)
        self._bases.append(fresh.base)
        return fresh

    def _drop_first(self) -> None:
        self._segments.pop(0).remove()
        self._bases.pop(0)
        self.start = max(self.start, self._bases[0])
        self.producers.forget_before(self.start)

    def _wake(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(True)
        self.waiters.clear()

    def _recover(self) -> list[Segment]:
        for leftover in self.folder.glob(f"*{CLEANED}"):
            leftover.unlink()
        bases = sorted(int(path.stem) for path in self.folder.glob(f"*{SUFFIX}"))
        found: list[Segment] = []
        for base in bases:
            segment = Segment(self.folder, base)
            if found and base < found[-1].next_offset:  # merged into the one before, just not deleted yet
                segment.remove()
                continue
            self.torn_bytes += segment.load(self._recall, check_last=base == bases[-1])
            found.append(segment)
        return found or [Segment(self.folder, 0)]

    def _recall(self, head: Header, batch: Buffer) -> None:
        if head.producer_id >= 0:
            self.producers.track(head, head.base_offset, batch)


def _newest_ms(segment: Segment) -> float:
    """Time of the newest record; of the file, where records carry no time."""
    return segment.newest_ms if segment.newest_ms >= 0 else segment.path.stat().st_mtime * 1000
