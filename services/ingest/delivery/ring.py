"""Events that the broker does not take in, the same events in the same order out: on disk, bounded, after a kill too.

Each worth has a lane of its own, so that room is made by deleting files of what is worth less. Numbers run over all
lanes, so that they are read back in the order in which they came.
"""

import fcntl
import os
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

from msgspec import Struct

from libs.common.events import MarketEvent, Trade
from libs.common.runtime.clock import monotonic_s
from services.ingest.delivery.segments import Found, Lane, Record, Spans, framed
from services.ingest.streams import CLASS_OF

LANES: Final = ("states", "liquidations", "trades", "gaps")
"""Worth least first: room for a lane's events is made in the lanes before it."""

_LANE_OF: Final = {"liquidations": 1, "trades": 2, "gaps": 3}
_SYNC_EVERY_S: Final = 1.0
_MARK: Final = struct.Struct("<QI")
_SHARE: Final = 32
"""A file is that part of the ring; as much again is kept free for gaps."""


class Appended(Struct):
    """What became of events that were offered to the ring."""

    stored: int = 0
    last: int = 0
    """Number of the last one stored."""
    refused: list[MarketEvent] = []


class Ring:
    """A directory of files, at most `limit_bytes`; claimed by one process. Safe to call from threads, one at a time.

    A trade that was refused has those of its symbol refused that follow it, until `reopen`: what is kept of a symbol
    is a tape without a hole.
    """

    def __init__(self, folder: Path, limit_bytes: int, *, clock: Callable[[], float] = monotonic_s) -> None:
        self.shut: set[str] = set()
        """Symbols whose trades are refused."""
        self.dropped = Spans()
        """What was deleted to make room, until somebody takes it."""
        self.pinned = 0
        """Number up to which records may be on their way to the broker: these are not deleted for others."""
        self._folder = folder
        self._limit = limit_bytes
        self._clock = clock
        self._lanes = [Lane(folder, name, max(1024, limit_bytes // _SHARE)) for name in LANES]
        self._number = 0
        self._used = 0  # bytes on disk, while an append looks for room
        self._synced_at = float("-inf")
        self._lock = threading.Lock()
        self._claim: int | None = None
        self._mark: int | None = None

    def open(self) -> list[Found]:
        """Claim the directory; return what is left in each lane.

        Raises:
            OSError: it cannot be written, or another process has it.
        """
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._claim = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._mark = os.open(self._folder / "acknowledged", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            acknowledged = self._read_mark()
            self._write_mark(acknowledged)
            found = [lane.find(acknowledged) for lane in self._lanes]
            newest = [lane.segments[-1].last for lane in self._lanes if lane.segments]
            self._number = max([acknowledged, *newest])
            return found

    def close(self) -> None:
        """Sync and give the directory back; waits for a call under way."""
        with self._lock:
            try:
                for lane in self._lanes:
                    lane.close()
            finally:
                self.abandon()

    def abandon(self) -> None:
        """Give the directory back as it is."""
        for descriptor in (self._mark, self._claim):
            if descriptor is not None:
                os.close(descriptor)
        self._mark = self._claim = None

    def __enter__(self) -> Self:
        """Open it."""
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def last(self) -> int:
        """Number of the newest record that was ever stored."""
        return self._number

    @property
    def size(self) -> int:
        """Bytes of records on disk."""
        return sum(lane.size for lane in self._lanes)

    @property
    def unread(self) -> Counter[str]:
        """Records on disk that nobody has read, by stream."""
        count: Counter[str] = Counter()
        for lane in self._lanes:
            for segment in lane.segments:
                for (_, stream), span in segment.unread.items():
                    count[stream] += span.count
        return count

    @property
    def unreadable(self) -> int:
        """Records of another version of this program, left out."""
        return sum(lane.unreadable for lane in self._lanes)

    def take_dropped(self) -> Spans:
        """Return what was deleted to make room since the last call."""
        dropped, self.dropped = self.dropped, Spans()
        return dropped

    def reopen(self, symbol: str) -> None:
        """Take trades of `symbol` again."""
        self.shut.discard(symbol)

    def append(self, events: Sequence[MarketEvent]) -> Appended:
        """Store `events` in order, making room where they are worth more than what is there; all or none of them.

        Raises:
            OSError: the disk takes nothing; the ring is as it was, but for what was deleted to make room.
        """
        with self._lock:
            appended = Appended()
            self._used = self.size
            plans: list[list[tuple[int, MarketEvent, bytes]]] = [[] for _ in LANES]
            number, planned, shut = self._number, 0, set(self.shut)
            for event in events:
                worth = _LANE_OF.get(CLASS_OF[type(event)], 0)
                data = framed(number + 1, event)
                if (isinstance(event, Trade) and event.symbol in shut) or not self._room(worth, planned + len(data)):
                    appended.refused.append(event)
                    if isinstance(event, Trade):
                        shut.add(event.symbol)
                    continue
                number += 1
                planned += len(data)
                plans[worth].append((number, event, data))
            self._write(plans)
            self.shut |= {event.symbol for event in appended.refused if isinstance(event, Trade)}
            appended.stored, appended.last = number - self._number, number
            self._number = number
            return appended

    def _room(self, worth: int, wanted: int) -> bool:
        limit = self._limit if worth == len(LANES) - 1 else self._limit - self._limit // _SHARE
        while self._used + wanted > limit:
            for lane in self._lanes[: min(worth, 2)]:
                if (spans := lane.drop(self.pinned)) is not None:
                    self.dropped.extend(spans)
                    self._used = self.size
                    break
            else:
                return False
        return True

    def _write(self, plans: list[list[tuple[int, MarketEvent, bytes]]]) -> None:
        now = self._clock()
        sync = now - self._synced_at >= _SYNC_EVERY_S
        begun: list[Lane] = []
        try:
            for lane, plan in zip(self._lanes, plans, strict=True):
                if plan:
                    begun.append(lane)
                    lane.write(plan[0][0], b"".join(data for _, _, data in plan), sync=sync)
        except OSError:
            for lane in begun:
                lane.undo()
            raise
        for lane, plan in zip(self._lanes, plans, strict=True):
            if plan:
                lane.committed(plan[-1][0], sum(len(data) for _, _, data in plan), (event for _, event, _ in plan))
        if sync:
            self._synced_at = now

    def read(self, most: int) -> tuple[list[Record], list[Spans]]:
        """Return the next `most` records, fewer only where there are no more, and what damage has taken from them."""
        with self._lock:
            records: list[Record] = []
            while len(records) < most:
                heads = [(head.number, lane) for lane in self._lanes if (head := lane.peek()) is not None]
                if not heads:
                    break
                records.append(min(heads, key=lambda head: head[0])[1].pop())
            if records:
                self.pinned = records[-1].number
            lost = [spans for lane in self._lanes for spans in lane.damaged]
            for lane in self._lanes:
                lane.damaged.clear()
            return records, lost

    def acknowledge(self, number: int) -> None:
        """Note that the broker has everything up to `number`: it is never read again, by no later process either.

        Raises:
            OSError: the note was not written; a later process reads these again.
        """
        with self._lock:
            for lane in self._lanes:
                while (head := lane.peek()) is not None and head.number <= number:
                    lane.pop()
            try:
                self._write_mark(number)
            finally:
                for lane in self._lanes:
                    lane.forget(number)

    def _read_mark(self) -> int:
        assert self._mark is not None
        data = os.pread(self._mark, _MARK.size, 0)
        if len(data) < _MARK.size:
            return 0
        number, checksum = _MARK.unpack(data)
        return number if checksum == zlib.crc32(data[:8]) else 0

    def _write_mark(self, number: int) -> None:
        assert self._mark is not None
        data = number.to_bytes(8, "little")
        os.pwrite(self._mark, data + zlib.crc32(data).to_bytes(4, "little"), 0)
