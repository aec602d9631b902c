"""Signing in to the page, in a browser: by password or key, for as long as the session lives; scripts see no secret."""

import re

import pytest

from deploy.local.sandbox.issuer import FakeIssuer
from services.gateway.access import people
from services.gateway.access.fetching import Fetcher
from services.gateway.access.keyring import Keyring
from services.gateway.access.keys import mint
from services.gateway.access.oidc import Elsewhere, Roles
from services.gateway.access.provider import Client, Provider
from tests.services.gateway import entering
from tests.services.gateway.entering import PASSWORD, person

pytestmark = pytest.mark.browser


@pytest.fixture
async def page(gateway, address, chromium, make):
    await gateway.fold(make.trade(60_000.0), make.snapshot(10), make.candle())
    await person(gateway.store, "ada")
    page = await chromium.new_page()
    await page.goto(f"http://{address}/")
    yield page
    await page.close()


async def _signed_in(page, name="ada"):
    from playwright.async_api import expect

    await expect(page.get_by_test_id("who")).to_have_text(name)
    await expect(page.get_by_test_id("link-state")).to_have_attribute("data-state", re.compile("live|stale"))
    await expect(page.get_by_test_id("price")).to_have_text("60,000.0")


async def _enter(page, password=PASSWORD):
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def test_a_person_signs_in_with_a_password_sees_the_market_and_signs_out(page, gateway):
    from playwright.async_api import expect

    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await _enter(page, "wrong horse battery")
    await expect(page.get_by_role("alert")).to_have_text("the name or the password is wrong")
    await _enter(page)
    await _signed_in(page)
    cookies = {cookie["name"]: cookie for cookie in await page.context.cookies()}
    assert {name: cookie["path"] for name, cookie in cookies.items()} == {"csx_access": "/", "csx_refresh": "/v1/auth"}
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Strict" for cookie in cookies.values())
    seen = await page.evaluate("document.cookie + JSON.stringify({...sessionStorage, ...localStorage})")
    assert seen == '{"csx.market":"okx|BTC-USDT-PERP"}'
    await page.reload()
    await _signed_in(page)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert await page.context.cookies() == []
    ended = await gateway.store.pool.fetchval("SELECT reason FROM gateway.families")
    assert ended == "signed out"


async def test_a_key_is_exchanged_and_kept_nowhere_and_its_end_is_the_sessions(page, gateway):
    from playwright.async_api import expect

    key = mint("desk")
    await gateway.store.add_key(key.row)
    await page.get_by_label("API key").fill(key.text)
    await page.get_by_role("button", name="Open").click()
    await _signed_in(page, "desk")
    kept = await page.evaluate("location.href + document.cookie + JSON.stringify({...sessionStorage, ...localStorage})")
    assert "csx_live_" not in kept
    await gateway.store.revoke_key(key.row.key_id, 7)
    gateway.clock.now += 4_000_000_000
    await expect(page.get_by_role("alert")).to_have_text("The session has ended: sign in again.")


async def test_two_tabs_share_a_session_and_one_that_ends_it_ends_it_for_both(page, gateway, address):
    from playwright.async_api import expect

    await _enter(page)
    await _signed_in(page)
    other = await page.context.new_page()
    await other.goto(f"http://{address}/")
    await _signed_in(other)
    await page.get_by_role("button", name="Sign out").click()
    await expect(other.get_by_role("alert")).to_have_text("The session has ended: sign in again.")


async def test_a_tab_that_slept_beyond_its_ten_minutes_goes_on(page, gateway):
    from playwright.async_api import expect

    await _enter(page)
    await _signed_in(page)
    gateway.clock.now += 3_600 * 1_000_000_000
    async with page.expect_response("**/v1/auth/refresh") as refreshed:
        await page.get_by_role("button", name="5m", exact=True).click()
    assert (await refreshed.value).status == 200
    await expect(page.get_by_role("heading", name="Sign in")).to_be_hidden()
    assert await gateway.store.pool.fetchval("SELECT count(*) FROM gateway.refresh") >= 2


async def test_a_person_who_is_shut_out_is_shown_the_door(page, gateway):
    from playwright.async_api import expect

    await _enter(page)
    await _signed_in(page)
    await people.set_disabled(gateway.store.pool, "usr_ada", 5)
    gateway.clock.now += 4_000_000_000
    await expect(page.get_by_role("alert")).to_have_text("The session has ended: sign in again.")


async def test_a_person_comes_from_the_provider_and_lands_on_the_page(gateway, address, chromium, make):
    from playwright.async_api import expect

    await gateway.fold(make.trade(60_000.0), make.snapshot(10), make.candle())
    issuer = FakeIssuer("csx", "s3cret", f"http://{address}/v1/auth/oidc/callback")
    await issuer.start()
    fetcher = Fetcher(loopback=True)
    client = Client(issuer=issuer.url, client_id="csx", client_secret="s3cret", redirect_uri=issuer.redirect_uri)
    gateway.desk.elsewhere = Elsewhere(Provider(client, fetcher), [b"s" * 32], Roles())
    gateway.desk.sign_ins = entering.sign_ins(
        gateway.store, gateway.latest, Keyring(gateway.store), gateway.guard, gateway.clock, elsewhere=True
    )
    page = await chromium.new_page()
    await page.goto(f"http://{address}/")
    await page.get_by_role("link", name="Sign in with your provider").click()
    await _signed_in(page, "grace")
    assert page.url == f"http://{address}/"
    assert {cookie["name"] for cookie in await page.context.cookies()} == {"csx_access", "csx_refresh"}
    await expect(page.get_by_role("heading", name="Sign in")).to_be_hidden()
    await page.close()
    await fetcher.stop()
    await issuer.stop()
