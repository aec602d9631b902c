"""One file of a partition's log: batches appended, an index of them in memory, bytes read back."""

import mmap
import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Final

from deploy.local.broker.records import Buffer, Header, intact, scan

SUFFIX: Final = ".log"
_APPEND: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND


class Segment:
    """A file named by its first offset. Only the segment written to holds a descriptor, so that many cost nothing."""

    def __init__(self, folder: Path, base: int, *, suffix: str = SUFFIX) -> None:
        self.path = folder / f"{base:020d}{suffix}"
        self.base = base
        self.size = 0
        self.newest_ms = -1
        self.synced = False
        self._lasts = array("q")  # last offset, position and largest timestamp of each batch
        self._positions = array("q")
        self._stamps = array("q")
        self._fd: int | None = None

    @property
    def next_offset(self) -> int:
        """The offset behind the last batch; `base` when empty."""
        return self._lasts[-1] + 1 if self._lasts else self.base

    def load(self, visit: Callable[[Header, Buffer], None], *, check_last: bool) -> int:
        """Index an existing file and return how many bytes of a torn tail were cut.

        `visit` sees each header with the bytes of its batch. With `check_last` the last batch's checksum is
        verified too: a process that dies cannot tear more than what it wrote last.
        """
        on_disk = self.path.stat().st_size
        if on_disk:
            with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                before: tuple[int, Header] | None = None
                for at, head in scan(data):
                    if before is not None:
                        self._accept(data, *before, visit)
                    before = at, head
                if before is not None and not (check_last and not intact(data[before[0] : before[0] + before[1].size])):
                    self._accept(data, *before, visit)
        torn = on_disk - self.size
        if torn:
            os.truncate(self.path, self.size)
        self.synced = True
        return torn

    def append(self, head: Header, base: int, batch: Buffer) -> None:
        """Write `batch` under offset `base`.

        Raises:
            OSError: it could not be written whole; the file is as it was.
        """
        if self._fd is None:
            self._fd = os.open(self.path, _APPEND, 0o644)
            self.synced = False
        stamped = base.to_bytes(8, "big"), batch[8:12], b"\x00\x00\x00\x00", memoryview(batch)[16:]
        try:
            written = os.writev(self._fd, stamped)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        if written != len(batch):
            os.ftruncate(self._fd, self.size)
            raise OSError(f"{written} of {len(batch)} bytes written to {self.path}")
        self._index(head, base)

    def read(self, offset: int, max_bytes: int, limit: int) -> bytes:
        """Return whole batches from the one that holds `offset` or follows it, below offset `limit`.

        At least one batch is returned where there is one, even above `max_bytes`.
        """
        first = bisect_left(self._lasts, offset)
        stop = bisect_left(self._lasts, limit)
        if first >= stop:
            return b""
        start = self._positions[first]
        if self.size - start > max_bytes or stop < len(self._lasts):
            fitting = bisect_right(self._positions, start + max_bytes) - 1
            if self.size - start <= max_bytes:
                fitting = len(self._positions)
            stop = min(stop, max(fitting, first + 1))
        end = self.size if stop >= len(self._positions) else self._positions[stop]
        return self._pread(end - start, start)

    def batch_at_time(self, timestamp_ms: int) -> bytes | None:
        """Return the first batch whose largest timestamp is not before `timestamp_ms`."""
        for i, stamp in enumerate(self._stamps):
            if stamp >= timestamp_ms:
                start = self._positions[i]
                end = self._positions[i + 1] if i + 1 < len(self._positions) else self.size
                return self._pread(end - start, start)
        return None

    def seal(self) -> None:
        """Give the descriptor back; the segment is only read from now on."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def sync(self) -> None:
        """Ask the disk to have it."""
        if not self.synced and self.path.exists():
            fd = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            self.synced = self._fd is None

    def remove(self) -> None:
        """Delete the file."""
        self.seal()
        self.path.unlink(missing_ok=True)

    def rename(self, suffix: str) -> None:
        """Take the place of the file with `suffix`."""
        target = self.path.with_suffix(suffix)
        self.path.replace(target)
        self.path = target

    def _accept(self, data: mmap.mmap, at: int, head: Header, visit: Callable[[Header, Buffer], None]) -> None:
        self._index(head, head.base_offset)
        visit(head, data[at : at + head.size] if head.control else b"")

    def _index(self, head: Header, base: int) -> None:
        self._lasts.append(base + head.last_offset_delta)
        self._positions.append(self.size)
        self._stamps.append(head.max_timestamp)
        self.newest_ms = max(self.newest_ms, head.max_timestamp)
        self.size += head.size

    def _pread(self, size: int, at: int) -> bytes:
        if self._fd is not None:
            return os.pread(self._fd, size, at)
        fd = os.open(self.path, os.O_RDONLY)
        try:
            return os.pread(fd, size, at)
        finally:
            os.close(fd)
