"""S1, S-02: a hundred forged tokens open nothing, each within five milliseconds; the one that is ours opens."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.types import Options
from msgspec.structs import asdict

from services.gateway.access.scopes import ROLES, Role
from services.gateway.access.signing import SigningKeys, new_key
from services.gateway.access.tokens import TokenError, Tokens

ISSUER = "https://gateway.example"
NOW_S = 1_800_000_000

PEM = new_key()
KEYS = SigningKeys.read(PEM)
TOKENS = Tokens(KEYS, ISSUER, clock=lambda: NOW_S * 1_000_000_000)
GOOD, _ = TOKENS.issue(subject="usr_1", family="fam_1", role=Role.READER, scopes=ROLES[Role.READER])
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")


def _plain(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


HEAD = json.loads(_plain(HEADER))
CLAIMS = json.loads(_plain(PAYLOAD))


def _key() -> Ed25519PrivateKey:
    key = load_pem_private_key(PEM.encode(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _signed(head: object, claims: object, sign: Callable[[bytes], bytes] | None = None) -> str:
    """A token whose signature is right, over whatever it says."""
    head_bytes = head if isinstance(head, bytes) else _compact(head)
    claim_bytes = claims if isinstance(claims, bytes) else _compact(claims)
    body = f"{_b64(head_bytes)}.{_b64(claim_bytes)}"
    return f"{body}.{_b64((sign or _key().sign)(body.encode()))}"


def _hmac(secret: bytes, digest: Callable[..., Any], body: bytes) -> bytes:
    return hmac.new(secret, body, digest).digest()


def _without(name: str) -> dict[str, object]:
    return {key: value for key, value in CLAIMS.items() if key != name}


def _forged() -> Iterator[tuple[str, str]]:
    yield from _algorithms()
    yield from _headers()
    yield from _claims()
    yield from _texts()


def _algorithms() -> Iterator[tuple[str, str]]:
    for spelling in ("none", "None", "nOnE", "NONE", ""):
        body = f"{_b64(_compact(HEAD | {'alg': spelling}))}.{PAYLOAD}"
        yield f"alg {spelling!r} unsigned", f"{body}."
        yield f"alg {spelling!r} with the old signature", f"{body}.{SIGNATURE}"
    public = _key().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    for name, digest in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
        for kind, secret in (("PEM", pem), ("raw", raw), ("empty", b"")):
            head = HEAD | {"alg": name}
            sign = partial(_hmac, secret, digest)
            yield f"{name} with the public key as secret, {kind}", _signed(head, CLAIMS, sign)
    rsa = generate_private_key(65537, 2048)
    for name in ("RS256", "PS256"):
        yield name, jwt.encode(CLAIMS, rsa, algorithm=name, headers={"typ": "at+jwt", "kid": HEAD["kid"]})
    yield "eddsa in small letters", _signed(HEAD | {"alg": "eddsa"}, CLAIMS)
    yield "alg is a list", _signed(HEAD | {"alg": ["EdDSA"]}, CLAIMS)
    yield "alg is missing", _signed({"typ": HEAD["typ"], "kid": HEAD["kid"]}, CLAIMS)


def _headers() -> Iterator[tuple[str, str]]:
    stranger = Ed25519PrivateKey.generate()
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _b64(stranger.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
    }
    yield "a stranger's key under our kid", _signed(HEAD, CLAIMS, stranger.sign)
    for kid in (
        "../../../../dev/null", "/etc/hostname", "file:///dev/null", "http://127.0.0.1:1/key", "' OR '1'='1", "",
        "a" * 2000, "kid\x00", "0", 0, None, True, ["x"], {"kid": HEAD["kid"]},
    ):  # fmt: skip
        yield f"kid {str(kid)[:30]!r}", _signed(HEAD | {"kid": kid}, CLAIMS, stranger.sign)
        if len(str(kid)) < 10:
            yield f"kid {kid!r} signed by us", _signed(HEAD | {"kid": kid}, CLAIMS)
    yield "kid is missing", _signed({"alg": "EdDSA", "typ": "at+jwt"}, CLAIMS)
    for name, value in (
        ("jku", "https://evil.example/jwks.json"), ("jwk", jwk), ("x5u", "https://evil.example/x.pem"),
        ("x5c", ["MIIB"]), ("crit", ["exp"]), ("b64", False), ("zip", "DEF"), ("cty", "JWT"),
    ):  # fmt: skip
        yield f"{name} of a stranger", _signed(HEAD | {name: value}, CLAIMS, stranger.sign)
        yield f"{name} signed by us", _signed(HEAD | {name: value}, CLAIMS)
    for typ in ("JWT", "at+JWT", "id_token", "", None):
        yield f"typ {typ!r}", _signed(HEAD | {"typ": typ}, CLAIMS)


def _claims() -> Iterator[tuple[str, str]]:
    for name in CLAIMS:
        yield f"no {name}", _signed(HEAD, _without(name))
        yield f"{name} is null", _signed(HEAD, CLAIMS | {name: None})
    for name, value in (
        ("iss", "https://gateway.example/"), ("iss", "https://evil.example"), ("iss", [ISSUER]),
        ("aud", "another"), ("aud", ["cryptosatx", "another"]), ("sub", ""), ("sub", 7), ("sub", "x" * 200),
        ("role", "root"), ("role", "ADMIN"), ("fam", {"$ne": ""}), ("jti", ""),
        ("exp", NOW_S - 31), ("exp", str(NOW_S + 60)), ("exp", 10**30), ("exp", NOW_S + 86_400), ("exp", True),
        ("exp", 1e400), ("exp", -1), ("nbf", NOW_S + 31), ("nbf", "0"), ("iat", NOW_S + 3_600), ("iat", -(10**12)),
        ("scope", ["admin:keys"]), ("scp", "admin:keys"), ("admin", True),
    ):  # fmt: skip
        yield f"{name} = {str(value)[:30]}", _signed(HEAD, CLAIMS | {name: value})
    yield "payload is a list", _signed(HEAD, [CLAIMS])
    yield "payload is empty", _signed(HEAD, b"")
    yield "payload nests a thousand deep", _signed(HEAD, b'{"iss":' + b"[" * 1000 + b"]" * 1000 + b"}")
    twice = _plain(PAYLOAD).replace(b'"role":"reader"', b'"role":"admin","role":"reader"')
    yield "a claim told twice", _signed(HEAD, twice)
    yield "a header told twice", _signed(_plain(HEADER).replace(b'"alg"', b'"alg":"none","alg"'), CLAIMS)
    raised = _compact(CLAIMS | {"role": "admin"})
    yield "role raised under the old signature", f"{HEADER}.{_b64(raised)}.{SIGNATURE}"


def _texts() -> Iterator[tuple[str, str]]:
    yield "no signature", f"{HEADER}.{PAYLOAD}."
    yield "two parts", f"{HEADER}.{PAYLOAD}"
    yield "four parts", f"{GOOD}.{SIGNATURE}"
    yield "dots", ".."
    yield "empty", ""
    yield "padded", f"{HEADER}==.{PAYLOAD}.{SIGNATURE}=="
    yield "a space within", f"{HEADER}. {PAYLOAD}.{SIGNATURE}"
    yield "a line break at the end", GOOD + "\n"
    yield "not ASCII", GOOD[:-1] + "é"
    yield "NUL", GOOD + "\x00"
    yield "five KiB", f"{HEADER}.{'A' * 5_000}.{SIGNATURE}"
    yield "five KiB, signed by us", _signed(HEAD, CLAIMS | {"sub": "x" * 5_000})
    yield "a JWE of five parts", ".".join([HEADER] * 5)
    yield "signature of zeros", f"{HEADER}.{PAYLOAD}.{_b64(bytes(64))}"
    malleable = bytearray(_plain(SIGNATURE))
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = (int.from_bytes(malleable[32:], "little") + order).to_bytes(32, "little")
    yield "the signature's other form", f"{HEADER}.{PAYLOAD}.{_b64(bytes(malleable[:32]) + scalar)}"
    for cut in (1, 2, 43, len(SIGNATURE) + 1, len(GOOD) - 1):
        yield f"cut by {cut}", GOOD[:-cut]
    spread = [*range(3, len(GOOD), len(GOOD) // 29)][:29]
    for place in [*spread, len(GOOD) - 1]:
        other = "A" if GOOD[place] != "A" else "B"
        if GOOD[place] != ".":
            yield f"character {place} changed", GOOD[:place] + other + GOOD[place + 1 :]
    for bits in range(1, 4):  # of the last character four bits stand for nothing
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        spare = alphabet[alphabet.index(GOOD[-1]) ^ bits]
        yield f"spare bits {bits}", GOOD[:-1] + spare


FORGED = list(_forged())


def test_s1_a_hundred_forged_tokens():
    assert len({text for _, text in FORGED}) >= 100
    assert TOKENS.read(GOOD).sub == "usr_1"
    let_in, began = [], time.perf_counter()
    for name, text in FORGED:
        try:
            TOKENS.read(text)
        except TokenError:
            continue
        let_in.append(name)
    mean_s = (time.perf_counter() - began) / len(FORGED)
    assert let_in == []
    assert mean_s < 0.005


async def test_s1_forged_tokens_are_401_over_http_and_say_no_more_than_their_sender_knew(gateway):
    async with gateway.client(Accept="*/*") as client:
        for name, text in FORGED:
            if not text.isascii() or not text.isprintable():
                continue  # no header can hold it
            answer = await client.get("/v1/markets", headers={"Authorization": f"Bearer {text}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), name
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert text not in answer.text or len(text) < 10, name


@pytest.mark.parametrize("changes", [{"exp": NOW_S - 29}, {"nbf": NOW_S + 29}, {"iat": NOW_S + 29, "exp": NOW_S + 100}])
def test_clocks_may_differ_by_thirty_seconds(changes):
    claims = CLAIMS | {"iat": NOW_S - 500, "nbf": NOW_S - 500, "exp": NOW_S + 60} | changes
    assert TOKENS.read(_signed(HEAD, claims)).sub == "usr_1"


def test_an_old_key_verifies_until_it_is_taken_out_and_a_rotated_set_signs_with_the_new_one():
    new = new_key()
    both = Tokens(SigningKeys.read(new + PEM), ISSUER, clock=lambda: NOW_S * 1_000_000_000)
    assert both.read(GOOD).sub == "usr_1"
    text, _ = both.issue(subject="usr_2", family="fam_2", role=Role.ADMIN, scopes=ROLES[Role.ADMIN])
    assert jwt.get_unverified_header(text)["kid"] != HEAD["kid"]
    alone = Tokens(SigningKeys.read(new), ISSUER, clock=lambda: NOW_S * 1_000_000_000)
    assert alone.read(text).role is Role.ADMIN
    with pytest.raises(TokenError, match="key is not known"):
        alone.read(GOOD)


def test_the_public_set_verifies_our_tokens_in_another_library_and_holds_no_private_part():
    document = {"keys": [asdict(key) for key in KEYS.public().keys]}
    found = jwt.PyJWKSet.from_dict(document)[HEAD["kid"]]
    untimed: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    claims = jwt.decode(GOOD, found, algorithms=["EdDSA"], audience="cryptosatx", options=untimed)
    assert claims["sub"] == "usr_1"
    assert all("d" not in key for key in document["keys"])


@pytest.mark.parametrize("text", ["", "secret", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_what_is_no_signing_key_is_refused(text):
    with pytest.raises(ValueError, match="PEM block"):
        SigningKeys.read(text)


def test_a_key_of_another_kind_or_a_public_one_first_is_refused():
    rsa = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ValueError, match="no Ed25519 key"):
        SigningKeys.read(rsa)
    public = _key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(ValueError, match="private key that signs"):
        SigningKeys.read(public)
    assert SigningKeys.read(PEM + public).verifier(HEAD["kid"])
