"""The fake provider is strict: what a provider refuses, it refuses; what it signs, another library verifies."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest

from deploy.local.sandbox.issuer import FakeIssuer

BACK = "http://127.0.0.1:8080/v1/auth/oidc/callback"
VERIFIER = "a verifier of forty-three characters or more, indeed"
ASK = {
    "client_id": "csx",
    "redirect_uri": BACK,
    "response_type": "code",
    "scope": "openid",
    "state": "s",
    "nonce": "n",
    "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode(),
    "code_challenge_method": "S256",
}


@pytest.fixture
async def issuer():
    issuer = FakeIssuer("csx", "s3cret", BACK)
    await issuer.start()
    yield issuer
    await issuer.stop()


@pytest.fixture
async def client(issuer):
    async with httpx.AsyncClient(base_url=issuer.url) as client:
        yield client


async def _code(client, **changes):
    answer = await client.get("/authorize", params=ASK | changes)
    assert answer.status_code == 302, answer.text
    return parse_qs(urlsplit(answer.headers["location"]).query)


async def _token(client, code, auth=("csx", "s3cret"), **changes):
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    return await client.post("/token", data=form | changes, auth=auth)


async def test_a_code_is_worth_one_token_that_its_keys_verify(issuer, client):
    back = await _code(client, login_hint="linus")
    assert (back["state"], back["iss"]) == (["s"], [issuer.url])
    answer = await _token(client, back["code"][0])
    keys = jwt.PyJWKSet.from_dict((await client.get("/jwks")).json())
    token = answer.json()["id_token"]
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="csx", issuer=issuer.url)
    assert (claims["sub"], claims["nonce"]) == ("00u-linus", "n")
    assert (await _token(client, back["code"][0])).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "another"},
        {"redirect_uri": "https://evil.example/"},
        {"response_type": "token"},
        {"scope": "email"},
        {"state": ""},
        {"nonce": ""},
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
    ],
    ids=str,
)
async def test_what_is_asked_wrongly_is_refused_and_nobody_is_sent_anywhere(client, changes):
    answer = await client.get("/authorize", params=ASK | changes)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"auth": ("csx", "wrong")}, 401, "invalid_client"),
        ({"auth": ("another", "s3cret")}, 401, "invalid_client"),
        ({"auth": None}, 401, "invalid_client"),
        ({"code_verifier": "another"}, 400, "invalid_grant"),
        ({"redirect_uri": "https://evil.example/"}, 400, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
    ids=str,
)
async def test_a_code_is_worth_nothing_to_others(client, changes, status, error):
    code = (await _code(client))["code"][0]
    answer = await _token(client, code, **changes)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


async def test_somebody_it_does_not_know_comes_back_without_a_code(client):
    assert (await _code(client, login_hint="mallory"))["error"] == ["access_denied"]
