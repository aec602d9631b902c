"""Numbered events in, the same events out of files that survive the process: one lane of a ring, oldest file first.

A file is a row of records: length and checksum (u32 each), number (u64), all little-endian, then the event's JSON.
What does not fit its checksum is damage: it and what follows it in its file are never taken for events.
"""

import os
import struct
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from libs.common.bus.codec import CodecError, decode, encode
from libs.common.events import MarketEvent
from services.ingest.streams import CLASS_OF

_HEAD: Final = struct.Struct("<IIQ")
_CHUNK: Final = 256 * 1024
SUFFIX: Final = ".ring"


class Record(Struct, frozen=True):
    """One event as it stands on disk."""

    number: int
    event: MarketEvent


class Span(Struct):
    """Events of one symbol and stream, and when they happened."""

    count: int
    first_ns: int
    last_ns: int

    def add(self, other: "Span") -> None:
        """Cover `other` too."""
        self.count += other.count
        self.first_ns = min(self.first_ns, other.first_ns)
        self.last_ns = max(self.last_ns, other.last_ns)


class Spans(dict[tuple[str, str], Span]):
    """Spans by symbol and stream."""

    def note(self, event: MarketEvent) -> None:
        """Count `event`."""
        self.extend({(event.symbol, CLASS_OF[type(event)]): Span(1, event.event_ns, event.event_ns)})

    def extend(self, others: dict[tuple[str, str], Span]) -> None:
        """Count all of `others`."""
        for key, other in others.items():
            if (span := self.get(key)) is None:
                self[key] = Span(other.count, other.first_ns, other.last_ns)
            else:
                span.add(other)


class Segment:
    """One file: what of it holds records, how far it was read, what is unread."""

    __slots__ = ("end", "first", "last", "path", "read_to", "unread")

    def __init__(self, path: Path, first: int) -> None:
        self.path = path
        self.first = first
        self.last = first - 1
        self.end = 0
        self.read_to = 0
        self.unread = Spans()


class Found(Struct):
    """What an earlier run left in a lane."""

    events: int = 0
    last: dict[tuple[str, str], MarketEvent] = {}
    """Newest event by symbol and stream."""
    cut_bytes: int = 0
    holes: list[tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]] = []
    """For each damage the last times known before it and the first after it, by symbol and stream."""


def framed(number: int, event: MarketEvent) -> bytes:
    """Return the record of `event`."""
    payload = encode(event)
    return _HEAD.pack(len(payload), _checksum(number, payload), number) + payload


def _checksum(number: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(number.to_bytes(8, "little")))


