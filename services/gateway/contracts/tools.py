"""Which operations are tools of assistants, and what they take. Pure."""

from collections.abc import Iterable
from typing import Any, Final

from services.gateway.contracts.gpt import CURSOR
from services.gateway.contracts.inputs import input_schema
from services.gateway.contracts.schemas import Schema
from services.gateway.operations.operation import Download, Operation, Surface

_WORD: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "description": "A word of yours for this call: sent again within a day, it is answered again and not done again",
}


def tools(operations: Iterable[Operation[Any, Any]], *, writes: bool) -> dict[str, Operation[Any, Any]]:
    """Return the operations that are tools, by the tool's name.

    Secrets are never among an assistant's answers: what shows one is no tool.
    """
    return {
        one.tool: one
        for one in operations
        if Surface.MCP in one.surfaces
        and one.answer is not Download
        and not one.secret_reply
        and (writes or one.method == "GET")
    }


def tool_schema(operation: Operation[Any, Any]) -> Schema:
    """Return the schema of a tool's arguments."""
    schema = input_schema(operation.params)
    fields = dict(schema["properties"])
    if operation.writes:
        fields["client_request_id"] = _WORD
    elif "cursor" not in fields:
        fields["cursor"] = CURSOR
    return {**schema, "properties": fields}
