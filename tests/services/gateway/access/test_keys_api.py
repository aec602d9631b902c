"""Keys by HTTP: made, seen by whose they are, followed, revoked, counted; nothing is given that one has not."""

import asyncio
from typing import Any

import httpx
import pytest

from services.gateway.access.keys import PATTERN, mint
from services.gateway.access.scopes import GRANTABLE, ROLES, Role, Scope
from services.gateway.store import keys
from tests.services.gateway.holding import holder, key_of, person

DAY_NS = 86_400 * 1_000_000_000
WISH = {"name": "desk", "scopes": ["read:market", "read:signals"]}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def with_key(gateway, text):
    async with gateway.client(Authorization=f"Bearer {text}") as client:
        return await client.get("/v1/markets")


async def test_a_key_is_made_shown_once_and_opens_what_it_was_given(gateway):
    async with await holder(gateway, Role.READER) as client:
        made = await client.post("/v1/keys", json=WISH)
        assert made.status_code == 201
        body = made.json()
        text, view = body["secret"], body["key"]
        assert PATTERN.fullmatch(text)
        assert view["prefix"] == text[:19]
        assert (view["state"], view["name"], view["scopes"]) == ("active", "desk", ["read:market", "read:signals"])
        assert view["ends_ns"] - view["created_ns"] == 90 * DAY_NS
        assert view["ends_within_days"] is None
        assert (await with_key(gateway, text)).status_code == 200
        shown = (await client.get(f"/v1/keys/{view['key_id']}")).json()
        listed = (await client.get("/v1/keys")).json()
        assert shown == view
        assert [one["key_id"] for one in listed["data"]].count(view["key_id"]) == 1
        assert text[20:] not in str(listed) + str(shown)


@pytest.mark.parametrize(("days", "warning"), [(90, None), (14, 14), (4, 14), (3, 3), (1, 1), (30, None)])
async def test_a_key_warns_of_its_end_and_then_opens_nothing(gateway, days, warning):
    async with await holder(gateway, Role.READER) as client:
        body = (await client.post("/v1/keys", json=WISH | {"expires_in_days": days})).json()
        assert body["key"]["ends_within_days"] == warning
        gateway.clock.now += days * DAY_NS - 1
        assert (await with_key(gateway, body["secret"])).status_code == 200
        gateway.clock.now += 1
        assert code(await with_key(gateway, body["secret"])) == (401, "unauthenticated")
        assert (await client.get(f"/v1/keys/{body['key']['key_id']}")).json()["state"] == "expired"


@pytest.mark.parametrize("scope", sorted(GRANTABLE))
async def test_nobody_gives_what_they_have_not(gateway, scope):
    mine = {Scope.KEYS, Scope.MARKET}
    async with await holder(gateway, Role.ADMIN, *mine) as client:
        answer = await client.post("/v1/keys", json={"name": "x", "scopes": ["read:market", scope]})
    if scope in mine:
        assert answer.status_code == 201
    else:
        assert code(answer) == (403, "forbidden")
        assert scope in answer.json()["detail"]


async def test_a_key_opens_no_more_than_its_owner_s_role_now(gateway):
    user = await person(gateway, Role.READER)
    text, row = await key_of(gateway, user.user_id)  # every scope, of a reader
    async with gateway.client(Authorization=f"Bearer {text}") as client:
        assert set((await client.get("/v1/me")).json()["scopes"]) == set(ROLES[Role.READER])
        assert code(await client.get("/v1/users")) == (403, "forbidden")
        await gateway.store.pool.execute("UPDATE gateway.users SET role = 'admin' WHERE user_id = $1", user.user_id)
        gateway.clock.now += 3_000_000_000
        assert (await client.get("/v1/users")).status_code == 200
        await gateway.store.pool.execute("UPDATE gateway.users SET disabled_ns = 1 WHERE user_id = $1", user.user_id)
        gateway.clock.now += 3_000_000_000
        assert code(await client.get("/v1/me")) == (401, "unauthenticated")
    assert row.owner == user.user_id


async def test_the_keys_of_others_are_not_there(gateway):
    async with await holder(gateway, Role.TRADER) as ada, await holder(gateway, Role.TRADER) as eve:
        key_id = (await ada.post("/v1/keys", json=WISH)).json()["key"]["key_id"]
        for answer in (
            await eve.get(f"/v1/keys/{key_id}"),
            await eve.get(f"/v1/keys/{key_id}/usage"),
            await eve.post(f"/v1/keys/{key_id}/rotate", json={}),
            await eve.delete(f"/v1/keys/{key_id}"),
        ):
            assert code(answer) == (404, "not_found")
            nothing = await eve.get("/v1/keys/0000000000")
            assert answer.json()["detail"].replace(key_id, "0000000000") == nothing.json()["detail"]
        assert key_id not in (await eve.get("/v1/keys")).text
        assert code(await eve.get("/v1/keys", params={"owner": "all"})) == (403, "forbidden")
        async with await holder(gateway, Role.ADMIN) as root:
            assert key_id in (await root.get("/v1/keys", params={"owner": "all"})).text
            assert (await root.delete(f"/v1/keys/{key_id}")).json()["state"] == "revoked"


