"""Signing in with a provider (OpenID Connect): a browser sent there, its return in, an identity out.

Authorization code with PKCE (S256), state and nonce. All three are kept in the browser, in a cookie that we sealed and
that lives for five minutes: so any replica can go on. The provider is the one of our settings and no other.
"""

import base64
import hashlib
import hmac
import re
import secrets as chance
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from libs.common.runtime.clock import now_ns
from services.gateway.access.provider import Provider, forged
from services.gateway.access.scopes import Role
from services.gateway.problems import field_problem

FLOW_S: Final = 300
_SECOND_NS: Final = 1_000_000_000
_LONGEST_SUBJECT: Final = 255
_SCOPE: Final = "openid profile email"
_LABEL: Final = b"cryptosatx flow\0"
_ERROR: Final = re.compile(r"[a-z_]{1,40}")


class Roles(Struct, frozen=True, kw_only=True):
    """What the provider's people become here."""

    claim: str = ""
    """The claim that says what they are; empty: all of them read."""
    traders: frozenset[str] = frozenset()
    """Values of it that make a trader. No value makes an administrator: that is done here, by one."""


class Identity(Struct, frozen=True, kw_only=True):
    """Who came back."""

    issuer: str
    subject: str
    name: str
    """What the provider calls them; not unique, not to be trusted."""
    role: Role


class Return(Struct, frozen=True, kw_only=True):
    """What a browser brought back."""

    code: str = ""
    state: str = ""
    iss: str = ""
    error: str = ""


class _Flow(Struct, frozen=True, array_like=True):
    state: str
    nonce: str
    verifier: str
    until_ns: int


class Elsewhere:
    """One provider's sign-ins."""

    def __init__(
        self, provider: Provider, secrets: Sequence[bytes], roles: Roles, *, clock: Callable[[], int] = now_ns
    ) -> None:
        self._provider = provider
        self.client = provider.client
        self._roles = roles
        self._keys = [hashlib.sha256(_LABEL + secret).digest() for secret in secrets]
        self._clock = clock

    async def begin(self) -> tuple[str, str]:
        """Return where to send a browser, and what it is to keep meanwhile.

        Raises:
            Problem: the provider does not answer.
        """
        documents = await self._provider.documents()
        flow = _Flow(
            chance.token_urlsafe(32),
            chance.token_urlsafe(32),
            chance.token_urlsafe(48),
            self._clock() + FLOW_S * _SECOND_NS,
        )
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self.client.client_id,
                "redirect_uri": self.client.redirect_uri,
                "scope": _SCOPE,
                "state": flow.state,
                "nonce": flow.nonce,
                "code_challenge": _b64(hashlib.sha256(flow.verifier.encode()).digest()),
                "code_challenge_method": "S256",
            }
        )
        joint = "&" if "?" in documents.authorization else "?"
        return f"{documents.authorization}{joint}{query}", self._sealed(flow)

    async def finish(self, kept: str, brought: Return) -> Identity:
        """Return who came back with what `begin` told the browser to keep.

        Raises:
            Problem: `unauthenticated`, or the provider does not answer.
        """
        flow = self._opened(kept)
        if flow is None or not hmac.compare_digest(flow.state.encode(), brought.state.encode("utf-8", "replace")):
            raise field_problem("unauthenticated", "state", "this sign-in did not begin in this browser: begin again")
        if brought.iss and brought.iss != self.client.issuer:
            raise field_problem("unauthenticated", "iss", "another provider answered")
        if brought.error or not brought.code:
            said = brought.error if _ERROR.fullmatch(brought.error) else "no code"
            raise field_problem("unauthenticated", "code", f"the provider refused: {said}")
        claims = await self._provider.claims(await self._provider.exchange(brought.code, flow.verifier))
        if not hmac.compare_digest(flow.nonce.encode(), str(claims.get("nonce", "")).encode("utf-8", "replace")):
            raise forged("it was made for another sign-in")
        return self._identity(claims)

    def _identity(self, claims: dict[str, Any]) -> Identity:
        subject = claims["sub"]
        if not isinstance(subject, str) or not 1 <= len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
            raise forged("its subject has another form")
        said = claims.get(self._roles.claim) if self._roles.claim else None
        values = {value for value in (said if isinstance(said, list) else [said]) if isinstance(value, str)}
        return Identity(
            issuer=self.client.issuer,
            subject=subject,
            name=str(claims.get("preferred_username") or claims.get("email") or ""),
            role=Role.TRADER if values & self._roles.traders else Role.READER,
        )

    def _sealed(self, flow: _Flow) -> str:
        body = msgspec.json.encode(flow)
        return f"{_b64(body)}.{_b64(hmac.digest(self._keys[0], body, 'sha256'))}"

    def _opened(self, kept: str) -> _Flow | None:
        head, _, tail = kept.partition(".")
        try:
            body, seal = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in (head, tail))
            if not any(hmac.compare_digest(hmac.digest(key, body, "sha256"), seal) for key in self._keys):
                return None
            flow = msgspec.json.decode(body, type=_Flow)
        except (ValueError, msgspec.DecodeError):
            return None
        return flow if self._clock() < flow.until_ns else None


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
