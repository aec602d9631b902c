"""What the code says of a struct's fields: types in, the texts that stand below their fields in the source out."""

import ast
import inspect
import sys
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct


def words_of(types: Iterable[Any]) -> dict[str, dict[str, str]]:
    """Return struct to field to what is said of it, for every struct that the types hold; of equal names none."""
    found: dict[str, type[Struct] | None] = {}
    for kind in _structs(types):
        found[kind.__name__] = kind if found.get(kind.__name__, kind) is kind else None
    modules: dict[str, dict[str, dict[str, str]]] = {}
    return {name: _inherited(kind, modules) for name, kind in found.items() if kind is not None}


def _structs(types: Iterable[Any]) -> set[type[Struct]]:
    found: set[type[Struct]] = set()
    waiting: list[Any] = list(msgspec.inspect.multi_type_info(types))
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, msgspec.inspect.StructType):
            if kind.cls in found:
                continue
            found.add(kind.cls)
            waiting += [field.type for field in kind.fields]
        elif isinstance(kind, msgspec.inspect.UnionType):
            waiting += kind.types
        else:
            waiting += [getattr(kind, name) for name in ("type", "item_type", "value_type") if hasattr(kind, name)]
            waiting += getattr(kind, "item_types", ())
    return found


def _inherited(kind: type[Struct], modules: dict[str, dict[str, dict[str, str]]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if issubclass(one, Struct) and one is not Struct:
            if one.__module__ not in modules:
                modules[one.__module__] = _said(one.__module__)
            found |= modules[one.__module__].get(one.__name__, {})
    return found


def _said(module: str) -> dict[str, dict[str, str]]:
    """Return class to field to the text that stands below it."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except OSError:  # installed without its source: the document then says less
        return {}
    return {node.name: dict(_below(node.body)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _below(body: list[ast.stmt]) -> Iterable[tuple[str, str]]:
    for field, text in pairwise(body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                yield name, " ".join(said.split())
