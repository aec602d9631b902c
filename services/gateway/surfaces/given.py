"""What a request holds: its query, path and body in, parameters by field out."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from services.gateway.operations.operation import Operation, P
from services.gateway.operations.parsing import parse
from services.gateway.problems import FieldError, Problem, field_problem

QUERIED: Final = frozenset({"GET", "DELETE"})
"""Methods whose parameters stand in the query; the others' stand in a JSON body."""

_MANY: Final = (msgspec.inspect.ListType, msgspec.inspect.SetType, msgspec.inspect.VarTupleType)
_MOST: Final = 100
_decode: Final = msgspec.json.Decoder().decode


def of_query(operation: Operation[P, Any], path: Mapping[str, str], query: bytes) -> P:
    """Return the parameters of a read.

    Raises:
        Problem: 400, with the field at fault.
    """
    return parse(operation.params, query_fields(operation.params, path, query), texts=True)


def query_fields(params: type[Struct], path: Mapping[str, str], query: bytes) -> dict[str, object]:
    """Return what a query and a path hold, by field, as texts.

    Raises:
        Problem: 400, for what is said twice.
    """
    given: dict[str, object] = dict(path)
    if query:
        lists = many(params)
        for name, value in _pairs(query):
            if name in path:
                raise field_problem("unknown_parameter", name, "stands in the path")
            if name in lists:
                given.setdefault(name, []).append(value)  # type: ignore[attr-defined]  # a list, made here
            elif name in given:
                raise field_problem("invalid_parameter", name, "is given twice")
            else:
                given[name] = value
    return given


def of_body(operation: Operation[P, Any], path: Mapping[str, str], query: bytes, body: bytes) -> P:
    """Return the parameters of a request with a JSON body; an empty one is an empty object.

    Raises:
        Problem: 400 for the path, the query and what is no JSON; 422 for the fields of the body.
    """
    if query:
        errors = [FieldError(name, "there is no such parameter here") for name, _ in _pairs(query)]
        raise Problem("unknown_parameter", "the parameters of this stand in its body", *errors)
    try:
        sent = _decode(body) if body else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise Problem("bad_request", f"the body is no JSON: {e}") from e
    if not isinstance(sent, dict):
        raise field_problem("invalid_body", "body", "must be an object")
    if twice := sorted(sent.keys() & path.keys()):
        errors = [FieldError(name, "is in the path") for name in twice]
        raise Problem("unknown_field", "a field of the path stands in the body", *errors)
    try:
        return parse(operation.params, {**sent, **path}, texts=False)
    except Problem as e:
        if e.errors and e.errors[0].field in path:
            raise Problem("invalid_parameter", e.detail, *e.errors) from e
        raise


@cache
def many(params: type[Struct]) -> frozenset[str]:
    """Return the parameters that take several values."""
    found = msgspec.inspect.type_info(params)
    assert isinstance(found, msgspec.inspect.StructType), "parameters are structs"
    return frozenset(one.encode_name for one in found.fields if _takes_many(one.type))


def _takes_many(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _takes_many(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_takes_many(one) for one in kind.types)
    return isinstance(kind, _MANY)


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST)
    except ValueError as e:
        raise Problem("bad_request", f"a query has at most {_MOST} parameters") from e
