"""A10, A9, S-01, S-05: every route of the application, asked as everybody; the status follows from the registry."""

import re

import pytest
from msgspec import structs

from services.gateway.access import people
from services.gateway.access.keys import mint
from services.gateway.access.people import User
from services.gateway.access.scopes import GRANTABLE, ROLES, Role, Scope
from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.operation import Surface
from services.gateway.store import keys
from services.gateway.surfaces.application import build
from services.gateway.surfaces.page import ASSETS
from tests.services.gateway.entering import Browser, person
from tests.services.gateway.operations.scenes import SCENES

REST = [operation for operation in OPERATIONS if Surface.REST in operation.surfaces]
CLOSED = [operation for operation in REST if operation.scope is not Scope.PUBLIC]
SIGNING_IN = {operation.name for operation in REST if operation.tag == "auth"}
"""Public, and answers 401 by itself: to who cannot say who they are."""

PUBLIC_PLAIN = {"/livez", "/readyz", *ASSETS}
OWNED = ("keys", "alerts")
"""Tags of what somebody owns: what belongs to another is not there."""


def _request(operation, example=None):
    """The operation's own example as a request: method, path, query, body."""
    params = dict(operation.example.params if example is None else example)
    path = re.sub(r"\{(\w+)\}", lambda field: str(params.pop(field[1], "none")), operation.path)
    sent = {"params": params} if operation.method in {"GET", "DELETE"} else {"json": params}
    return operation.method, path, sent


async def _ask(client, operation, headers):
    method, path, sent = _request(operation)
    return await client.request(method, path, headers=headers, **sent)


def _may(operation, scopes):
    return operation.scope is Scope.SIGNED_IN or operation.scope in scopes


def _needs_scope(answer):
    return answer.status_code == 403 and "needs the scope" in answer.json()["detail"]


@pytest.fixture
async def key_of(gateway):
    """Make a key of a new person with a role; returns the header that shows it."""

    async def make(role=Role.ADMIN, scopes=GRANTABLE, **changes):
        made = mint("walk", sorted(scopes), at_ns=1)
        name = f"usr_{made.row.key_id}"
        user = User(user_id=name, name=name.lower(), role=role, created_ns=1)
        assert await people.add(gateway.store.pool, user)
        row = structs.replace(made.row, owner=name, role=role, **changes)
        await gateway.store.add_key(row)
        if row.revoked_ns is not None:
            await gateway.store.revoke_key(row.key_id, row.revoked_ns)
        return {"Authorization": f"Bearer {made.text}"}

    return make


def test_a10_every_route_is_an_operations_or_named(gateway):
    app = build(gateway.desk, guard=gateway.guard, sessions=gateway.desk.sessions)
    served = {re.sub(":str", "", route.path) for route in app.routes}
    assert {operation.path for operation in REST} <= served
    unknown = {path for path in served if path.startswith("/v1/")} - {operation.path for operation in REST}
    assert all(path.startswith(("/v1/gpt/", "/v1/stream", "/v1/rpc")) for path in unknown), unknown


@pytest.mark.parametrize("operation", CLOSED, ids=lambda operation: operation.name)
def test_a10_every_scope_can_be_given_and_some_role_has_it(operation):
    assert operation.scope in {*GRANTABLE, Scope.SIGNED_IN}
    assert any(_may(operation, scopes) for scopes in ROLES.values())


async def test_a10_route_walk_anonymous(gateway):
    async with gateway.client(Accept="*/*") as client:
        for operation in REST:
            answer = await _ask(client, operation, {})
            if operation.scope is Scope.PUBLIC:
                assert answer.status_code != 403, operation.name
                assert answer.status_code != 401 or operation.name in SIGNING_IN, operation.name
            else:
                assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), operation.name
        for path in PUBLIC_PLAIN:
            assert (await client.get(path)).status_code == 200, path
        assert (await client.get("/metrics")).status_code == 401


