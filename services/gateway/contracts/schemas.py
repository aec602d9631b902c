"""Types to JSON schemas under one roof: the components of a document, and the parts that parameters need. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from services.gateway.contracts.words import words_of

Schema: TypeAlias = dict[str, Any]

REF: Final = "#/components/schemas/"


class Schemas:
    """The schemas of a set of types."""

    def __init__(self, types: Iterable[Any]) -> None:
        wanted = list(dict.fromkeys(types))
        found, components = msgspec.json.schema_components(wanted, ref_template=REF + "{name}")
        self._of: dict[Any, Schema] = dict(zip(wanted, found, strict=True))
        words = words_of(wanted)
        self._components: dict[str, Schema] = {
            name: _worded(one, words.get(name, {})) for name, one in components.items()
        }

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type; of a struct a reference."""
        return self._of[kind]

    def fields(self, params: Any) -> tuple[dict[str, Schema], frozenset[str]]:
        """Return the schemas of a struct's fields, and which are needed."""
        whole = self._components[self.of(params)["$ref"].removeprefix(REF)]
        return dict(whole["properties"]), frozenset(whole.get("required", ()))

    def components(self, document: Mapping[str, Any]) -> dict[str, Schema]:
        """Return the components that `document` refers to, and those that they refer to."""
        kept: dict[str, Schema] = {}
        waiting = sorted(_references(document))
        while waiting:
            name = waiting.pop()
            if name not in kept:
                kept[name] = self._components[name]
                waiting += sorted(_references(kept[name]))
        return dict(sorted(kept.items()))


def _worded(schema: Mapping[str, Any], words: Mapping[str, str]) -> Schema:
    """Return a struct's schema with what is said of its fields, where they do not say it themselves."""
    fields = {
        name: {"description": words[name], **one} if name in words else one
        for name, one in schema.get("properties", {}).items()
    }
    return {**schema, "properties": fields} if fields else dict(schema)


def sent_as_text(schema: Schema) -> Schema:
    """Return a schema as a query can send it: without null, which means that the parameter is left out."""
    plain = {name: value for name, value in schema.items() if not (name == "default" and value is None)}
    choices = plain.get("anyOf")
    if not choices:
        return plain
    left = [one for one in choices if one != {"type": "null"}]
    if len(left) > 1:
        return {**plain, "anyOf": left}
    return {**left[0], **{name: value for name, value in plain.items() if name != "anyOf"}}


def _references(part: Any) -> set[str]:
    if isinstance(part, Mapping):
        own = part.get("$ref")
        found = {own.removeprefix(REF)} if isinstance(own, str) and own.startswith(REF) else set()
        return found.union(*(_references(one) for one in part.values()))
    if isinstance(part, list | tuple):
        return set().union(*(_references(one) for one in part))
    return set()
