"""Access tokens: who signed in becomes ten minutes of a signed JWT; a text becomes claims, or is refused.

One form is read: three canonical base64url parts of at most 4 KiB together, a header of exactly `alg` `typ` `kid`, all
claims of ours and no other (RFC 8725). Whatever a header says, the algorithm is EdDSA and the key is of our own set.
"""

import base64
import binascii
import secrets
from collections.abc import Callable
from typing import Annotated, Any, Final

import jwt
import msgspec
from jwt.types import Options
from msgspec import Meta, Struct

from libs.common.runtime.clock import now_ns
from services.gateway.access.scopes import Role, Scope
from services.gateway.access.signing import ALGORITHM, TYPE, SigningKeys

LIFE_S: Final = 600
LEEWAY_S: Final = 30
"""How far clocks of replicas may differ."""
MAX_BYTES: Final = 4096
AUDIENCE: Final = "cryptosatx"

_PARTS: Final = 3
_SIGNATURE: Final[Options] = {
    "verify_signature": True,
    "verify_exp": False,  # these claims are checked below: all of them, against our clock, and strictly typed
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
}
_Word = Annotated[str, Meta(min_length=1, max_length=128)]


class Claims(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a token says; all of it is required. Times are seconds since the epoch."""

    iss: str
    aud: str
    sub: _Word
    """The user's id."""
    jti: _Word
    """The token's own id."""
    fam: _Word
    """The sign-in it comes from: what is revoked."""
    role: Role
    """The user's role when it was signed; what counts is the role now."""
    scope: Annotated[str, Meta(max_length=1024)]
    """What it allowed when it was signed, spaces between: likewise."""
    iat: int
    nbf: int
    exp: int


class TokenError(Exception):
    """The token opens nothing; the message says no more than its sender could know."""


class Tokens:
    """Issues and reads the tokens of one issuer: this gateway and its replicas."""

    def __init__(self, keys: SigningKeys, issuer: str, *, clock: Callable[[], int] = now_ns) -> None:
        self.keys = keys
        self._issuer = issuer
        self._clock = clock

    def issue(self, *, subject: str, family: str, role: Role, scopes: frozenset[Scope]) -> tuple[str, Claims]:
        """Return a token and what it says."""
        now_s = self._clock() // 1_000_000_000
        claims = Claims(
            iss=self._issuer,
            aud=AUDIENCE,
            sub=subject,
            jti=secrets.token_urlsafe(16),
            fam=family,
            role=role,
            scope=" ".join(sorted(scopes)),
            iat=now_s,
            nbf=now_s,
            exp=now_s + LIFE_S,
        )
        return self.keys.sign(msgspec.to_builtins(claims)), claims

    def read(self, text: str) -> Claims:
        """Return what a token of ours says.

        Raises:
            TokenError: it is malformed, not ours, forged, expired, or not yet valid.
        """
        header, payload = _opened(text)
        kid = header.get("kid")
        if header.keys() != {"alg", "typ", "kid"} or header["alg"] != ALGORITHM or header["typ"] != TYPE:
            raise TokenError("this is no access token of this gateway")
        key = self.keys.verifier(kid) if isinstance(kid, str) else None
        if key is None:
            raise TokenError("the token's key is not known here")
        try:
            jwt.decode(text, key, algorithms=["EdDSA"], options=_SIGNATURE)
        except jwt.PyJWTError as e:
            raise TokenError("the token's signature is wrong") from e
        return self._checked(payload)

    def _checked(self, payload: dict[str, Any]) -> Claims:
        try:
            claims = msgspec.convert(payload, Claims)
        except msgspec.ValidationError as e:
            raise TokenError("the token's claims are not those of an access token") from e
        now_s = self._clock() / 1e9
        if claims.iss != self._issuer or claims.aud != AUDIENCE:
            raise TokenError("the token was not made by or for this gateway")
        if claims.exp - claims.iat > LIFE_S or claims.exp <= claims.nbf:
            raise TokenError("the token's times contradict each other")
        if claims.iat > now_s + LEEWAY_S or claims.nbf > now_s + LEEWAY_S:
            raise TokenError("the token is not valid yet")
        if claims.exp <= now_s - LEEWAY_S:
            raise TokenError("the token has expired")
        return claims


def _opened(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = text.split(".", _PARTS) if len(text) <= MAX_BYTES else []
    if len(parts) != _PARTS:
        raise TokenError("this is no access token: it is malformed")
    header, payload, _ = (_bytes(part) for part in parts)
    return _object(header), _object(payload)


def _bytes(part: str) -> bytes:
    """Return what canonical base64url without padding stands for; the same bytes have no second text."""
    try:
        data = base64.urlsafe_b64decode(part.encode("ascii") + b"=" * (-len(part) % 4))
    except (binascii.Error, ValueError) as e:
        raise TokenError("this is no access token: it is malformed") from e
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode("ascii"):
        raise TokenError("this is no access token: it is malformed")
    return data


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise TokenError("this is no access token: it is malformed") from e
    if msgspec.json.encode(found) != data:  # a member told twice, or spaces: another parser could read it otherwise
        raise TokenError("this is no access token: it is malformed")
    return found