async def test_keys_are_paged_without_a_seam(gateway):
    async with await holder(gateway, Role.READER) as client:
        made = [(await client.post("/v1/keys", json=WISH)).json()["key"]["key_id"] for _ in range(7)]
        found, cursor = [], None
        while True:
            page = (await client.get("/v1/keys", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))).json()
            found += [one["key_id"] for one in page["data"]]
            if not (cursor := page["next_cursor"]):
                break
    assert len(found) == len(set(found)) == 8  # and the one that asked
    assert set(made) < set(found)


async def test_a_key_is_followed_by_another_with_both_open_for_a_while(gateway):
    async with await holder(gateway, Role.TRADER) as client:
        wish = WISH | {"expires_in_days": 30, "quota_day": 500}
        old = (await client.post("/v1/keys", json=wish)).json()
        gateway.clock.now += 10 * DAY_NS
        answer = await client.post(f"/v1/keys/{old['key']['key_id']}/rotate", json={"overlap_s": 3600})
        new = answer.json()
        for field in ("name", "scopes", "owner", "limits", "quota_day"):
            assert new["key"][field] == old["key"][field], field
        assert new["key"]["ends_ns"] == gateway.clock() + 30 * DAY_NS
        before = (await client.get(f"/v1/keys/{old['key']['key_id']}")).json()
        assert (before["state"], before["rotated_to"]) == ("ending", new["key"]["key_id"])
        assert before["ends_ns"] == gateway.clock() + 3_600_000_000_000
        again = await client.post(f"/v1/keys/{old['key']['key_id']}/rotate", json={})
        assert code(again) == (409, "conflict")
        assert (await with_key(gateway, old["secret"])).status_code == 200
        assert (await with_key(gateway, new["secret"])).status_code == 200
        gateway.clock.now += 3_600_000_000_000
        assert (await with_key(gateway, old["secret"])).status_code == 401
        assert (await with_key(gateway, new["secret"])).status_code == 200
        at_once = await client.post(f"/v1/keys/{new['key']['key_id']}/rotate", json={"overlap_s": 0})
        assert (await with_key(gateway, new["secret"])).status_code == 401
        assert (await with_key(gateway, at_once.json()["secret"])).status_code == 200


async def test_a_key_that_opens_more_cannot_be_had_by_letting_one_follow_it(gateway):
    user = await person(gateway, Role.ADMIN)
    _, strong = await key_of(gateway, user.user_id)
    weak, _ = await key_of(gateway, user.user_id, Scope.KEYS, Scope.MARKET)
    async with gateway.client(Authorization=f"Bearer {weak}") as client:
        assert code(await client.post(f"/v1/keys/{strong.key_id}/rotate", json={})) == (403, "forbidden")
        assert (await client.delete(f"/v1/keys/{strong.key_id}")).status_code == 200  # what leaked may be ended


async def test_a_revoked_key_stays_revoked_and_revoking_again_changes_nothing(gateway):
    async with await holder(gateway, Role.READER) as client:
        key = (await client.post("/v1/keys", json=WISH)).json()
        first = (await client.delete(f"/v1/keys/{key['key']['key_id']}")).json()
        gateway.clock.now += 1_000
        assert (await client.delete(f"/v1/keys/{key['key']['key_id']}")).json() == first
        assert (await with_key(gateway, key["secret"])).status_code == 401  # at once, where it was revoked
        assert code(await client.post(f"/v1/keys/{key['key']['key_id']}/rotate", json={})) == (409, "conflict")


async def test_a_key_gives_no_wider_limits_than_its_own(gateway):
    async with await holder(gateway, Role.TRADER, quota_day=1_000) as client:
        assert code(await client.post("/v1/keys", json=WISH | {"limits": "wide"})) == (403, "forbidden")
        assert code(await client.post("/v1/keys", json=WISH | {"quota_day": 1_001})) == (403, "forbidden")
        assert code(await client.post("/v1/keys", json=WISH | {"limits": "endless"})) == (422, "invalid_body")
        same, less = [
            (await client.post("/v1/keys", json=WISH | more)).json()["key"] for more in ({}, {"quota_day": 7})
        ]
        assert (same["quota_day"], less["quota_day"]) == (1_000, 7)
    async with await holder(gateway, Role.ADMIN) as root:
        assert (await root.post("/v1/keys", json=WISH | {"limits": "wide"})).json()["key"]["limits"] == "wide"


