"""What the document says of calls by name. Pure."""

from collections.abc import Iterable
from typing import Any, Final

from services.gateway.contracts.answers import answers_of
from services.gateway.contracts.schemas import Schema, Schemas
from services.gateway.operations.operation import Download, Operation, Surface
from services.gateway.schemas.rpc import MOST_CALLS, RpcReplies, RpcReply

PATH: Final = "/v1/rpc"
TYPES: Final = (RpcReply, RpcReplies)

_CODES: Final = [
    "bad_request",
    "invalid_parameter",
    "unknown_parameter",
    "unauthenticated",
    "csrf",
    "https_required",
    "origin_not_allowed",
    "not_found",
    "method_not_allowed",
    "request_timeout",
    "too_large",
    "uri_too_long",
    "unsupported_media_type",
    "host_not_allowed",
    "invalid_body",
    "unknown_field",
    "rate_limited",
    "too_many_connections",
    "locked_out",
    "headers_too_large",
    "internal",
    "dependency_down",
    "time_exceeded",
]


def callable_by_name(operations: Iterable[Operation[Any, Any]]) -> dict[str, Operation[Any, Any]]:
    """Return the operations that are called by name."""
    return {one.name: one for one in operations if Surface.RPC in one.surfaces and one.answer is not Download}


def rpc_paths(operations: Iterable[Operation[Any, Any]], schemas: Schemas) -> dict[str, Schema]:
    """Return their part of the document's paths."""
    call: Schema = {
        "type": "object",
        "description": "One call; every further field is a parameter of the operation.",
        "properties": {
            "operation": {"type": "string", "enum": sorted(callable_by_name(operations))},
            "client_request_id": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "pattern": "^[!-~]+$",
                "description": "A word of yours for a call that writes: sent again within a day, it is not done again",
            },
        },
        "required": ["operation"],
    }
    batch: Schema = {
        "type": "object",
        "properties": {"batch": {"type": "array", "minItems": 1, "maxItems": MOST_CALLS, "items": call}},
        "required": ["batch"],
        "additionalProperties": False,
    }
    content = {"schema": {"anyOf": [call, batch]}, "example": {"operation": "markets.list"}}
    found = {
        "operationId": "rpc",
        "summary": "Operations by name",
        "description": f"One call, or a batch of up to {MOST_CALLS}: each needs its own scope, costs add up, they are "
        "done in their order. A call that fails says so in `error` of its reply, with status 200 of the whole.",
        "tags": ["rpc"],
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "200": {
                "description": "A reply for each call",
                "content": {"application/json": {"schema": {"anyOf": [schemas.of(RpcReply), schemas.of(RpcReplies)]}}},
            },
            **answers_of(_CODES),
        },
    }
    return {PATH: {"post": found}}
