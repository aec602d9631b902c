"""Rows as lines of JSON on standard input; the same as Parquet on standard output: a process of its own.

It is run as `python -m services.gateway.exporting.columnar SCHEMA`: the library takes memory that goes with it.
"""

import io
import json
import sys
from collections.abc import Iterator
from typing import IO, Any, Final

_CHUNK: Final = 1 * 1024 * 1024


def write(schema: dict[str, str], source: IO[bytes], target: IO[bytes]) -> None:
    """Turn every line of `source` into a row of `target`, a few MiB at a time.

    `schema`: each column's `int`, `float`, `str` or `bool`, in their order.
    """
    import polars as pl  # noqa: PLC0415  (the process that serves must not have it)
    from polars.io.plugins import register_io_source  # noqa: PLC0415  (the same)

    kinds: dict[str, Any] = {"int": pl.Int64, "float": pl.Float64, "str": pl.String, "bool": pl.Boolean}
    types = pl.Schema({name: kinds[kind] for name, kind in schema.items()})

    def frames(
        _columns: list[str] | None, _predicate: Any, _rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        while found := source.readlines(_CHUNK):
            yield pl.read_ndjson(io.BytesIO(b"".join(found)), schema=types)

    register_io_source(frames, schema=types).sink_parquet(target, row_group_size=10_000)


if __name__ == "__main__":
    write(json.loads(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
