"""Signing in with a provider: the strict fake's own rules, what is forged on the way, and whom we ask (S-07)."""

from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.sandbox.issuer import FakeIssuer
from deploy.local.sandbox.telegram_http import Answer, Server, Silence
from services.gateway.access import people
from services.gateway.access.fetching import Fetcher, FetchError
from services.gateway.access.oidc import Elsewhere, Roles
from services.gateway.access.provider import Client, Provider
from services.gateway.access.scopes import Role
from tests.services.gateway.entering import SITE, Browser

CALLBACK = f"{SITE}/v1/auth/oidc/callback"
SECRETS = [b"a secret of the tests, long enough"]


@pytest.fixture
async def issuer(gateway):
    issuer = FakeIssuer("csx", "s3cret", CALLBACK)
    await issuer.start()
    fetcher = Fetcher(loopback=True)
    gateway.desk.elsewhere = _elsewhere(gateway, issuer.url, fetcher)
    yield issuer
    await fetcher.stop()
    await issuer.stop()


def _elsewhere(gateway, url, fetcher, secret="s3cret"):
    client = Client(issuer=url, client_id="csx", client_secret=secret, redirect_uri=CALLBACK)
    roles = Roles(claim="groups", traders=frozenset({"desk"}))
    return Elsewhere(Provider(client, fetcher, clock=gateway.clock), SECRETS, roles, clock=gateway.clock)


async def _sent(browser, hint=""):
    """Begin, let the provider's page say yes, and return where it sends the browser back to."""
    begun = await browser.get("/v1/auth/oidc/start")
    assert begun.status_code == 303
    url = begun.headers["location"] + (f"&login_hint={hint}" if hint else "")
    async with httpx.AsyncClient() as away:
        said = await away.get(url)
    assert said.status_code == 302, said.text
    return said.headers["location"].removeprefix(SITE)


async def test_who_comes_from_the_provider_is_a_person_here_with_the_role_its_claim_says(gateway, issuer):
    async with Browser(gateway.app) as browser:
        assert (await browser.get("/v1/auth/session")).json()["signed_in"] is False
        answer = await browser.get(await _sent(browser))
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        view = (await browser.get("/v1/auth/session")).json()
        assert (view["name"], view["role"]) == ("grace", "trader")
        assert (await browser.get("/v1/markets")).status_code == 200
    known = await people.known_elsewhere(gateway.store.pool, issuer.url, "00u-grace")
    acts = await gateway.store.pool.fetch("SELECT action FROM gateway.audit ORDER BY seq")
    assert [act["action"] for act in acts] == ["users.create", "auth.sign_in"]
    assert known is not None
    assert known.password is None


async def test_the_same_person_comes_again_with_todays_role_and_an_administrator_stays_one(gateway, issuer):
    async with Browser(gateway.app) as browser:
        await browser.get(await _sent(browser))
        issuer.people["grace"] = issuer.people["grace"] | {"groups": []}
        await browser.get(await _sent(browser))
        assert (await browser.get("/v1/auth/session")).json()["role"] == "reader"
        known = await people.known_elsewhere(gateway.store.pool, issuer.url, "00u-grace")
        assert known is not None
        await people.set_role(gateway.store.pool, known.user_id, Role.ADMIN)
        await browser.get(await _sent(browser))
        assert (await browser.get("/v1/auth/session")).json()["role"] == "admin"
        assert len(await people.page(gateway.store.pool, limit=10)) == 2
        await people.set_disabled(gateway.store.pool, known.user_id, 1)
        assert (await browser.get(await _sent(browser))).status_code == 401


async def test_nobody_becomes_an_administrator_or_takes_anothers_name_by_what_a_provider_says(gateway, issuer):
    issuer.people["linus"] = {"sub": "1", "preferred_username": "LOCAL", "groups": ["admin"], "role": "admin"}
    async with Browser(gateway.app) as browser:
        await browser.get(await _sent(browser, "linus"))
        view = (await browser.get("/v1/auth/session")).json()
        assert view["role"] == "reader"
        assert view["name"].startswith("local-")


async def test_a_person_whom_the_provider_refuses_is_not_let_in(gateway, issuer):
    async with Browser(gateway.app) as browser:
        answer = await browser.get(await _sent(browser, "mallory"))
        assert answer.status_code == 401
        assert "access_denied" in answer.json()["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"state": "another"},
        {"state": ""},
        {"iss": "https://evil.example"},
        {"code": "another"},
        {"code": ""},
        {"error": "<script>alert(1)</script>"},
    ],
)
async def test_what_is_changed_on_the_way_back_opens_nothing(gateway, issuer, change):
    async with Browser(gateway.app) as browser:
        parts = urlsplit(await _sent(browser))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()} | change
        answer = await browser.get(f"{parts.path}?{urlencode(query)}")
        assert answer.status_code == 401
        assert "script" not in answer.text
        assert "csx_access" not in browser.cookies


async def test_a_return_without_its_beginning_a_second_return_or_a_late_one_opens_nothing(gateway, issuer):
    async with Browser(gateway.app) as browser, Browser(gateway.app) as victim:
        back = await _sent(browser)
        assert (await victim.get(back)).status_code == 401  # sign-in as somebody else, by a link
        assert (await browser.get(back)).status_code == 303
        assert (await browser.get(back)).status_code == 401
        late = await _sent(browser)
        gateway.clock.now += 301 * 1_000_000_000
        assert (await browser.get(late)).status_code == 401


