"""What was sent to the parameters of an operation, or a problem that names each field at fault. Pure."""

import enum
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

from services.gateway.problems import FieldError, Problem

P = TypeVar("P", bound=Struct)

_AT: Final = re.compile(r"^(?P<message>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_ENUM: Final = "Invalid enum value"


def parse(params: type[P], given: Mapping[str, object], *, texts: bool) -> P:
    """Return the parameters that `given` holds.

    Args:
        params: what is wanted.
        given: by field; of a query each value is a text.
        texts: True: "5" is read as 5, and faults are of status 400; False: types count, faults are of status 422.

    Raises:
        Problem: names the field at fault.
    """
    if unknown := sorted(given.keys() - names(params)):
        errors = [FieldError(name, "there is no such parameter here") for name in unknown]
        raise Problem(
            "unknown_parameter" if texts else "unknown_field", f"unknown parameter: {', '.join(unknown)}", *errors
        )
    for name, value in given.items():
        if _has_nul(value):
            fault = FieldError(name, "must not hold the character NUL")
            raise Problem("invalid_parameter" if texts else "invalid_body", f"{name}: {fault.message}", fault)
    try:
        return msgspec.convert(given, params, strict=not texts)
    except (msgspec.ValidationError, OverflowError) as e:
        fault = _fault(params, str(e))
        code = "unknown_field" if fault.message == _NO_SUCH and not texts else "invalid_body"
        raise Problem("invalid_parameter" if texts else code, f"{fault.field}: {fault.message}", fault) from e


def _has_nul(value: object) -> bool:
    """Tell whether a text in it holds what no store takes."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(one) for pair in value.items() for one in pair)
    return isinstance(value, list) and any(map(_has_nul, value))


@cache
def names(params: type[Struct]) -> frozenset[str]:
    """Return the names of the parameters of a type."""
    return frozenset(one.encode_name for one in msgspec.structs.fields(params))


_NO_SUCH: Final = "there is no such field"


def _fault(params: type[Struct], text: str) -> FieldError:
    found = _AT.match(text)
    assert found, "the pattern takes any text"
    path = (found["path"] or "$").removeprefix("$").removeprefix(".")
    message = found["message"]
    if missing := _MISSING.search(message):
        return FieldError(_below(path, missing["name"]), "is needed")
    if unknown := _UNKNOWN.search(message):
        return FieldError(_below(path, unknown["name"]), _NO_SUCH)
    if message.startswith(_ENUM) and (words := _allowed(params, path)):
        return FieldError(path, f"must be one of {', '.join(words)}")
    return FieldError(path or "body", message[:1].lower() + message[1:])


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _allowed(params: type[Struct], field: str) -> list[str]:
    hint: Any = get_type_hints(params).get(field)
    for one in (hint, *get_args(hint)):
        if isinstance(one, enum.EnumMeta):
            return [str(member.value) for member in one]  # type: ignore[var-annotated]  # EnumMeta is not generic
    return []
