"""Which rows of a dataset in; the rows out, oldest first, as PostgreSQL gives them: one snapshot, few at a time."""

from collections.abc import AsyncIterator
from typing import Any, Final

from msgspec import Struct

from services.gateway.exporting.datasets import Dataset, Row

MOST: Final = 1_000_000
"""Rows of one file."""
_AT_ONCE: Final = 1_000


class Selection(Struct, frozen=True, kw_only=True):
    """What of a dataset; an absent field means any."""

    from_ns: int
    to_ns: int
    """Half open."""
    symbol: str | None = None
    venue: str | None = None
    origin: str | None = None
    timeframe: str | None = None
    name: str | None = None

    @property
    def values(self) -> tuple[Any, ...]:
        """As the statements take them."""
        return self.from_ns, self.to_ns, self.symbol, self.venue, self.origin, self.timeframe, self.name


async def count(connection: Any, dataset: Dataset, selection: Selection, most: int) -> int:
    """Return how many rows there are, counted up to one more than `most`."""
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {_from(dataset)} LIMIT {most + 1:d}) n"  # noqa: S608  (of literals)
    return int(await connection.fetchval(sql, *selection.values))


async def rows(connection: Any, dataset: Dataset, selection: Selection) -> AsyncIterator[list[Row]]:
    """Yield the rows by the thousand; the connection is in a transaction that sees one moment."""
    stored = dataset.stored or tuple(dataset.columns)
    order = ", ".join((dataset.time, *dataset.order))
    sql = f"SELECT {', '.join(stored)} FROM {_from(dataset)} ORDER BY {order}"  # noqa: S608  (of literals)
    row = dataset.row or tuple
    cursor = await connection.cursor(sql, *selection.values)
    while found := await cursor.fetch(_AT_ONCE):
        yield [row(one) for one in found]


def _from(dataset: Dataset) -> str:
    timeframe = "timeframe" if "timeframe" in dataset.columns else "NULL"
    name = dataset.name_column or "NULL"
    return (
        f"{dataset.source} WHERE {dataset.time} >= $1 AND {dataset.time} < $2 "
        "AND ($3::text IS NULL OR symbol = $3) AND ($4::text IS NULL OR venue = $4) "
        "AND ($5::text IS NULL OR origin = $5) "
        f"AND ($6::text IS NULL OR {timeframe} = $6) AND ($7::text IS NULL OR {name} = $7)"
    )
