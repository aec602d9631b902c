"""S-03: nothing is set that the caller may not set, and nothing is shown that the caller may not see."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway.access.scopes import Role
from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.operation import Surface
from services.gateway.operations.parsing import parse
from services.gateway.problems import Problem
from services.gateway.schemas.keys import AuditRecord, KeySecret, KeyView, Me, UserView
from tests.services.gateway.holding import holder
from tests.services.gateway.operations.scenes import SCENES

WRITES = [one for one in OPERATIONS if one.writes and Surface.REST in one.surfaces]
BODIES = [one for one in WRITES if one.method in {"POST", "PUT", "PATCH"}]
OURS = (
    *("owner", "role", "key_id", "created_ns", "digest", "secret", "used_ns", "uses", "revoked_ns", "rotated_to"),
    *("user_id", "subject", "credential", "is_admin", "admin", "expires_ns", "until_ns", "approved_ns", "state"),
    *("revision", "password_hash", "oidc_subject", "disabled_ns", "__proto__", "constructor", "seq", "hash"),
)


@pytest.mark.parametrize("operation", BODIES, ids=lambda one: one.name)
async def test_s03_fields_that_are_ours_to_set_are_unknown(gateway, make, operation):
    await SCENES[operation.example.given](gateway, make)
    known = {field.encode_name for field in msgspec.structs.fields(operation.params)}
    body = {name: one for name, one in operation.example.params.items() if f"{{{name}}}" not in operation.path}
    path = operation.path.format(**operation.example.params)
    async with await holder(gateway, Role.ADMIN) as client:
        for extra in OURS:
            if extra in known:
                continue
            answer = await client.request(operation.method, path, json=body | {extra: "admin"})
            assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field"), extra
            assert answer.json()["errors"][0]["field"] == extra
    assert await gateway.store.pool.fetchval("SELECT count(*) FROM gateway.audit WHERE actor LIKE 'usr_%'") == 0


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(extra=st.dictionaries(st.text(min_size=1, max_size=30), st.none() | st.integers() | st.text(), min_size=1))
def test_s03_no_operation_takes_a_field_that_it_does_not_document(operation, extra):
    known = {field.encode_name for field in msgspec.structs.fields(operation.params)}
    strange = {name: one for name, one in extra.items() if name not in known}
    if not strange:
        return
    for texts in (True, False):
        with pytest.raises(Problem) as caught:
            parse(operation.params, operation.example.params | strange, texts=texts)
        assert caught.value.code == ("unknown_parameter" if texts else "unknown_field")
        assert {error.field for error in caught.value.errors} == set(strange)


SHOWN: dict[type, set[str]] = {
    KeyView: {
        *("key_id", "name", "owner", "prefix", "scopes", "state", "created_ns", "created", "ends_ns", "ends"),
        *("ends_within_days", "revoked_ns", "revoked", "last_used_ns", "last_used", "uses", "rotated_to", "limits"),
        "quota_day",
    },
    KeySecret: {"secret", "key"},
    Me: {
        *("way", "subject", "name", "credential", "role", "scopes", "ends_ns", "ends", "limits", "quota_day"),
    },
    UserView: {"user_id", "name", "role", "signs_in_by", "created_ns", "created", "disabled_ns", "disabled"},
    AuditRecord: {
        *("seq", "at_ns", "at", "actor", "way", "credential", "action", "target", "address", "request_id"),
        *("before", "after", "hash"),
    },
}
"""What these views show, whole; a new field is a decision, made here too."""


@pytest.mark.parametrize("view", SHOWN, ids=lambda view: view.__name__)
def test_s03_views_show_what_was_decided(view):
    assert {field.encode_name for field in msgspec.structs.fields(view)} == SHOWN[view]


async def test_s03_no_answer_about_keys_and_people_names_a_hash(gateway):
    async with await holder(gateway, Role.ADMIN) as client:
        await client.post("/v1/users", json={"name": "ada", "password": "a password of ada"})
        for path in ("/v1/keys?owner=all", "/v1/users", "/v1/audit", "/v1/me"):
            answer = await client.get(path)
            assert answer.status_code == 200
            for word in ("argon2", "digest", '"secret"', "a password"):
                assert word not in answer.text, path


async def test_s03_what_is_made_belongs_to_who_made_it(gateway):
    async with await holder(gateway, Role.TRADER) as client:
        me: dict[str, Any] = (await client.get("/v1/me")).json()
        made = (await client.post("/v1/keys", json={"name": "x", "scopes": ["read:market"]})).json()
        assert made["key"]["owner"] == me["subject"]
