"""Sessions: begun by a password or a key, refreshed once a token, ended by a copy, by their person, or by their key."""

import asyncio

import pytest

from services.gateway.access import people, refresh
from services.gateway.access.keys import mint
from services.gateway.access.scopes import ROLES, Role
from tests.services.gateway.entering import PASSWORD, Browser, person

SECOND = 1_000_000_000
DAY_S = 86_400


@pytest.fixture
async def browser(gateway):
    await person(gateway.store)
    async with Browser(gateway.app) as browser:
        yield browser


async def audited(gateway):
    rows = await gateway.store.pool.fetch("SELECT actor, action, target FROM gateway.audit ORDER BY seq")
    return [(row["actor"], row["action"]) for row in rows]


async def test_a_password_opens_a_session_whose_cookies_no_script_and_no_other_site_gets(gateway, browser):
    answer = await browser.sign_in()
    assert answer.status_code == 200
    body = answer.json()
    assert (body["signed_in"], body["name"], body["role"], body["access_s"]) == (True, "ada", "reader", 600)
    assert set(body["scopes"]) == set(ROLES[Role.READER])
    access, refresh = answer.headers.get_list("set-cookie")
    for line in (access, refresh):
        assert "HttpOnly" in line
        assert "SameSite=Strict" in line
    assert "Path=/;" in access
    assert "Path=/v1/auth;" in refresh
    assert (await browser.get("/v1/markets")).status_code == 200
    assert await audited(gateway) == [("usr_ada", "auth.sign_in")]
    kept = await gateway.store.pool.fetchval("SELECT string_agg(t::text, ' ') FROM gateway.refresh t")
    assert browser.cookies["csx_refresh"] not in kept


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "wrong horse battery"),
        ("nobody", PASSWORD),
        ("local", PASSWORD),
        ("ada", "x"),
        ("ada'--", PASSWORD),
        ("\u202eada", PASSWORD),
        ("ada\n", "a\nb"),
    ],
)
async def test_who_cannot_say_the_password_is_told_nothing_more(browser, name, password):
    answer = await browser.sign_in(name=name, password=password)
    assert answer.status_code == 401
    assert answer.json()["errors"] == [{"field": "password", "message": "the name or the password is wrong"}]
    assert browser.cookies == {}


@pytest.mark.parametrize("body", [{}, {"name": "ada"}, {"key": "x", "name": "ada"}, {"name": 1, "password": "x"}])
async def test_a_sign_in_needs_a_name_and_a_password_or_a_key(browser, body):
    assert (await browser.post("/v1/auth/sign-in", body)).status_code == 422


async def test_a_person_who_was_shut_out_is_out_within_three_seconds_and_stays_out(gateway, browser):
    await browser.sign_in()
    assert (await browser.get("/v1/markets")).status_code == 200
    await people.set_disabled(gateway.store.pool, "usr_ada", 5)
    gateway.clock.now += 4 * SECOND
    assert (await browser.get("/v1/markets")).status_code == 401
    assert (await browser.refresh()).status_code == 401
    assert (await browser.sign_in(name="ada", password=PASSWORD)).status_code == 401


async def test_a_role_counts_as_it_is_now_and_not_as_the_token_says(gateway, browser):
    await browser.sign_in()
    await people.set_role(gateway.store.pool, "usr_ada", Role.ADMIN)
    gateway.clock.now += 4 * SECOND
    view = (await browser.get("/v1/auth/session")).json()
    assert (view["role"], set(view["scopes"])) == ("admin", set(ROLES[Role.ADMIN]))


async def test_a_key_is_exchanged_for_a_session_that_may_no_more_and_ends_with_it(gateway):
    key = mint("desk", ["read:signals"], at_ns=1)
    await gateway.store.add_key(key.row)
    async with Browser(gateway.app) as browser:
        assert (await browser.sign_in(key=key.text[:-1] + "x")).status_code == 401
        answer = await browser.sign_in(key=key.text)
        assert (answer.json()["name"], answer.json()["scopes"]) == ("desk", ["read:signals"])
        assert (await browser.get("/v1/signals")).status_code == 200
        assert (await browser.get("/v1/markets")).status_code == 403
        assert (await browser.refresh()).json()["scopes"] == ["read:signals"]
        await gateway.store.revoke_key(key.row.key_id, 7)
        gateway.clock.now += 4 * SECOND
        assert (await browser.get("/v1/signals")).status_code == 401
        assert (await browser.refresh()).status_code == 401


async def test_a_session_goes_on_by_its_refresh_token_for_a_week_of_silence_and_a_month_in_all(gateway, browser):
    await browser.sign_in()
    first = browser.cookies
    gateway.clock.now += 640 * SECOND
    assert (await browser.get("/v1/markets")).status_code == 401  # ten minutes, and half a minute for clocks
    assert (await browser.refresh()).status_code == 200
    assert browser.cookies["csx_refresh"] != first["csx_refresh"]
    assert (await browser.get("/v1/markets")).status_code == 200
    for _ in range(4):
        gateway.clock.now += 7 * DAY_S * SECOND - SECOND
        assert (await browser.refresh()).status_code == 200
    gateway.clock.now += 3 * DAY_S * SECOND
    assert (await browser.refresh()).status_code == 401


async def test_a_session_that_was_silent_for_a_week_has_ended(gateway, browser):
    await browser.sign_in()
    gateway.clock.now += 7 * DAY_S * SECOND
    assert (await browser.refresh()).status_code == 401