@pytest.mark.parametrize("end", ["revoked", "expired", "replaced", "disabled", "unknown", "broken"])
async def test_a10_route_walk_with_a_key_that_ended(gateway, key_of, end):
    now = gateway.clock()
    changes = {"revoked": {"revoked_ns": 5}, "expired": {"expires_ns": now}}
    header = await key_of(**changes.get(end, {}))
    key_id = header["Authorization"].removeprefix("Bearer csx_live_")[:10]
    if end == "replaced":
        await keys.follow(gateway.store.pool, key_id, "another", now)
    if end == "disabled":
        await people.set_disabled(gateway.store.pool, f"usr_{key_id}", 5)
    if end == "unknown":
        header = {"Authorization": f"Bearer {mint('nobody').text}"}
    if end == "broken":
        header = {"Authorization": header["Authorization"][:-1] + "!"}
    async with gateway.client(Accept="*/*") as client:
        for operation in CLOSED:
            answer = await _ask(client, operation, header)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), operation.name


@pytest.mark.parametrize("role", Role)
async def test_a10_route_walk_as_a_role(gateway, key_of, role):
    header = await key_of(role)
    async with gateway.client(Accept="*/*") as client:
        for operation in CLOSED:
            answer = await _ask(client, operation, header)
            assert answer.status_code != 401, operation.name
            assert _needs_scope(answer) is not _may(operation, ROLES[role]), (operation.name, answer.text)
        assert (await client.get("/metrics", headers=header)).status_code == (200 if role is Role.ADMIN else 403)


@pytest.mark.parametrize("scope", sorted(GRANTABLE))
async def test_a10_route_walk_with_each_scope_absent_and_with_it_alone(gateway, key_of, scope):
    without, alone = await key_of(scopes=GRANTABLE - {scope}), await key_of(scopes={scope})
    async with gateway.client(Accept="*/*") as client:
        for operation in CLOSED:
            needed = operation.scope is scope
            assert _needs_scope(await _ask(client, operation, without)) is needed, operation.name
            assert _needs_scope(await _ask(client, operation, alone)) is not _may(operation, {scope}), operation.name


async def test_a10_route_walk_as_who_signed_in(gateway):
    await person(gateway.store)
    async with Browser(gateway.app) as browser:
        await browser.sign_in()
        for operation in CLOSED:
            method, path, sent = _request(operation)
            bare = await browser.http.request(method, path, **sent)
            if not _may(operation, ROLES[Role.READER]) and method == "GET":
                assert _needs_scope(bare), operation.name
            if method != "GET":
                assert (bare.status_code, bare.json()["code"]) == (403, "csrf"), operation.name
            answer = await browser.http.request(method, path, headers={"X-CSRF-Token": browser.word}, **sent)
            assert answer.status_code != 401, operation.name
            assert _needs_scope(answer) is not _may(operation, ROLES[Role.READER]), operation.name


_THEIRS = [operation for operation in CLOSED if operation.tag in OWNED and re.search(r"\{\w*id\}", operation.path)]


@pytest.mark.parametrize("operation", _THEIRS, ids=lambda operation: operation.name)
async def test_s01_what_belongs_to_another_is_not_there(gateway, make, key_of, operation):
    await SCENES[operation.example.given](gateway, make)
    stranger = await key_of(Role.TRADER)
    async with gateway.client(Accept="*/*") as client:
        answer = await _ask(client, operation, stranger)
        assert answer.status_code == 404, answer.text


_LISTS = [
    operation
    for operation in CLOSED
    if operation.tag in OWNED and operation.name.endswith(".list") and operation.name != "alerts.templates.list"
]


@pytest.mark.parametrize("operation", _LISTS, ids=lambda operation: operation.name)
async def test_s01_lists_hold_ones_own_alone(gateway, make, key_of, operation):
    await SCENES[operation.example.given](gateway, make)
    owner, stranger = await _key_of_local(gateway), await key_of(Role.TRADER)
    async with gateway.client(Accept="*/*") as client:
        theirs = (await _ask(client, operation, owner)).json()["data"]
        seen = (await _ask(client, operation, stranger)).json()["data"]
    assert theirs
    assert [one for one in seen if one in theirs] == []


async def _key_of_local(gateway):
    made = mint("owner", sorted(GRANTABLE), at_ns=1)
    await gateway.store.add_key(made.row)
    return {"Authorization": f"Bearer {made.text}"}


def test_s01_there_is_something_to_own():
    assert {operation.tag for operation in _THEIRS} == set(OWNED)
