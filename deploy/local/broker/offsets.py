"""Committed offsets of consumer groups: commits in, an append-only file on disk, the newest of each out."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TextIO, TypeAlias

from deploy.local.broker.files import write_whole

Partition: TypeAlias = tuple[str, int]
_REWRITE_LINES: Final = 10_000
_REWRITE_RATIO: Final = 10


class Committed(NamedTuple):
    """Where a group goes on, and what it noted beside it."""

    offset: int
    metadata: str


class Offsets:
    """Every group's offsets; one JSON line a commit, rewritten when the file holds mostly old ones."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._groups: dict[str, dict[Partition, Committed]] = {}
        self._file: TextIO | None = None
        if path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    group, topic, partition, offset, metadata = json.loads(line)
                except ValueError:  # the line its process died in
                    break
                self._apply(group, (topic, partition), Committed(offset, metadata))
        self._rewrite()

    def groups(self) -> list[str]:
        """Return the ids of the groups that committed something."""
        return list(self._groups)

    def of(self, group: str) -> Mapping[Partition, Committed]:
        """Return what `group` committed."""
        return MappingProxyType(self._groups.get(group, {}))

    def commit(self, group: str, entries: Iterable[tuple[Partition, Committed]]) -> None:
        """Store `entries`; when this returns they survive this process."""
        lines = []
        for partition, committed in entries:
            self._apply(group, partition, committed)
            lines.append(_line(group, partition, committed))
        self._append(lines)

    def forget(self, group: str) -> None:
        """Delete a group's offsets."""
        self._groups.pop(group, None)
        self._rewrite()

    def forget_topic(self, topic: str) -> None:
        """Delete every group's offsets of `topic`."""
        for entries in self._groups.values():
            for partition in [partition for partition in entries if partition[0] == topic]:
                del entries[partition]
        self._rewrite()

    def close(self) -> None:
        """Sync what was appended."""
        self._rewrite()
        self._release()

    def _apply(self, group: str, partition: Partition, committed: Committed) -> None:
        self._groups.setdefault(group, {})[partition] = committed

    def _append(self, lines: list[str]) -> None:
        assert self._file is not None
        self._file.write("".join(lines))
        self._file.flush()
        self._lines += len(lines)
        live = sum(len(entries) for entries in self._groups.values())
        if self._lines > max(_REWRITE_LINES, live * _REWRITE_RATIO):
            self._rewrite()

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rewrite(self) -> None:
        self._release()
        lines = [
            _line(group, partition, committed)
            for group, entries in self._groups.items()
            for partition, committed in entries.items()
        ]
        write_whole(self._path, "".join(lines))
        self._lines = len(lines)
        self._file = self._path.open("a", encoding="utf-8")


def _line(group: str, partition: Partition, committed: Committed) -> str:
    return json.dumps([group, *partition, *committed]) + "\n"
