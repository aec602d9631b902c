"""People by HTTP: let in, changed, shut out and forgotten by who administers them, and by nobody who may less."""

import asyncio

import pytest

from services.gateway.access import people
from services.gateway.access.scopes import ROLES, Role, Scope
from services.gateway.limits.gate import LimitGate
from services.gateway.limits.limiter import RedisLimiter
from services.gateway.operations.parsing import parse
from services.gateway.operations.rules import RULES
from services.gateway.store import alerting
from services.gateway.store.alerting import RecipientRow
from tests.services.gateway.entering import Browser
from tests.services.gateway.holding import holder, key_of, person

PASSWORD = "a password of ada"
WISH = {"name": "Ada ", "role": "trader", "password": PASSWORD}


def code(answer):
    return answer.status_code, answer.json()["code"]


async def test_somebody_is_let_in_and_signs_in(gateway):
    async with await holder(gateway) as root:
        made = await root.post("/v1/users", json=WISH)
        assert made.status_code == 201
        view = made.json()
        assert (view["name"], view["role"], view["signs_in_by"]) == ("ada", "trader", ["password"])
        assert (await root.get(f"/v1/users/{view['user_id']}")).json() == view
        assert code(await root.post("/v1/users", json={"name": "ada"})) == (409, "conflict")
        names = [one["name"] for one in (await root.get("/v1/users")).json()["data"]]
        assert {"ada", "local"} < set(names)
    async with Browser(gateway.app) as browser:
        answer = await browser.sign_in(name="ada", password=PASSWORD)
        assert answer.json()["role"] == "trader"


@pytest.mark.parametrize("password", ["short", "x" * 257, ""])
async def test_a_password_is_long_enough_and_not_too_long(gateway, password):
    async with await holder(gateway) as root:
        assert code(await root.post("/v1/users", json=WISH | {"password": password})) == (422, "invalid_body")


@pytest.mark.parametrize(
    ("change", "ends"),
    [({"disabled": True}, True), ({"password": "another password"}, True), ({"role": "admin"}, False)],
)
async def test_a_change_reaches_sessions_and_keys(gateway, change, ends):
    async with await holder(gateway) as root:
        user_id = (await root.post("/v1/users", json=WISH)).json()["user_id"]
        text, _ = await key_of(gateway, user_id)
        async with Browser(gateway.app) as browser, gateway.client(Authorization=f"Bearer {text}") as client:
            await browser.sign_in(name="ada", password=PASSWORD)
            assert (await browser.get("/v1/markets")).status_code == 200
            assert set((await client.get("/v1/me")).json()["scopes"]) == ROLES[Role.TRADER]
            changed = await root.patch(f"/v1/users/{user_id}", json=change)
            assert changed.status_code == 200
            assert (await browser.get("/v1/markets")).status_code == (401 if ends else 200)
            mine = await client.get("/v1/me")
            assert mine.status_code == (401 if "disabled" in change else 200)
            if "role" in change:
                assert set(mine.json()["scopes"]) == ROLES[Role.ADMIN]
        if "disabled" in change:
            assert (await root.patch(f"/v1/users/{user_id}", json={"disabled": False})).json()["disabled"] is None


async def test_nobody_gives_a_role_that_holds_more_than_they_may(gateway):
    async with await holder(gateway, Role.ADMIN, Scope.ADMIN_USERS, *ROLES[Role.TRADER]) as some:
        assert (await some.post("/v1/users", json=WISH)).status_code == 201
        assert code(await some.post("/v1/users", json={"name": "eve", "role": "admin"})) == (403, "forbidden")
        ada = await people.named(gateway.store.pool, "ada")
        assert ada
        assert code(await some.patch(f"/v1/users/{ada.user_id}", json={"role": "admin"})) == (403, "forbidden")
        boss = await person(gateway, Role.ADMIN)
        for change in ({"password": "taken over by me"}, {"disabled": True}, {"role": "reader"}):
            assert code(await some.patch(f"/v1/users/{boss.user_id}", json=change)) == (403, "forbidden")
        assert code(await some.delete(f"/v1/users/{boss.user_id}")) == (403, "forbidden")


async def test_the_owner_of_this_machine_s_keys_stays(gateway):
    async with await holder(gateway) as root:
        assert code(await root.delete("/v1/users/local")) == (409, "conflict")
        assert code(await root.patch("/v1/users/local", json={"role": "reader"})) == (409, "conflict")
        assert code(await root.get("/v1/users/nobody")) == (404, "not_found")


async def test_of_two_administrators_who_shut_each_other_out_one_stays(gateway):
    users = [await person(gateway, Role.ADMIN) for _ in range(2)]
    keys = [(await key_of(gateway, user.user_id))[0] for user in users]
    async with (
        gateway.client(Authorization=f"Bearer {keys[0]}") as one,
        gateway.client(Authorization=f"Bearer {keys[1]}") as other,
    ):
        answers = await asyncio.gather(
            one.patch(f"/v1/users/{users[1].user_id}", json={"role": "reader"}),
            other.patch(f"/v1/users/{users[0].user_id}", json={"role": "reader"}),
        )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert await people.admins(gateway.store.pool) == 1


async def test_s21_who_is_forgotten_leaves_nothing_but_the_audit(gateway):
    async with await holder(gateway) as root:
        user_id = (await root.post("/v1/users", json=WISH)).json()["user_id"]
        text, row = await key_of(gateway, user_id)
        address = RecipientRow(owner=user_id, channel="telegram", recipient="1001", created_ns=1, approved_ns=1)
        async with gateway.store.pool.acquire() as connection:
            await alerting.add_recipient(connection, address)
        async with gateway.client(Authorization=f"Bearer {text}") as client:
            create = next(one for one in RULES if one.name == "alerts.rules.create")
            parse(create.params, create.example.params, texts=False)
            rule = await client.post("/v1/alerts/rules", json=create.example.params)
            assert rule.status_code == 201, rule.text
        await gateway.desk.usage.flush()
        async with Browser(gateway.app) as browser:
            await browser.sign_in(name="ada", password=PASSWORD)
            assert (await root.delete(f"/v1/users/{user_id}")).status_code == 204
            assert (await browser.get("/v1/markets")).status_code == 401
        async with gateway.client(Authorization=f"Bearer {text}") as client:
            assert (await client.get("/v1/markets")).status_code == 401
        assert code(await root.get(f"/v1/users/{user_id}")) == (404, "not_found")
    pool = gateway.store.pool
    for table, column, value in (
        ("users", "user_id", user_id),
        ("api_keys", "owner", user_id),
        ("key_usage", "key_id", row.key_id),
        ("families", "user_id", user_id),
        ("recipients", "owner", user_id),
    ):
        assert await pool.fetchval(f"SELECT count(*) FROM gateway.{table} WHERE {column} = $1", value) == 0, table
    rules = await pool.fetch("SELECT deleted FROM gateway.rules WHERE owner = $1", user_id)
    assert [rule["deleted"] for rule in rules] == [True]
    assert await pool.fetchval("SELECT count(*) FROM gateway.announcements") == 2  # made, and taken away
    assert await pool.fetchval("SELECT count(*) FROM gateway.audit WHERE actor = $1", user_id) >= 2


async def test_a_key_s_quota_of_a_day_is_used_up(gateway):
    gateway.desk.gate = LimitGate(RedisLimiter(gateway.latest.redis))
    async with await holder(gateway, Role.READER, quota_day=3) as client:
        answers = [await client.get("/v1/me") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["code"] == "quota_exhausted"
    assert int(answers[3].headers["retry-after"]) > 3_600