async def test_nobody_has_more_than_a_hundred_keys_though_all_are_asked_for_at_once(gateway):
    user = await person(gateway, Role.READER)
    text, _ = await key_of(gateway, user.user_id)
    for _ in range(97):
        await key_of(gateway, user.user_id)
    async with gateway.client(Authorization=f"Bearer {text}") as client:
        answers = await asyncio.gather(*(client.post("/v1/keys", json=WISH) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]
    assert await keys.living(gateway.store.pool, user.user_id, gateway.clock()) == 100


async def test_uses_are_counted_by_hour_operation_and_outcome(gateway):
    async with await holder(gateway, Role.READER) as client:
        key = (await client.post("/v1/keys", json=WISH | {"scopes": ["read:market"]})).json()
        async with gateway.client(Authorization=f"Bearer {key['secret']}") as mine:
            for _ in range(3):
                assert (await mine.get("/v1/markets")).status_code == 200
            assert (await mine.get("/v1/markets/NONE-USDT/book")).status_code == 404
            gateway.clock.now += 3_600_000_000_000
            assert (await mine.get("/v1/markets")).status_code == 200
        await gateway.desk.usage.flush()
        await gateway.desk.usage.flush()  # what was written is not written again
        url = f"/v1/keys/{key['key']['key_id']}"
        usage = (await client.get(f"{url}/usage")).json()
        hour = gateway.clock() // 3_600_000_000_000 * 3_600_000_000_000
        assert [(one["hour_ns"], one["operation"], one["status_class"], one["calls"]) for one in usage["data"]] == [
            (hour, "markets.list", 2, 1),
            (hour - 3_600_000_000_000, "markets.book", 4, 1),
            (hour - 3_600_000_000_000, "markets.list", 2, 3),
        ]
        assert (usage["calls"], usage["complete"]) == (5, True)
        view = (await client.get(url)).json()
        assert (view["uses"], view["last_used_ns"]) == (5, gateway.clock())
        one_hour = (await client.get(f"{url}/usage", params={"from_ns": hour, "to_ns": hour + 1})).json()
        assert one_hour["calls"] == 1
        assert code(await client.get(f"{url}/usage", params={"from_ns": 0})) == (400, "invalid_parameter")


async def test_what_was_counted_while_the_database_was_away_is_written_later(gateway):
    import asyncpg

    from services.gateway.access.principal import Principal, Way
    from services.gateway.access.usage import Usage

    pool: list[Any] = [None]

    class Away:
        def acquire(self):
            raise asyncpg.InterfaceError("away")

    usage = Usage(lambda: pool[0], clock=gateway.clock)
    key_id = gateway.key[9:19]
    who = Principal(way=Way.KEY, subject="local", credential=key_id, name="x", scopes=frozenset())
    usage.count(who, "markets.list", 200, 2)
    pool[0] = Away()
    with pytest.raises(asyncpg.InterfaceError):
        await usage.flush()
    usage.count(who, "markets.list", 304, 2)
    pool[0] = gateway.store.pool
    await usage.flush()
    row = await gateway.store.pool.fetchrow("SELECT n, cost, class FROM gateway.key_usage")
    assert tuple(row) == (2, 4, 2)
    assert (await gateway.store.find_key(key_id)).uses == 2


async def test_me_says_who_one_is_and_nobody_is_nobody(gateway):
    async with gateway.client(Authorization=f"Bearer {gateway.key}") as client:
        me = (await client.get("/v1/me")).json()
        assert (me["way"], me["subject"], me["credential"]) == ("key", "local", gateway.key[9:19])
    text, row = await key_of(gateway, "local", Scope.ALERTS_WRITE)
    async with gateway.client(Authorization=f"Bearer {text}") as client:  # of any scopes
        assert (await client.get("/v1/me")).json()["scopes"] == ["write:alerts"]
    async with gateway.client(Accept="*/*") as nobody:
        assert code(await nobody.get("/v1/me")) == (401, "unauthenticated")
    assert row.owner == "local"


@pytest.mark.parametrize("scope", [Scope.PUBLIC, Scope.SIGNED_IN])
async def test_what_is_everybody_s_is_not_given(gateway, scope):
    async with await holder(gateway) as client:
        assert code(await client.post("/v1/keys", json={"name": "x", "scopes": [scope]})) == (422, "invalid_body")


def test_a_key_made_at_the_command_line_may_what_it_says():
    assert mint("x", ["admin:keys", "read"]).row.scopes == ("admin:keys", "read")
