"""A dataset and a format in; a file out as it is made: two at a time, a minute each at most."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum, unique
from typing import Any, Final

import msgspec

from services.gateway.exporting import commas, metrics
from services.gateway.exporting.datasets import Dataset, Row
from services.gateway.exporting.rows import MOST, Selection, count, rows
from services.gateway.operations.operation import Download
from services.gateway.problems import Problem

_AT_ONCE: Final = 2
_WITHIN_S: Final = 60.0
_CHUNK: Final = 64 * 1024
_UNNAMED: Final = re.compile(r"[^A-Za-z0-9-]")
"""What no name of a file of ours has."""
_ENV: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
"""All that the other process inherits: it needs no secret."""

Chunks = AsyncGenerator[bytes, None]


@unique
class Format(StrEnum):
    """Of a file."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


_MEDIA: Final = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.NDJSON: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}


class Exporter:
    """Makes files of stored series."""

    def __init__(
        self, pool: Callable[[], Any], *, at_once: int = _AT_ONCE, within_s: float = _WITHIN_S, most: int = MOST
    ) -> None:
        self._pool = pool
        self._most = most
        self._free = at_once
        self._within_s = within_s

    async def open(self, dataset: Dataset, selection: Selection, form: Format) -> Download:
        """Return the file, its first part already made.

        Raises:
            Problem: `rate_limited` while two are being made; `invalid_parameter` for more than a million rows.
        """
        chunks = self._chunks(dataset, selection, form)
        first = await anext(chunks)
        symbol = _UNNAMED.sub("", (selection.symbol or "all").replace("*", "market"))
        filename = f"{dataset.name}-{symbol}-{selection.from_ns}-{selection.to_ns}.{form}"
        return Download(_MEDIA[form], filename, _resumed(first, chunks))

    async def _chunks(self, dataset: Dataset, selection: Selection, form: Format) -> Chunks:
        if self._free < 1:
            raise Problem("rate_limited", "as many files as may be are being made; try again in a moment")
        self._free -= 1
        metrics.STARTED.labels(dataset.name, form).inc()
        try:
            async with self._pool().acquire() as connection:
                over = asyncio.get_running_loop().call_later(self._within_s, connection.terminate)
                try:
                    async with connection.transaction(isolation="repeatable_read", readonly=True):
                        if await count(connection, dataset, selection, self._most) > self._most:
                            detail = f"there are more than {self._most} rows: take a shorter range"
                            raise Problem("invalid_parameter", detail)
                        parts = rows(connection, dataset, selection)
                        made = _columnar(dataset, parts) if form is Format.PARQUET else _texts(dataset, parts, form)
                        async for chunk in made:
                            yield chunk
                finally:
                    over.cancel()
            metrics.FINISHED.labels(dataset.name, form).inc()
        finally:
            self._free += 1


async def _resumed(first: bytes, chunks: Chunks) -> AsyncIterator[bytes]:
    try:
        yield first
        async for chunk in chunks:
            yield chunk
    finally:
        await chunks.aclose()


async def _texts(dataset: Dataset, parts: AsyncIterator[list[Row]], form: Format) -> Chunks:
    """Yield lines, about 64 KiB at a time; the first chunk may be all there is."""
    names = tuple(dataset.columns)
    waiting = commas.head(names).encode() if form is Format.CSV else b""
    async for part in parts:
        waiting += commas.lines(part).encode() if form is Format.CSV else _objects(names, part)
        if len(waiting) >= _CHUNK:
            yield waiting
            waiting = b""
    yield waiting


def _objects(names: tuple[str, ...], part: list[Row]) -> bytes:
    return msgspec.json.Encoder().encode_lines([dict(zip(names, row, strict=True)) for row in part])


async def _columnar(dataset: Dataset, parts: AsyncIterator[list[Row]]) -> Chunks:
    """Yield Parquet that a process of its own makes of lines of JSON.

    Raises:
        Problem: `internal`; that process failed.
    """
    async with _process(dataset) as child:
        assert child.stdin, "it is a pipe"
        assert child.stdout, "it is a pipe"
        feeding = asyncio.create_task(_feed(child.stdin, tuple(dataset.columns), parts))
        try:
            while chunk := await child.stdout.read(_CHUNK):
                yield chunk
            await feeding
            if await child.wait():
                raise Problem("internal", "the file could not be made")
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


async def _feed(pipe: asyncio.StreamWriter, names: tuple[str, ...], parts: AsyncIterator[list[Row]]) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it ended early: its status says so
        async for part in parts:
            pipe.write(_objects(names, part))
            await pipe.drain()
    pipe.close()


@asynccontextmanager
async def _process(dataset: Dataset) -> AsyncIterator[asyncio.subprocess.Process]:
    schema = {name: kind.__name__ for name, kind in dataset.columns.items()}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.gateway.exporting.columnar",
        json.dumps(schema),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _ENV if name in os.environ} | {"POLARS_MAX_THREADS": "1"},
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
