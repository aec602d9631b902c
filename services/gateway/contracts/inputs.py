"""What an operation takes, as one self-contained JSON schema: for documents that cannot follow references. Pure."""

from typing import Any, Final

import msgspec

from services.gateway.contracts.schemas import Schema

_DEFS: Final = "#/$defs/"


def input_schema(params: Any) -> Schema:
    """Return the schema of an operation's parameters, a struct: an object, every type written where it is used."""
    (root,), parts = msgspec.json.schema_components([params], ref_template=_DEFS + "{name}")
    found: Schema = _inlined(root, parts)
    found.pop("title", None)
    found.setdefault("properties", {})
    found["additionalProperties"] = False
    return found


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {name: _inlined(value, parts) for name, value in schema.items() if name != "$ref"}
    if "enum" in rest and "type" not in rest:  # assistants' builders want a type beside the words
        for kind, name in ((str, "string"), (int, "integer")):
            if all(type(word) is kind for word in rest["enum"]):
                rest = {"type": name, **rest}
    if "$ref" not in schema:
        return rest
    inner: Schema = _inlined(parts[schema["$ref"].removeprefix(_DEFS)], parts)
    return {**inner, **rest}