async def test_a_refresh_token_that_comes_again_ends_the_session_of_both(gateway, browser):
    await browser.sign_in()
    stolen = dict(browser.cookies)
    assert (await browser.refresh()).status_code == 200
    gateway.clock.now += 6 * SECOND
    async with Browser(gateway.app) as thief:
        thief.word = browser.word
        thief.http.cookies.set("csx_refresh", stolen["csx_refresh"], domain="127.0.0.1", path="/v1/auth")
        answer = await thief.refresh()
        assert answer.status_code == 401
        assert "used before" in answer.json()["detail"]
        assert "set-cookie" not in answer.headers
    assert (await browser.get("/v1/markets")).status_code == 401
    assert (await browser.refresh()).status_code == 401
    assert await audited(gateway) == [("usr_ada", "auth.sign_in"), ("usr_ada", "auth.reuse")]


async def test_two_tabs_that_refresh_at_once_get_one_new_token_and_end_nothing(gateway, browser):
    await browser.sign_in()
    async with Browser(gateway.app) as tab:
        tab.word = browser.word
        tab.http.cookies.update(browser.http.cookies)
        answers = await asyncio.gather(browser.refresh(), tab.refresh())
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    tokens = await gateway.store.pool.fetch("SELECT used_ns FROM gateway.refresh ORDER BY issued_ns, used_ns")
    assert [row["used_ns"] is None for row in tokens] == [False, True]
    assert (await browser.get("/v1/markets")).status_code == 200


async def test_many_refreshes_at_once_leave_one_successor(gateway, browser):
    await browser.sign_in()
    answers = await asyncio.gather(*(browser.refresh() for _ in range(12)))
    assert sorted({answer.status_code for answer in answers}) == [200, 409]
    assert sum(answer.status_code == 200 for answer in answers) >= 1
    unused = await gateway.store.pool.fetchval("SELECT count(*) FROM gateway.refresh WHERE used_ns IS NULL")
    assert unused == 1


async def test_who_signs_out_is_out_at_once_on_this_replica_and_by_redis_on_others(gateway, browser):
    await browser.sign_in()
    kept = dict(browser.cookies)
    answer = await browser.post("/v1/auth/sign-out")
    assert answer.json()["signed_in"] is False
    assert browser.cookies == {}
    async with Browser(gateway.app) as copy:
        copy.word = browser.word
        copy.http.cookies.set("csx_access", kept["csx_access"], domain="127.0.0.1", path="/")
        copy.http.cookies.set("csx_refresh", kept["csx_refresh"], domain="127.0.0.1", path="/v1/auth")
        assert (await copy.get("/v1/markets")).status_code == 401
        assert (await copy.refresh()).status_code == 401
        bearer = {"Authorization": f"Bearer {kept['csx_access']}"}
        assert (await copy.http.get("/v1/markets", headers=bearer)).status_code == 401
    assert await audited(gateway) == [("usr_ada", "auth.sign_in"), ("usr_ada", "auth.sign_out")]


async def test_a_token_opens_by_header_too_and_needs_no_word_there(gateway, browser):
    await browser.sign_in()
    bearer = {"Authorization": f"Bearer {browser.cookies['csx_access']}"}
    async with Browser(gateway.app) as program:
        assert (await program.http.get("/v1/markets", headers=bearer)).status_code == 200
        assert (await program.http.post("/v1/stream/tickets", headers=bearer)).status_code == 201


async def test_a_cookie_that_opens_nothing_is_as_none_so_that_one_can_sign_in_again(browser):
    browser.http.cookies.set("csx_access", "a.b.c", domain="127.0.0.1", path="/")
    assert (await browser.get("/v1/markets")).status_code == 401
    assert (await browser.get("/v1/auth/session")).json()["signed_in"] is False
    assert (await browser.get("/")).status_code == 200


async def test_sessions_live_ten_minutes_on_their_signature_when_the_store_is_away(gateway, browser):
    await browser.sign_in()
    await gateway.store.stop()
    gateway.clock.now += 4 * SECOND
    assert (await browser.post("/v1/stream/tickets")).status_code == 201  # needs Redis alone
    await gateway.desk.sign_ins._denials.add(await _family(gateway, browser))
    gateway.guard.forget("")
    assert (await browser.post("/v1/stream/tickets")).status_code == 401


async def _family(gateway, browser):
    return gateway.desk.sign_ins.tokens.read(browser.cookies["csx_access"]).fam


async def test_an_open_stream_is_closed_when_its_session_ends(gateway, browser):
    await browser.sign_in()
    principal = await gateway.guard.who({"cookie": f"csx_access={browser.cookies['csx_access']}"})
    assert await gateway.guard.renew(principal) == principal
    await browser.post("/v1/auth/sign-out")
    assert await gateway.guard.renew(principal) is None


async def test_a_session_that_ended_is_on_record_for_a_week(gateway, browser):
    await browser.sign_in()
    await browser.post("/v1/auth/sign-out")
    await browser.sign_in()
    count = "SELECT (SELECT count(*) FROM gateway.families), (SELECT count(*) FROM gateway.refresh)"
    now = gateway.clock()
    assert await refresh.prune(gateway.store.pool, now + 6 * DAY_S * SECOND) == 0
    assert await refresh.prune(gateway.store.pool, now + 8 * DAY_S * SECOND) == 1
    assert tuple(await gateway.store.pool.fetchrow(count)) == (1, 1)
    assert await refresh.prune(gateway.store.pool, now + 38 * DAY_S * SECOND) == 1
    assert tuple(await gateway.store.pool.fetchrow(count)) == (0, 0)


async def test_the_public_set_is_served(gateway, browser):
    keys = (await browser.get("/v1/auth/jwks")).json()["keys"]
    assert [(key["kty"], key["crv"], key["use"]) for key in keys] == [("OKP", "Ed25519", "sig")]
