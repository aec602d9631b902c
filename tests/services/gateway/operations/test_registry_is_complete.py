"""Every operation whole: its parameters described and bounded, its path its own, its example executed as documented."""

import re
from itertools import combinations

import jsonschema  # type: ignore[import-untyped]  # it has no types
import msgspec
import pytest
from msgspec import inspect
from openapi_spec_validator import validate

from services.gateway.access.keys import mint
from services.gateway.access.scopes import GRANTABLE, Scope
from services.gateway.contracts.openapi import document
from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.operation import Download, Surface, status_of
from services.gateway.perimeter.perimeter import ANSWER_S
from services.gateway.problems import CODES
from tests.services.gateway.operations.scenes import SCENES

NAME = re.compile(r"[a-z]+(\.[a-z][a-z0-9_]*)+")
REST = [one for one in OPERATIONS if Surface.REST in one.surfaces]
SHADOWED = {"/v1/signals/latest": "the ids of signals are hashes"}
"""Paths that a template matches too, and why nothing of the template is lost."""

LONGEST = {"markets.candles": 1000}
"""Pages that may be longer than others."""
ELSEWHERE = {"provider": "tests/services/gateway/security/test_s07_oidc.py"}
"""Scenes that need more than a gateway, and the tests that execute their examples."""

named = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)


def struct_of(operation) -> inspect.StructType:
    info = inspect.type_info(operation.params)
    assert isinstance(info, inspect.StructType)
    return info


def kinds(kind):
    """Every type that a parameter may be, without null."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        return [found for one in kind.types for found in kinds(one)]
    return [] if isinstance(kind, inspect.NoneType) else [kind]


def test_names_and_paths_are_unique():
    for key in (lambda o: o.name, lambda o: o.operation_id, lambda o: o.tool, lambda o: (o.method, o.path)):
        assert len({key(one) for one in OPERATIONS}) == len(OPERATIONS)


@named
def test_an_operation_says_what_it_is(operation):
    assert NAME.fullmatch(operation.name)
    assert operation.path.startswith("/v1/")
    assert operation.method in {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert (operation.read is None) != (operation.write is None)
    assert operation.write is None or operation.method != "GET"
    assert isinstance(operation.scope, Scope)
    assert operation.summary
    assert "\n" not in operation.summary
    assert operation.detail
    assert operation.cost >= 1
    assert 0 < operation.timeout_s <= ANSWER_S
    assert set(operation.problems) <= set(CODES)
    assert operation.example.given in {*SCENES, *ELSEWHERE}, f"no scene {operation.example.given} in the tests' table"
    assert operation.sunset_ns is None or operation.deprecated_ns is not None


@named
def test_parameters_are_closed_described_and_bounded(operation):
    info = struct_of(operation)
    assert info.forbid_unknown_fields
    schema = msgspec.json.schema(operation.params)
    properties = schema["$defs"][operation.params.__name__]["properties"] if "$defs" in schema else schema["properties"]
    in_path = set(re.findall(r"{(\w+)}", operation.path))
    assert in_path <= set(properties)
    for field in info.fields:
        shown = properties[field.encode_name]
        assert shown.get("description"), f"{field.name} has no description"
        for kind in kinds(field.type):
            match kind:
                case inspect.StrType():
                    assert kind.max_length or kind.pattern, f"{field.name} is a text without a longest one"
                case inspect.IntType():
                    assert kind.le is not None or kind.lt is not None, f"{field.name} has no largest number"
                    assert kind.ge is not None or kind.gt is not None, f"{field.name} has no least number"
                    assert field.name != "limit" or (kind.le or 0) <= LONGEST.get(operation.name, 500)
                case inspect.ListType() | inspect.VarTupleType() | inspect.SetType():
                    assert 0 < (kind.max_length or 0) <= 20, f"{field.name} is a list without a longest one"
            if field.encode_name in in_path:
                assert isinstance(kind, inspect.StrType | inspect.EnumType | inspect.LiteralType)


def test_no_path_hides_another():
    paths = sorted({one.path for one in REST})
    for one, other in combinations(paths, 2):
        steps, others = one.split("/"), other.split("/")
        if len(steps) != len(others):
            continue
        same = all(a == b or "{" in a + b for a, b in zip(steps, others, strict=True))
        if same:
            assert {one, other} & set(SHADOWED), f"{one} and {other} match the same requests"


def test_the_document_is_valid_and_tells_scopes_and_problems():
    found = msgspec.json.decode(msgspec.json.encode(document(OPERATIONS)))
    validate(found)
    for operation in REST:
        shown = found["paths"][operation.path][operation.method.lower()]
        assert shown["operationId"] == operation.operation_id
        assert shown["x-csx-scope"] == str(operation.scope)
        assert {str(status_of(operation)), "400", "404", "429", "500", "503"} <= set(shown["responses"])
        assert ("401" in shown["responses"]) or operation.scope is Scope.PUBLIC
        assert (shown.get("security") == []) == (operation.scope is Scope.PUBLIC)


@pytest.fixture
async def admin(gateway):
    """A client that may do everything."""
    key = mint("admin", sorted(GRANTABLE))
    await gateway.store.add_key(key.row)
    async with gateway.client(Authorization=f"Bearer {key.text}") as client:
        yield client


def request_of(operation, head):
    """The example as HTTP sends it."""
    params = dict(operation.example.params)
    path = re.sub(r"{(\w+)}", lambda found: str(params.pop(found[1])), operation.path)
    where = "params" if operation.method in {"GET", "DELETE"} else "json"
    return {"method": operation.method, "url": path, where: params, "headers": head}


def check(operation, answer, shown):
    """The answer against the operation's type, and against the document."""
    assert answer.status_code == status_of(operation), (operation.name, answer.text)
    described = shown["paths"][operation.path][operation.method.lower()]["responses"][str(answer.status_code)]
    if operation.answer is None:
        assert answer.content == b""
        return
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in described["content"]
    if operation.answer is Download:
        assert answer.headers["content-disposition"].startswith("attachment")
        return
    body = msgspec.json.decode(answer.content)
    typed = msgspec.json.decode(answer.content, type=operation.answer)
    assert msgspec.json.decode(msgspec.json.encode(typed)) == body, operation.name
    schema = {**described["content"][kind]["schema"], "components": shown["components"]}
    jsonschema.Draft202012Validator(schema).validate(body)


READS = sorted({one.example.given for one in REST if one.read is not None and one.method == "GET"} - set(ELSEWHERE))


@pytest.mark.parametrize("scene", READS)
async def test_reads_answer_their_examples_as_documented(gateway, admin, make, scene):
    shown = msgspec.json.decode(msgspec.json.encode(document(OPERATIONS)))
    head = await SCENES[scene](gateway, make)
    asked = [one for one in REST if one.example.given == scene and one.read is not None and one.method == "GET"]
    faults = []
    for operation in asked:
        answer = await admin.request(**request_of(operation, head))
        try:
            check(operation, answer, shown)
        except (AssertionError, jsonschema.ValidationError, msgspec.ValidationError) as e:
            faults.append(f"{operation.name}: {answer.status_code}: {str(e)[:600]}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "operation", [one for one in REST if one.write is not None or one.method != "GET"], ids=lambda one: one.name
)
async def test_changes_answer_their_examples_as_documented(gateway, admin, make, operation):
    head = await SCENES[operation.example.given](gateway, make)
    shown = msgspec.json.decode(msgspec.json.encode(document(OPERATIONS)))
    check(operation, await admin.request(**request_of(operation, head)), shown)
