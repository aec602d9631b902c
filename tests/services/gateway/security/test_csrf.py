"""CSRF: what a browser sends along by itself changes nothing; only the page that has the session's word does."""

import pytest

from services.gateway.access.csrf import CsrfTokens
from tests.services.gateway.entering import Browser, person

CHANGES = ("/v1/stream/tickets", "/v1/auth/refresh", "/v1/auth/sign-out")


@pytest.fixture
async def browser(gateway):
    await person(gateway.store)
    async with Browser(gateway.app) as browser:
        assert (await browser.sign_in()).status_code == 200
        yield browser


@pytest.mark.parametrize("path", CHANGES)
async def test_csrf_cookie_without_token_is_403(browser, path):
    for word in ("", "x", browser.word[:-1], browser.word + "x", "\u00e9"):
        headers = {"X-CSRF-Token": word.encode("utf-8")} if word else {}
        answer = await browser.http.post(path, json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf"), word
    assert (await browser.post(path)).status_code in {200, 201}


@pytest.mark.parametrize("path", ["/v1/rpc", "/mcp"])
async def test_csrf_other_surfaces_need_the_word_as_well(browser, path):
    answer = await browser.http.post(path, json={"operation": "markets.list"})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


async def test_csrf_a_form_of_another_site_changes_nothing(browser):
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
        answer = await browser.http.post(
            "/v1/stream/tickets", content=b'{"a":1}', headers={"Content-Type": kind, "Origin": "https://evil.example"}
        )
        assert answer.status_code == 403
    named = {"Origin": "https://evil.example", "X-CSRF-Token": browser.word}
    assert (await browser.http.post("/v1/stream/tickets", json={}, headers=named)).json()[
        "code"
    ] == "origin_not_allowed"


async def test_csrf_text_that_is_json_is_not_read_as_json(browser):
    headers = {"Content-Type": "text/plain", "X-CSRF-Token": browser.word}
    answer = await browser.http.post("/v1/auth/sign-in", content=b'{"name":"x","password":"y"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_csrf_another_sessions_word_is_no_word(gateway, browser):
    await person(gateway.store, "eve")
    async with Browser(gateway.app) as eve:
        await eve.sign_in(name="eve", password="correct horse battery")
        assert (await browser.post("/v1/stream/tickets", word=eve.word)).status_code == 403


async def test_csrf_reads_by_cookie_need_no_word_and_headers_need_none_for_changes(gateway, browser):
    assert (await browser.get("/v1/markets")).status_code == 200
    async with gateway.client() as program:
        assert (await program.post("/v1/stream/tickets")).status_code == 201


async def test_csrf_a_handshake_by_cookie_alone_opens_no_stream(gateway, browser, address):
    import websockets

    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    async with websockets.connect(f"ws://{address}/v1/stream", additional_headers={"Cookie": cookie}) as socket:
        await socket.send('{"op":"subscribe","channel":"health"}')
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
    assert socket.close_code == 4401


def test_csrf_a_word_outlives_the_rotation_of_its_secret():
    old, new = b"the old secret of this gateway", b"the new secret of this gateway"
    word = CsrfTokens([old]).of("fam")
    assert CsrfTokens([new, old]).fits("fam", word)
    assert not CsrfTokens([new]).fits("fam", word)
    assert not CsrfTokens([old]).fits("other", word)
