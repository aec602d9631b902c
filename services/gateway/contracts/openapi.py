"""The registry as an OpenAPI 3.1 document: operations in, everything that may be sent and answered out. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.gateway.access.scopes import Scope
from services.gateway.contracts.answers import HEADERS, problem_answers, reading_headers, writing_headers
from services.gateway.contracts.probes import PROBES
from services.gateway.contracts.rpc import TYPES as RPC_TYPES
from services.gateway.contracts.rpc import rpc_paths
from services.gateway.contracts.schemas import Schema, Schemas, sent_as_text
from services.gateway.operations.operation import Download, Operation, Surface, status_of
from services.gateway.problems import ProblemDocument

VERSION: Final = "1.0.0"

_ABOUT: Final = (
    "Markets, signals and alerts, as the services publish them; the gateway computes nothing.\n\n"
    "Every operation under /v1 needs an API key, or a signed-in person's token, with the scope it names. Reads take "
    "their parameters from the query, writes from a JSON body. Problems are RFC 9457 documents with a stable `code`. "
    "Times are RFC 3339 text and, beside it, integers of nanoseconds (`_ns`); ranges are half open."
)
_QUERIED: Final = frozenset({"GET", "DELETE"})

_SECURITY: Final = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key: csx_live_..."},
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A signed-in person's access token; it lives ten minutes.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-csx_access",
        "description": "The same token in the browser's cookie; every change then needs `X-CSRF-Token` too.",
    },
}


def document(operations: Iterable[Operation[Any, Any]]) -> Schema:
    """Return the document of the operations that REST offers."""
    everything = tuple(operations)
    rows = [one for one in everything if Surface.REST in one.surfaces]
    answers = [one.answer for one in rows if one.answer not in {None, Download}]
    schemas = Schemas([ProblemDocument, *answers, *(one.params for one in rows), *PROBES.types, *RPC_TYPES])
    paths: dict[str, Schema] = {}
    for operation in rows:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    paths |= rpc_paths(everything, schemas) | PROBES.paths(schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "CryptoSatX gateway", "version": VERSION, "description": _ABOUT},
        "tags": [{"name": name} for name in dict.fromkeys([*(one.tag for one in rows), "rpc", "system"])],
        "paths": paths,
        "components": {"schemas": schemas.components(paths), "headers": HEADERS, "securitySchemes": _SECURITY},
        "security": [{"key": []}, {"token": []}, {"session": []}],
    }


def _operation(operation: Operation[Any, Any], schemas: Schemas) -> Schema:
    found: Schema = {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "description": operation.detail,
        "tags": [operation.tag],
        "x-csx-scope": str(operation.scope),
        "x-csx-cost": operation.cost,
        "parameters": _parameters(operation, schemas),
    }
    if operation.deprecated_ns is not None:
        found["deprecated"] = True
    if operation.scope is Scope.PUBLIC:
        found["security"] = []
    if operation.method not in _QUERIED:
        found["requestBody"] = _body(operation, schemas)
    found["responses"] = _answers(operation, schemas) | problem_answers(operation)
    return found


def _parameters(operation: Operation[Any, Any], schemas: Schemas) -> list[Schema]:
    fields, needed = schemas.fields(operation.params)
    found = []
    for name, schema in fields.items():
        in_path = in_path_of(operation.path, name)
        if not in_path and operation.method not in _QUERIED:
            continue
        shown = sent_as_text(schema)
        one: Schema = {
            "name": name,
            "in": "path" if in_path else "query",
            "required": in_path or name in needed,
            "description": shown.pop("description", ""),
            "schema": shown,
        }
        if name in operation.example.params:
            one["example"] = operation.example.params[name]
        found.append(one)
    if operation.writes:
        found.append(_IDEMPOTENCY_KEY)
    return found


_IDEMPOTENCY_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A word of yours for this request: sent again within a day, it is answered again and not done again",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def _body(operation: Operation[Any, Any], schemas: Schemas) -> Schema:
    fields, needed = schemas.fields(operation.params)
    own = {name: schema for name, schema in fields.items() if not in_path_of(operation.path, name)}
    schema: Schema = {"type": "object", "properties": own, "additionalProperties": False}
    required = [name for name in own if name in needed]
    if required:
        schema["required"] = required
    example = {name: value for name, value in operation.example.params.items() if name in own}
    return {"required": bool(required), "content": {"application/json": {"schema": schema, "example": example}}}


def in_path_of(path: str, name: str) -> bool:
    """Tell whether a field of the parameters stands in the path."""
    return "{" + name + "}" in path


def _answers(operation: Operation[Any, Any], schemas: Schemas) -> dict[str, Schema]:
    tagged = operation.method == "GET" and operation.answer not in {None, Download} and not operation.secret_reply
    headers = reading_headers(operation) if tagged else writing_headers(operation)
    if operation.answer is None:
        return {str(status_of(operation)): {"description": "Done", "headers": headers}}
    content: Mapping[str, Any]
    if operation.answer is Download:
        content = {kind: {"schema": {"type": "string"}} for kind in DOWNLOADED}
    else:
        content = {"application/json": {"schema": schemas.of(operation.answer)}}
    found = {str(operation.status): {"description": operation.summary, "headers": headers, "content": content}}
    if tagged:
        found["304"] = {"description": "What `If-None-Match` names has not changed", "headers": headers}
    return found


DOWNLOADED: Final = ("text/csv", "application/x-ndjson", "application/vnd.apache.parquet")
"""Kinds of files that operations answer."""
