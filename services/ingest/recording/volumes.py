"""Entries in, compressed files of bounded size and their index out. It blocks: one thread calls it."""

import os
from collections import Counter
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import zstandard
from msgspec import Struct, field

from services.ingest.recording.entries import FORMAT, Entry, Header, Kind, head, pack

_LEVEL: Final = 3
CONNECTIONS: Final = 1_000
"""The newest that the index tells of; those before are counted, and in the files."""
_ENDINGS: Final = (".jsonl.zst", ".ndjson.zst", ".zst")


class Volume(Struct, kw_only=True):
    """One file, as the index tells it."""

    name: str
    entries: int = 0
    bytes: int = 0
    """Compressed."""
    first_ns: int | None = None
    last_ns: int | None = None


class Connection(Struct, kw_only=True):
    """One socket, as the index tells it; times by the wall clock."""

    number: int = field(name="conn")
    url: str = ""
    opened_ns: int | None = None
    ended_ns: int | None = None
    cause: str = ""
    sent: int = 0
    received: int = 0


class Index(Struct, kw_only=True):
    """What lies in the files of one recording; counts as of the last flush."""

    format: int = field(name="csx_index", default=FORMAT)
    software: str
    venue: str
    symbols: tuple[str, ...]
    options: dict[str, object]
    """What the recorder was told."""
    ended_by: str | None = None
    """`time`, `signal`, or the fault; absent while it goes on, and for ever where the recorder was killed."""
    first_ns: int | None = None
    last_ns: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """Entries by kind."""
    waited: int = 0
    """Frames after which the reading of the sockets waited for the disk."""
    waited_s: float = 0.0
    files: list[Volume] = field(default_factory=list)
    connections_before: int = 0
    """Connections before those below."""
    connections: list[Connection] = field(default_factory=list)


def index_path(out: Path) -> Path:
    """Return where the index of the recording `out` lies."""
    return out.with_name(f"{out.name}.index.json")


def part_path(out: Path, part: int) -> Path:
    """Return the file of a part: `btc.zst`, then `btc.0002.zst`, and so on."""
    if part == 1:
        return out
    ending = next((one for one in _ENDINGS if out.name.endswith(one)), "")
    return out.with_name(f"{out.name.removesuffix(ending)}.{part:04d}{ending}")


class Volumes:
    """The files of one recording; each of them is one zstandard frame and can be read alone."""

    def __init__(self, out: Path, index: Index, *, rotate_bytes: int, wall_ns: int, mono_ns: int) -> None:
        """Open the first file; the two clocks are those of the beginning.

        Raises:
            OSError: it cannot be made, or there is one already.
        """
        self.index = index
        self._out = out
        self._rotate_bytes = rotate_bytes
        self._counts: Counter[str] = Counter()
        self._connections: dict[int, Connection] = {}
        self._file: BinaryIO
        self._packer: zstandard.ZstdCompressionObj
        self._open(wall_ns, mono_ns)

    def write(self, entries: list[Entry], *, flush: bool) -> None:
        """Append; after a flush a reader finds everything, whatever becomes of this process.

        Raises:
            OSError: the disk does not take it.
        """
        for entry in entries:
            self._put(self._packer.compress(pack(entry)))
            self._count(entry)
            if self.index.files[-1].bytes >= self._rotate_bytes:
                self._finish()
                self._open(entry.wall_ns, entry.mono_ns)
        if flush:
            self._put(self._packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
            self._write_index()

    def close(self, ended_by: str) -> None:
        """End the file and the index.

        Raises:
            OSError: the disk does not take the rest.
        """
        self._finish()
        self.index.ended_by = ended_by
        self._write_index()

    def abandon(self, ended_by: str) -> None:
        """Leave everything as the disk has it; raises OSError where it does not take the index either."""
        self._file.close()
        self.index.ended_by = ended_by
        self._write_index()

    def _open(self, wall_ns: int, mono_ns: int) -> None:
        part = len(self.index.files) + 1
        path = part_path(self._out, part)
        self._file = path.open("xb", buffering=0)
        self._packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        self.index.files.append(Volume(name=path.name))
        first = Header(
            format=FORMAT,
            software=self.index.software,
            venue=self.index.venue,
            symbols=self.index.symbols,
            part=part,
            wall_ns=wall_ns,
            mono_ns=mono_ns,
        )
        self._put(self._packer.compress(head(first)))
        self._put(self._packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
        self._write_index()

    def _finish(self) -> None:
        self._put(self._packer.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH))
        os.fsync(self._file.fileno())
        self._file.close()

    def _put(self, packed: bytes) -> None:
        left = memoryview(packed)
        while left:  # a file without a buffer may take less than it is given
            taken = self._file.write(left)
            self.index.files[-1].bytes += taken
            left = left[taken:]

    def _count(self, entry: Entry) -> None:
        index, volume, wall_ns = self.index, self.index.files[-1], entry.wall_ns
        self._counts[entry.kind.value] += 1
        volume.entries += 1
        for one in (index, volume):
            one.first_ns = wall_ns if one.first_ns is None else min(one.first_ns, wall_ns)
            one.last_ns = wall_ns if one.last_ns is None else max(one.last_ns, wall_ns)
        if not entry.connection:
            return
        connection = self._connections.setdefault(entry.connection, Connection(number=entry.connection))
        if len(self._connections) > CONNECTIONS:
            del self._connections[next(iter(self._connections))]
            index.connections_before += 1
        match entry.kind:
            case Kind.CONNECT:
                connection.url, connection.opened_ns = entry.url, wall_ns
            case Kind.DISCONNECT:
                connection.ended_ns, connection.cause = wall_ns, entry.cause
            case Kind.SEND:
                connection.sent += 1
            case Kind.RECEIVE:
                connection.received += 1

    def _write_index(self) -> None:
        """Replace the index whole, so that nobody ever reads half of one."""
        index = self.index
        index.counts = {kind.value: self._counts[kind.value] for kind in Kind}
        index.connections = list(self._connections.values())
        path = index_path(self._out)
        fresh = path.with_name(f"{path.name}.part")
        fresh.write_bytes(msgspec.json.encode(index) + b"\n")
        fresh.replace(path)
