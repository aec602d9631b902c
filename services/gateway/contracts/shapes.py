"""Two JSON schemas, older and newer: where the newer takes less, or promises less. Pure."""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]
Fault: TypeAlias = tuple[str, str]
"""Where below the schema (`.data[].price`), and what."""

_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_ANY: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_ALTERNATIVES: Final = ("anyOf", "oneOf")


class Shapes:
    """Both documents, their references followed."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self.old = old
        self.new = new
        self._compared: set[tuple[str, int, int]] = set()

    def of_old(self, schema: Schema) -> Schema:
        """Return what a schema of the older document stands for."""
        return _follow(self.old, schema)

    def of_new(self, schema: Schema) -> Schema:
        """Return what a schema of the newer document stands for."""
        return _follow(self.new, schema)

    def first_time(self, way: str, old: Schema, new: Schema) -> bool:
        """Tell whether these two were not compared yet: a type may hold itself, and many hold the same one."""
        one, other = self.of_old(old), self.of_new(new)
        if not one or not other:
            return True
        key = (way, id(one), id(other))  # both documents live as long as this
        if key in self._compared:
            return False
        self._compared.add(key)
        return True


def sent(shapes: Shapes, old: Schema, new: Schema, at: str = "") -> Iterator[Fault]:
    """Yield where what was taken before is refused now."""
    if not shapes.first_time("sent", old, new):
        return
    before, after = _flat(shapes.old, old), _flat(shapes.new, new)
    if refused := sorted(_types(before) - _with_integers(_types(after))):
        yield at, f"{', '.join(refused)} is not taken any more"
    yield from _words(before, after, at)
    yield from _bounds(before, after, at)
    for one, other in _pairs(before, after, "object"):
        yield from _fields_sent(shapes, one, other, at)
    for one, other in _pairs(before, after, "array"):
        for item, now in _items(one, other):
            yield from sent(shapes, item, now, f"{at}[]")


def answered(shapes: Shapes, old: Schema, new: Schema, at: str = "") -> Iterator[Fault]:
    """Yield where what was promised before may be missing or be something else now."""
    if not shapes.first_time("answered", old, new):
        return
    before, after = _flat(shapes.old, old), _flat(shapes.new, new)
    if other_types := sorted(_types(after) - _with_integers(_types(before))):
        yield at, f"may be {', '.join(other_types)} now"
    old_objects, new_objects = _of_type(before, "object"), _of_type(after, "object")
    if old_objects and len(new_objects) > len(old_objects):
        yield at, "may be an object of another kind now"
    for one, other in _pairs(before, after, "object"):
        yield from _fields_answered(shapes, one, other, at)
    for one, other in _pairs(before, after, "array"):
        if len(other.get("prefixItems", ())) < len(one.get("prefixItems", ())):
            yield f"{at}[]", "has fewer items now"
        for item, now in _items(one, other):
            yield from answered(shapes, item, now, f"{at}[]")


def _fields_sent(shapes: Shapes, old: Schema, new: Schema, at: str) -> Iterator[Fault]:
    fields, others = old.get("properties", {}), new.get("properties", {})
    for name, field in fields.items():
        if name in others:
            yield from sent(shapes, field, others[name], f"{at}.{name}")
        elif new.get("additionalProperties", True) is False:
            yield f"{at}.{name}", "is not taken any more"
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{at}.{name}", "is needed now"


def _fields_answered(shapes: Shapes, old: Schema, new: Schema, at: str) -> Iterator[Fault]:
    fields, others = old.get("properties", {}), new.get("properties", {})
    for name, field in fields.items():
        if name not in others:
            yield f"{at}.{name}", "is gone"
            continue
        if name in old.get("required", ()) and name not in new.get("required", ()):
            yield f"{at}.{name}", "may be missing now"
        yield from answered(shapes, field, others[name], f"{at}.{name}")
    values, other_values = old.get("additionalProperties"), new.get("additionalProperties")
    if isinstance(values, dict) and isinstance(other_values, dict):
        yield from answered(shapes, values, other_values, f"{at}.*")


def _items(one: Schema, other: Schema) -> Iterator[tuple[Schema, Schema]]:
    """Yield what stands at the same place of two lists; a plain true or false says nothing of it."""
    yield from zip(one.get("prefixItems", ()), other.get("prefixItems", ()), strict=False)
    rest, now = one.get("items"), other.get("items")
    if isinstance(rest, dict) and isinstance(now, dict):
        yield rest, now


def _words(before: list[Schema], after: list[Schema], at: str) -> Iterator[Fault]:
    allowed = _allowed(after)
    if allowed is None:
        return
    known = _allowed(before)
    if known is None:
        if "string" in _types(before):
            yield at, f"must be one of {', '.join(map(str, allowed))} now"
    elif gone := [word for word in known if word not in allowed]:
        yield at, f"{', '.join(map(str, gone))} is not taken any more"


def _allowed(variants: list[Schema]) -> list[Any] | None:
    words: list[Any] = []
    for one in variants:
        if "const" in one:
            words.append(one["const"])
        elif "enum" in one:
            words.extend(one["enum"])
        elif "string" in _types([one]):
            return None
    return words or None


def _bounds(before: list[Schema], after: list[Schema], at: str) -> Iterator[Fault]:
    for kind in ("string", "integer", "number", "array", "object"):
        for one, other in _pairs(before, after, kind):
            for name in _UPPER:
                if name in other and (name not in one or other[name] < one[name]):
                    yield at, f"{name} fell to {other[name]}"
            for name in _LOWER:
                if name in other and (name not in one or other[name] > one[name]):
                    yield at, f"{name} rose to {other[name]}"
            if "pattern" in other and other["pattern"] != one.get("pattern"):
                yield at, f"must match {other['pattern']} now"


def _pairs(before: list[Schema], after: list[Schema], kind: str) -> Iterator[tuple[Schema, Schema]]:
    """Yield the alternatives of one type that stand for each other: by name where both have one, else by place."""
    olds, news = _of_type(before, kind), _of_type(after, kind)
    named = {one["title"]: one for one in news if "title" in one}
    for i, one in enumerate(olds):
        other = named.get(one.get("title", ""))
        if other is None and i < len(news):
            other = news[i]
        if other is not None:
            yield one, other


def _of_type(variants: list[Schema], kind: str) -> list[Schema]:
    return [one for one in variants if one and kind in _types([one])]


def _types(variants: list[Schema]) -> frozenset[str]:
    found: set[str] = set()
    for one in variants:
        if "type" in one:
            found |= {one["type"]} if isinstance(one["type"], str) else set(one["type"])
        elif "enum" in one or "const" in one:
            found |= {_type_of(word) for word in one.get("enum", [one.get("const")])}
        elif "properties" in one:
            found.add("object")
        else:
            return _ANY
    return frozenset(found)


def _type_of(word: object) -> str:
    if word is None:
        return "null"
    if isinstance(word, bool):
        return "boolean"
    return "string" if isinstance(word, str) else "number"


def _with_integers(types: frozenset[str]) -> frozenset[str]:
    return types | {"integer"} if "number" in types else types


def _flat(document: Schema, schema: Schema) -> list[Schema]:
    """Return the alternatives of a schema, references followed."""
    one = _follow(document, schema)
    for word in _ALTERNATIVES:
        if word in one:
            return [variant for inner in one[word] for variant in _flat(document, inner)]
    return [one]


def _follow(document: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        schema = found
    return schema
