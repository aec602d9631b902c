"""The registry as the document that a custom GPT's actions are made of, within their published limits. Pure."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from services.gateway.contracts.inputs import input_schema
from services.gateway.contracts.others import quoted_schemas
from services.gateway.contracts.schemas import REF, Schema, sent_as_text
from services.gateway.operations.operation import Operation, Surface

PATH: Final = "/v1/gpt/"
MOST_OPERATIONS: Final = 24
"""The builder refuses more than thirty."""
MOST_CHARACTERS: Final = 60_000
"""Of one reply; beyond a hundred thousand an assistant sees none of it."""

CURSOR: Final[Schema] = {
    "type": "string",
    "maxLength": 512,
    "description": "`next_cursor` of an answer that was cut: what follows of it",
}
_CUT: Final[Schema] = {
    "title": "Cut",
    "description": "Lists that did not fit: how many rows are here, of how many.",
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {"kept": {"type": "integer"}, "of": {"type": "integer"}},
        "required": ["kept", "of"],
    },
}
_LONGEST: Final = 300


def offered(operations: Iterable[Operation[Any, Any]]) -> list[Operation[Any, Any]]:
    """Return the operations that assistants are offered."""
    return [operation for operation in operations if Surface.GPT in operation.surfaces]


def gpt_document(operations: Iterable[Operation[Any, Any]], *, server: str, version: str) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document of the operations that assistants are offered.

    Args:
        operations: the registry.
        server: the public address, `https://...`: the builder takes no other.
        version: of the API.
    """
    chosen = offered(operations)
    roots, parts = msgspec.json.schema_components([one.answer for one in chosen], ref_template=REF + "{name}")
    schemas = {name: _slim(schema) for name, schema in quoted_schemas(parts).items()}
    for name in {root["$ref"].removeprefix(REF) for root in roots}:
        schemas[name] = _cuttable(schemas[name])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "CryptoSatX",
            "version": version,
            "description": "What crypto markets do and which signals were judged. Every datum says where it was born "
            "(origin), how old it is and how good its feed is. Read only; not financial advice.",
        },
        "servers": [{"url": server}],
        "security": [{"key": []}],
        "paths": {
            PATH + one.name: {one.method.lower(): _operation(one, root)}
            for one, root in zip(chosen, roots, strict=True)
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {**schemas, "Cut": _slim(_CUT)},
        },
    }


def _operation(operation: Operation[Any, Any], answer: Schema) -> Schema:
    fields = input_schema(operation.params)
    required = set(fields.get("required", ()))
    parameters = [
        _parameter(name, sent_as_text(schema), name in required) for name, schema in fields["properties"].items()
    ]
    if "cursor" not in fields["properties"]:
        parameters.append(_parameter("cursor", dict(CURSOR), required=False))
    return {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "description": _short(operation.detail),
        "x-openai-isConsequential": operation.writes,
        "parameters": parameters,
        "responses": {
            "200": {"description": operation.summary, "content": {"application/json": {"schema": answer}}},
            "default": {"description": "A problem: `detail` says what is wrong, `retryable` whether to ask again"},
        },
    }


def _parameter(name: str, schema: Schema, required: bool) -> Schema:
    description = schema.pop("description", name)
    schema.pop("title", None)
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


def _short(text: str) -> str:
    """Return whole sentences of `text` within the limit."""
    if len(text) <= _LONGEST:
        return text
    kept = text[:_LONGEST].rpartition(". ")[0]
    return f"{kept}." if kept else text[: _LONGEST - 3] + "..."


def _cuttable(schema: Schema) -> Schema:
    more: Schema = {"cut": {"$ref": f"{REF}Cut"}, "next_cursor": {"type": ["string", "null"]}}
    return {**schema, "properties": {**more, **schema.get("properties", {})}}


def _slim(schema: Any) -> Any:
    """Return a schema without what an assistant has no use for: titles, defaults, bounds of answers."""
    if isinstance(schema, list):
        return [_slim(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    slim: Schema = {}
    for name, value in schema.items():
        if name == "properties":
            slim[name] = {field: _slim(inner) for field, inner in value.items()}
        elif name not in {"title", "default", "required"}:
            slim[name] = _slim(value)
    return slim
