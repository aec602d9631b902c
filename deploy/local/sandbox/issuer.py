"""A strict fake of an OpenID Connect provider on loopback: browsers and clients in, codes and ID tokens out.

    python -m deploy.local.sandbox.issuer --port 8082 --client csx --redirect http://127.0.0.1:8080/v1/auth/oidc/callback

It refuses what a provider refuses: another client, secret or return address, no state, nonce or S256 challenge, a code
that was used or waited for more than a minute, a verifier that does not fit. Whoever is sent to it has signed in as the
person of `people` that `login_hint` names, or as the first. `twist` changes what the next token says, for tests.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import secrets
import signal
import sys
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from deploy.local.sandbox.telegram_http import Answer, Request, Server
from libs.common.runtime.clock import now_ns

CODE_S: Final = 60
TOKEN_S: Final = 300
PEOPLE: Final[dict[str, dict[str, Any]]] = {
    "grace": {"sub": "00u-grace", "preferred_username": "grace", "groups": ["desk"]},
    "linus": {"sub": "00u-linus", "email": "linus@example.com", "groups": []},
}
_NEEDED: Final = ("client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge")


class _Refused(Exception):
    """The request is refused; the message is OAuth's word for it."""


class _Granted(Struct, frozen=True):
    person: str
    nonce: str
    challenge: str
    at_ns: int


class FakeIssuer:
    """The provider, one client of it, and its people."""

    def __init__(
        self, client_id: str, client_secret: str, redirect_uri: str, *, people: dict[str, dict[str, Any]] | None = None
    ) -> None:
        self.people = people or PEOPLE
        self.twist: dict[str, Any] = {}
        """Claims that the next token says instead; None: does not say. `header`: likewise of its header."""
        self.documents: dict[str, Any] = {}
        """Fields of the discovery document that it tells instead."""
        self.asked: list[str] = []
        """Paths, in order."""
        self.redirect_uri = redirect_uri
        self._client = (client_id, client_secret)
        self._key = Ed25519PrivateKey.generate()
        self._codes: dict[str, _Granted] = {}
        self._server = Server(self._handle)

    @property
    def url(self) -> str:
        """What it calls itself."""
        return f"http://127.0.0.1:{self._server.port}"

    async def start(self, port: int = 0) -> None:
        """Listen."""
        await self._server.start(port)

    async def stop(self) -> None:
        """Close the port and all connections."""
        await self._server.stop()

    async def _handle(self, request: Request) -> Answer:
        parts = urlsplit(request.target)
        self.asked.append(parts.path)
        try:
            match request.method, parts.path:
                case "GET", "/.well-known/openid-configuration":
                    return _json(200, self._configuration())
                case "GET", "/jwks":
                    return _json(200, {"keys": [self._jwk()]})
                case "GET", "/authorize":
                    return self._authorize(_single(parts.query))
                case "POST", "/token":
                    return _json(200, self._token(request))
        except _Refused as e:
            return _json(401 if str(e) == "invalid_client" else 400, {"error": str(e)})
        return _json(404, {"error": "not_found"})

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "code_challenge_methods_supported": ["S256"],
        } | self.documents

    def _authorize(self, asked: dict[str, str]) -> Answer:
        if asked.get("client_id") != self._client[0] or asked.get("redirect_uri") != self.redirect_uri:
            raise _Refused("invalid_request")  # it is never sent back to an address that is not registered
        if any(not asked.get(name) for name in _NEEDED) or asked["response_type"] != "code":
            raise _Refused("invalid_request")
        if "openid" not in asked["scope"].split() or asked.get("code_challenge_method") != "S256":
            raise _Refused("invalid_request")
        person = asked.get("login_hint") or next(iter(self.people))
        back = {"state": asked["state"], "iss": self.url}
        if person in self.people:
            code = secrets.token_urlsafe(24)
            self._codes[code] = _Granted(person, asked["nonce"], asked["code_challenge"], now_ns())
            back["code"] = code
        else:
            back["error"] = "access_denied"
        return Answer(302, b"", headers=(("Location", f"{self.redirect_uri}?{urlencode(back)}"),))

    def _token(self, request: Request) -> dict[str, Any]:
        sent = _single(request.body.decode("latin-1"))
        if not self._is_client(request.headers.get("authorization", "")):
            raise _Refused("invalid_client")
        if request.kind.partition(";")[0] != "application/x-www-form-urlencoded":
            raise _Refused("invalid_request")
        if sent.get("grant_type") != "authorization_code":
            raise _Refused("unsupported_grant_type")
        granted = self._codes.pop(sent.get("code", ""), None)
        if granted is None or now_ns() - granted.at_ns > CODE_S * 1_000_000_000:
            raise _Refused("invalid_grant")
        challenge = _b64(hashlib.sha256(sent.get("code_verifier", "").encode()).digest())
        if sent.get("redirect_uri") != self.redirect_uri or not hmac.compare_digest(challenge, granted.challenge):
            raise _Refused("invalid_grant")
        return {
            "access_token": secrets.token_urlsafe(24),
            "token_type": "Bearer",
            "expires_in": TOKEN_S,
            "id_token": self._id_token(granted),
        }

    def _id_token(self, granted: _Granted) -> str:
        now_s = now_ns() // 1_000_000_000
        claims: dict[str, Any] = self.people[granted.person] | {
            "iss": self.url,
            "aud": self._client[0],
            "iat": now_s,
            "exp": now_s + TOKEN_S,
            "nonce": granted.nonce,
        }
        twist, self.twist = dict(self.twist), {}
        head = {"kid": self._jwk()["kid"]} | twist.pop("header", {})
        key, algorithm = twist.pop("key", self._key), head.pop("alg", "EdDSA")
        said = {name: value for name, value in (claims | twist).items() if value is not None}
        return jwt.encode(said, key, algorithm=algorithm, headers=head)

    def _is_client(self, field: str) -> bool:
        scheme, _, word = field.partition(" ")
        try:
            name, _, secret = base64.b64decode(word, validate=True).decode().partition(":")
        except ValueError:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(
            f"{unquote(name)}:{unquote(secret)}".encode(), ":".join(self._client).encode()
        )

    def _jwk(self) -> dict[str, str]:
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": _b64(raw[:8]), "x": _b64(raw)}


def _single(query: str) -> dict[str, str]:
    found = parse_qs(query, keep_blank_values=True)
    if any(len(values) > 1 for values in found.values()):
        raise _Refused("invalid_request")
    return {name: values[0] for name, values in found.items()}


def _json(status: int, body: dict[str, Any]) -> Answer:
    return Answer(status, msgspec.json.encode(body))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


async def _serve(arguments: argparse.Namespace) -> None:
    issuer = FakeIssuer(arguments.client, arguments.secret, arguments.redirect)
    await issuer.start(arguments.port)
    sys.stderr.write(f"{issuer.url} knows {', '.join(issuer.people)}\n")
    told = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    await told.wait()
    await issuer.stop()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--client", default="csx")
    parser.add_argument("--secret", default="sandbox")
    parser.add_argument("--redirect", default="http://127.0.0.1:8080/v1/auth/oidc/callback")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
