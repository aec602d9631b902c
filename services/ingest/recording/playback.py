"""Recordings in, their frames in the order of time out."""

import heapq
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from libs.common.runtime.errors import InputError
from services.ingest.recording.recordings import Frame, read

_CRYPTOFEED: Final = re.compile(r"(?P<stem>.+?)(?P<part>\.ws\.\d+|\.http\.\d+)?\.\d+(?:\.gz|\.zst)?")


def played(files: Sequence[Path]) -> Iterator[Frame]:
    """Yield the frames of files one after the other; parts of one cryptofeed run are merged by time.

    Raises:
        InputError: a file or its directory cannot be read.
    """
    runs: dict[Path, list[Path]] = {}
    for path in files:
        named = _CRYPTOFEED.fullmatch(path.name)
        run = path.parent / named["stem"] if named else path
        runs.setdefault(run, []).append(path)
    for run, parts in runs.items():
        everything = _with_answers(run, parts)
        if len(everything) == 1:
            yield from read(everything[0])
        else:
            yield from heapq.merge(*map(read, everything), key=lambda frame: frame.received_ns)


def _with_answers(run: Path, parts: list[Path]) -> list[Path]:
    """Add the recorded REST answers that lie beside a run's sockets."""
    if not any(".ws." in part.name for part in parts):
        return parts
    try:
        beside = sorted(run.parent.iterdir())
    except OSError as e:
        raise InputError(f"{run.parent}: {e}") from e
    answers = [
        path
        for path in beside
        if (named := _CRYPTOFEED.fullmatch(path.name))
        and named["stem"] == run.name
        and ".ws." not in path.name
        and path not in parts
    ]
    return [*answers, *parts]
