"""Rows to lines of CSV (RFC 4180), in which a text is never a formula. Pure."""

from collections.abc import Iterable
from typing import Final

from services.gateway.exporting.datasets import Row, Value

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  (programs read these too)
"""Beginnings that make a spreadsheet calculate; such a text gets a `'` in front."""
_QUOTED: Final = frozenset('",\r\n')


def head(names: Iterable[str]) -> str:
    """Return the first line."""
    return ",".join(names) + "\r\n"


def lines(rows: Iterable[Row]) -> str:
    """Return one line a row; what is absent is empty, numbers are as short as they stay the same."""
    return "".join(",".join(map(cell, row)) + "\r\n" for row in rows)


def cell(value: Value) -> str:
    """Return one value as it stands between two commas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    text = f"'{value}" if value.startswith(_FORMULAS) else value
    return '"' + text.replace('"', '""') + '"' if not _QUOTED.isdisjoint(text) else text