def _records(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield number, payload and end of each whole record up to the first damage."""
    at = 0
    while at + _HEAD.size <= len(data):
        length, checksum, number = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length
        payload = data[at + _HEAD.size : end]
        if end > len(data) or checksum != _checksum(number, payload):
            return
        yield number, payload, end
        at = end


def _event(payload: bytes) -> MarketEvent | None:
    try:
        event = decode(payload)
    except CodecError:  # whole, but of another version of this program
        return None
    return event if type(event) in CLASS_OF else None  # type: ignore[return-value]  # CLASS_OF holds market events only


class Lane:
    """The files of one worth. Not for two threads at once; every method may raise OSError."""

    def __init__(self, folder: Path, name: str, segment_bytes: int) -> None:
        self.segments: deque[Segment] = deque()
        self.unreadable = 0
        """Records that were whole but no event."""
        self.damaged: list[Spans] = []
        """What was lost to damage that was found while reading."""
        self._folder = folder
        self._name = name
        self._segment_bytes = segment_bytes
        self._ahead: deque[Record] = deque()
        self._file: int | None = None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.end for segment in self.segments)

    def find(self, acknowledged: int) -> Found:
        """Read what an earlier run left, cut what is damaged; records up to `acknowledged` count as read."""
        found = Found()
        times: dict[tuple[str, str], int] = {}
        for path in sorted(self._folder.glob(f"{self._name}-*{SUFFIX}")):
            self._find(path, acknowledged, found, times)
        return found

    def _find(self, path: Path, acknowledged: int, found: Found, times: dict[tuple[str, str], int]) -> None:
        data = path.read_bytes()
        segment = Segment(path, 0)
        for number, payload, end in _records(data):
            if number <= segment.last:
                break
            segment.first = segment.first or number
            segment.last, segment.end = number, end
            event = _event(payload)
            if event is None:
                self.unreadable += 1
                continue
            key = (event.symbol, CLASS_OF[type(event)])
            for _, after in found.holes:
                after.setdefault(key, event.event_ns)
            times[key] = event.event_ns
            if number > acknowledged:
                segment.unread.note(event)
                found.events += 1
                found.last[key] = event
            else:
                segment.read_to = end
        if segment.end < len(data):
            found.cut_bytes += len(data) - segment.end
            found.holes.append((dict(times), {}))
            os.truncate(path, segment.end)
        if segment.last > acknowledged:
            self.segments.append(segment)
        else:
            path.unlink()

    def write(self, first: int, data: bytes, *, sync: bool) -> None:
        """Append `data`, whose first record is `first`; if that fails nothing of it stays.

        Only `committed` makes it part of the lane; `undo` takes it back.
        """
        if self.segments and self.segments[-1].end >= self._segment_bytes:
            self._close()
        if self._file is None:
            path = self._folder / f"{self._name}-{first:020d}{SUFFIX}"
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self.segments.append(Segment(path, first))
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        if sync:
            os.fsync(self._file)

    def committed(self, last: int, size: int, events: Iterable[MarketEvent]) -> None:
        """Take what was written for good."""
        segment = self.segments[-1]
        segment.last, segment.end = last, segment.end + size
        for event in events:
            segment.unread.note(event)

    def undo(self) -> None:
        """Take back what was written since the last commit; a file that cannot be cut is left and never appended to."""
        if self._file is None:
            return
        segment = self.segments[-1]
        try:
            os.ftruncate(self._file, segment.end)
            os.lseek(self._file, segment.end, os.SEEK_SET)
        except OSError:
            self._abandon()
        if not segment.end:
            self._abandon()
            self.segments.pop()
            segment.path.unlink(missing_ok=True)

    def peek(self) -> Record | None:
        """Return the oldest unread record."""
        while not self._ahead:
            segment = next((one for one in self.segments if one.read_to < one.end), None)
            if segment is None:
                return None
            self._read(segment)
        return self._ahead[0]

    def pop(self) -> Record:
        """Take the oldest unread record."""
        record = self._ahead.popleft()
        key = (record.event.symbol, CLASS_OF[type(record.event)])
        segment = next(one for one in self.segments if one.first <= record.number <= one.last)
        span = segment.unread[key]
        span.count -= 1
        if not span.count:
            del segment.unread[key]
        return record

    def _read(self, segment: Segment) -> None:
        descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for most in (_CHUNK, segment.end):
                data = os.pread(descriptor, min(most, segment.end - segment.read_to), segment.read_to)
                done = 0
                for number, payload, end in _records(data):
                    done = end
                    event = _event(payload)
                    if event is not None:
                        self._ahead.append(Record(number, event))
                if done:
                    segment.read_to += done
                    return
        finally:
            os.close(descriptor)
        segment.read_to = segment.end
        self.damaged.append(segment.unread)
        segment.unread = Spans()

    def forget(self, number: int) -> None:
        """Delete files whose records all were read and are not above `number`."""
        while self.segments and self.segments[0].last <= number and self.segments[0].read_to == self.segments[0].end:
            self._unlink(self.segments[0])

    def drop(self, above: int) -> Spans | None:
        """Delete the oldest file that nobody has begun to read and that begins above `above`; return what it held."""
        for segment in self.segments:
            if segment.first > above and not segment.read_to and segment.end:
                self._unlink(segment)
                return segment.unread
        return None

    def _unlink(self, segment: Segment) -> None:
        segment.path.unlink(missing_ok=True)
        if segment is self.segments[-1]:
            self._abandon()
        self.segments.remove(segment)

    def close(self) -> None:
        """Sync and close the file that is being written."""
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            try:
                os.fsync(self._file)
            finally:
                self._abandon()

    def _abandon(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)
