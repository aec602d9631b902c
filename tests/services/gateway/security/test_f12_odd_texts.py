"""Finding 12: what no store takes as a text is refused or not found, in every field of every operation."""

from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.operation import Surface
from tests.services.gateway.holding import holder
from tests.services.gateway.operations.scenes import SCENES

ODD = (
    "a\0b",
    "\0",
    "'; DROP TABLE gateway.users; --",
    "%00",
    "\ufffe\uffff",
    "\N{GRINNING FACE}" * 20,
    "../../etc/passwd",
    "a\nb",
)


def _texts(params):
    """Return the fields that take a text."""
    found = []
    for field in msgspec.structs.fields(params):
        schema = msgspec.json.schema(field.type)
        kinds = {schema.get("type"), *(one.get("type") for one in schema.get("anyOf", ()))}
        if "string" in kinds:
            found.append(field.encode_name)
    return found


CASES = [
    (operation, field)
    for operation in OPERATIONS
    if Surface.REST in operation.surfaces and not operation.name.startswith("auth.")
    for field in _texts(operation.params)
]


@pytest.mark.parametrize("scene", sorted({operation.example.given for operation, _ in CASES}))
async def test_f12_an_odd_text_in_any_field_is_no_fault_of_ours(gateway, make, scene):
    await SCENES[scene](gateway, make)
    async with await holder(gateway) as client:
        for operation, field in [case for case in CASES if case[0].example.given == scene]:
            for odd in ODD:
                params = dict(operation.example.params) | {field: odd}
                path = operation.path
                for name in [name for name in params if f"{{{name}}}" in path]:
                    path = path.replace(f"{{{name}}}", quote(str(params.pop(name)), safe=""))
                sent: dict[str, Any] = {"params": params} if operation.method in {"GET", "DELETE"} else {"json": params}
                answer = await client.request(operation.method, path, **sent)
                assert answer.status_code < 500, (operation.name, field, odd, answer.text)
