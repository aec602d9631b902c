"""Conditions on columns: their texts to comparisons, rows to those that fit, in order, nulls last. Pure."""

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

from libs.common.events import Fact
from services.gateway.schemas.columns import COLUMNS, Type

MOST_CONDITIONS: Final = 12

Key: TypeAlias = tuple[bool, Any, str, str]
"""(absent, value, symbol, venue): what a row is sorted by."""

_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_CONDITION: Final = re.compile(r"\s*(?P<column>\w+)\s*(?P<operator><=|>=|!=|<|>|=)\s*(?P<value>[^\s<>=!]+)\s*")
_TRUTHS: Final = {"true": True, "false": False}


class ConditionError(ValueError):
    """A text that is no condition; the message says what is wrong with it."""


class Condition(Struct, frozen=True):
    """One comparison; what is absent fits none, not even `!=`."""

    column: str
    operator: str
    value: float | str | bool

    def fits(self, values: dict[str, Fact]) -> bool:
        """Tell whether a row's values fit."""
        found = values.get(self.column)
        return found is not None and _OPERATORS[self.operator](found, self.value)


def conditions(text: str) -> list[Condition]:
    """Return what `text` asks: comparisons with commas between, as in `rsi_14<30, regime=trend`.

    Raises:
        ConditionError: a part is no comparison, names no column, or compares it with another type.
    """
    parts = [part for part in text.split(",") if part.strip()]
    if len(parts) > MOST_CONDITIONS:
        raise ConditionError(f"at most {MOST_CONDITIONS} conditions")
    return [_condition(part) for part in parts]


def column_of(name: str) -> str:
    """Return the name of a column.

    Raises:
        ConditionError: there is none.
    """
    if name not in COLUMNS:
        raise ConditionError(f"{name!r} is no column; there are {', '.join(COLUMNS)}")
    return name


def sort_key(values: dict[str, Fact], column: str, symbol: str, venue: str, *, descending: bool) -> Key:
    """Return what a row is sorted by, ascending: nulls last, ties by symbol and venue."""
    found = values.get(column)
    if found is None:
        return True, 0, symbol, venue
    if isinstance(found, str):
        return False, (*(-ord(letter) for letter in found), 1) if descending else found, symbol, venue
    number = (-float(found) if descending else float(found)) or 0.0  # one zero only
    return False, number, symbol, venue


def typed(column: str, value: Fact) -> Fact:
    """Return `value` where it is of the column's type, else None: a fact that changed its type is no value."""
    kind = COLUMNS[column].type
    if isinstance(value, bool):
        return value if kind is Type.TRUTH else None
    if isinstance(value, str):
        return value if kind is Type.WORD else None
    if value is None or kind is not Type.NUMBER or value != value:  # noqa: PLR0124  # not a number
        return None
    return float(value)


def _condition(part: str) -> Condition:
    found = _CONDITION.fullmatch(part)
    if found is None:
        raise ConditionError(f"{part.strip()[:60]!r} is no comparison such as rsi_14<30")
    column, sign, word = column_of(found["column"]), found["operator"], found["value"]
    return Condition(column, sign, _value(column, sign, word))


def _value(column: str, sign: str, word: str) -> float | str | bool:
    kind = COLUMNS[column].type
    if kind is not Type.NUMBER and sign not in ("=", "!="):
        raise ConditionError(f"{column} is a {kind}: compare it by = or !=")
    if kind is Type.WORD:
        return word
    if kind is Type.TRUTH:
        if word not in _TRUTHS:
            raise ConditionError(f"{column} is true or false")
        return _TRUTHS[word]
    try:
        return float(word)
    except ValueError as e:
        raise ConditionError(f"{column} is a number, {word[:40]!r} is none") from e


def chosen(text: str | None, shown: Sequence[str]) -> list[str]:
    """Return the columns that a list with commas names, each once; of None, `shown`.

    Raises:
        ConditionError: there is no such column.
    """
    if text is None:
        return list(shown)
    return list(dict.fromkeys(column_of(name.strip()) for name in text.split(",") if name.strip()))