@pytest.mark.parametrize(
    "twist",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["csx", "another"]},
        {"aud": ["csx", "another"], "azp": "another"},
        {"azp": "another"},
        {"aud": None},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 300},
        {"sub": "a\nb"},
        {"key": Ed25519PrivateKey.generate()},
        {"key": "secret of thirty-two bytes, at the least", "header": {"alg": "HS256"}},
        {"key": None, "header": {"alg": "none"}},
        {"header": {"kid": "another"}},
        {"header": {"kid": "../../etc/passwd"}},
        {"header": {"crit": ["exp"]}},
    ],
    ids=lambda twist: str(
        {name: value if isinstance(value, str | dict) else type(value).__name__ for name, value in twist.items()}
    ),
)
async def test_a_forged_token_of_a_provider_opens_nothing(gateway, issuer, twist):
    issuer.twist = twist
    async with Browser(gateway.app) as browser:
        answer = await browser.get(await _sent(browser))
        assert answer.status_code == 401, answer.text
        assert "csx_access" not in browser.cookies
    assert len(await people.page(gateway.store.pool, limit=10)) == 1


async def test_without_the_right_secret_or_verifier_the_provider_gives_nothing(gateway, issuer):
    fetcher = Fetcher(loopback=True)
    gateway.desk.elsewhere = _elsewhere(gateway, issuer.url, fetcher, secret="wrong")
    async with Browser(gateway.app) as browser:
        assert (await browser.get(await _sent(browser))).status_code == 401
    await fetcher.stop()


async def test_s07_the_issuer_is_never_taken_from_a_request(gateway, issuer):
    async with Browser(gateway.app) as browser:
        for query in ("issuer=https://evil.example", "iss=http://169.254.169.254", "redirect_uri=https://evil.example"):
            assert (await browser.get(f"/v1/auth/oidc/start?{query}")).status_code == 400
        begun = await browser.http.get("/v1/auth/oidc/start", headers={"X-Forwarded-Host": "evil.example"})
        asked = parse_qs(urlsplit(begun.headers["location"]).query)
        assert asked["redirect_uri"] == [CALLBACK]
        assert asked["code_challenge_method"] == ["S256"]
        assert begun.headers["location"].startswith(f"{issuer.url}/authorize?")


async def test_s07_without_a_provider_there_is_nothing_here(gateway):
    async with Browser(gateway.app) as browser:
        assert (await browser.get("/v1/auth/oidc/start")).status_code == 404
        assert (await browser.get("/v1/auth/oidc/callback?code=x&state=y")).status_code == 404


@pytest.mark.parametrize(
    "documents",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "http://10.0.0.1:80/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "https://user:password@provider.example/token"},
    ],
    ids=str,
)
async def test_s07_a_providers_documents_do_not_lead_elsewhere(gateway, issuer, documents):
    issuer.documents = documents
    async with Browser(gateway.app) as browser:
        answer = await browser.get("/v1/auth/oidc/start")
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency_down")
    assert issuer.asked == ["/.well-known/openid-configuration"]


@pytest.mark.parametrize(
    "url",
    [
        "http://provider.example/", "http://127.0.0.1/", "ftp://127.0.0.1:21/", "http://localhost:80/",
        "http://169.254.169.254:80/", "http://[::ffff:10.0.0.1]:80/", "http://0x7f000001:80/", "http://2130706433:80/",
        "https://user@provider.example/", "https:///x", "https://[", "//provider.example", "", "https://a:99999/",
        "http://127.0.0.1:80@evil.example:80/", "https://provider.example/#x",
    ],
)  # fmt: skip
async def test_s07_only_https_or_this_very_machine_is_asked(url):
    fetcher = Fetcher(loopback=True)
    with pytest.raises(FetchError):
        fetcher.check(url)
    await fetcher.stop()


async def test_s07_in_production_this_machine_is_not_asked_either():
    fetcher = Fetcher()
    with pytest.raises(FetchError, match="https is needed"):
        fetcher.check("http://127.0.0.1:8082/")
    assert fetcher.check("https://provider.example/x") == "https://provider.example/x"
    await fetcher.stop()


@pytest.mark.parametrize(
    ("reaction", "cause"),
    [
        (Answer(302, b"", headers=(("Location", "http://127.0.0.1:1/"),)), "status 302"),
        (Answer(200, b'{"a":"' + b"x" * 70_000 + b'"}'), "more than 65536"),
        (Answer(200, b"[1]"), "no JSON object"),
        (Answer(200, b"\xff\xfe"), "no JSON object"),
        (Answer(200, b"x" * 100, headers=(("Content-Encoding", "gzip"),)), "encoding"),
        (Answer(404, b"{}"), "status 404"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_s07_redirects_floods_and_other_formats_are_not_followed(reaction, cause):
    async def handle(_request):
        return reaction

    server, fetcher = Server(handle), Fetcher(loopback=True)
    await server.start()
    with pytest.raises(FetchError, match=cause):
        await fetcher.get(f"http://127.0.0.1:{server.port}/")
    await fetcher.stop()
    await server.stop()


async def test_s07_a_provider_that_says_nothing_holds_nobody_for_long():
    async def handle(_request):
        return Silence()

    server, fetcher = Server(handle), Fetcher(loopback=True, within_s=0.1)
    await server.start()
    with pytest.raises(FetchError, match="Time"):
        await fetcher.get(f"http://127.0.0.1:{server.port}/")
    await fetcher.stop()
    await server.stop()
