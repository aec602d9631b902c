"""Answers too long for an assistant: cut to what fits, with a cursor to what follows. Pure."""

import base64
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from services.gateway.problems import Problem, field_problem

Plain: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]
"""The fields that lead to a list which no list holds."""

_ROOM: Final = 1_200
"""Characters kept free for the note and the cursor."""
_DEEP: Final = 3

_cursor: Final = msgspec.json.Decoder(list[tuple[Path, Annotated[int, Meta(ge=0)]]])


def length(plain: Any) -> int:
    """Return how many characters an answer has as JSON."""
    return len(msgspec.json.encode(plain).decode())


def fit(plain: Plain, most: int, skipped: Mapping[Path, int] | None = None) -> Plain:
    """Return an answer of at most `most` characters, rows dropped from the ends of its longest lists.

    What follows a cursor has only rows that were not told yet: following it tells each row once.

    Args:
        plain: as JSON would decode it; it is changed.
        most: characters.
        skipped: how many rows of each list were told before.

    Raises:
        Problem: what cannot be dropped is too long already.
    """
    before = dict(skipped or {})
    lists = _lists(plain)
    for path, count in before.items():
        if path not in lists or count > len(lists[path]):
            raise field_problem("invalid_parameter", "cursor", "belongs to another answer: ask without it")
        lists[path] = lists[path][count:]
        _put(plain, path, lists[path])
    cut: dict[Path, int] = {}
    if length(plain) > most:
        whole = {path: len(rows) for path, rows in lists.items()}
        while (over := length(plain) + _ROOM - most) > 0:
            path = max(lists, key=lambda one: length(lists[one]), default=())
            if not lists.get(path):
                raise Problem("too_large", f"the answer does not fit into {most:,} characters: ask for less")
            lists[path] = _shorter(lists[path], over)
            cut[path] = len(lists[path])
            _put(plain, path, lists[path])
        told = {path: before.get(path, 0) + len(rows) for path, rows in lists.items()}
        plain["cut"] = {
            ".".join(path): {"kept": kept, "of": before.get(path, 0) + whole[path]} for path, kept in cut.items()
        }
        plain["next_cursor"] = write(told)
    return plain


def write(told: Mapping[Path, int]) -> str:
    """Return the cursor to what follows."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(told.items()))).decode().rstrip("=")


def read(cursor: str) -> dict[Path, int]:
    """Return how many rows of each list were told before.

    Raises:
        Problem: the cursor is none of ours.
    """
    try:
        return dict(_cursor.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)))
    except (ValueError, RecursionError) as e:
        raise field_problem("invalid_parameter", "cursor", "is not one of ours") from e


def _shorter(rows: list[Any], over: int) -> list[Any]:
    """Return the first rows: at least one fewer, and as many fewer as `over` characters hold."""
    count = len(rows)
    while count and over > 0:
        count -= 1
        over -= length(rows[count]) + 1
    return rows[:count]


def _lists(plain: Plain, above: Path = ()) -> dict[Path, list[Any]]:
    found: dict[Path, list[Any]] = {}
    for name, value in plain.items():
        path = (*above, name)
        if isinstance(value, list):
            found[path] = value
        elif isinstance(value, dict) and len(path) < _DEEP:
            found |= _lists(value, path)
    return found


def _put(plain: Plain, path: Path, rows: list[Any]) -> None:
    for name in path[:-1]:
        plain = plain[name]
    plain[path[-1]] = rows
