"""Who has signed in: an access token, by header or cookie, to the principal that its session is now.

A signature says who signed in and when; what they may is looked up, and remembered for three seconds. Without
PostgreSQL the denials in Redis count, and without both the signature, for the ten minutes that it lasts.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.common.runtime.clock import monotonic_s, now_ns
from services.gateway.access import csrf, refresh
from services.gateway.access.cookies import Cookies
from services.gateway.access.csrf import CsrfTokens
from services.gateway.access.denials import Denials
from services.gateway.access.keyring import bearer, refused
from services.gateway.access.principal import Principal, Way
from services.gateway.access.refresh import Family
from services.gateway.access.scopes import ROLES, expand
from services.gateway.access.tokens import Claims, TokenError, Tokens
from services.gateway.outages import OUTAGES
from services.gateway.problems import Problem

log = logging.getLogger(__name__)

_KEYS: Final = "csx_"
"""What API keys begin with."""
_REMEMBER_S: Final = 3.0
_REMEMBERED: Final = 10_000

KeyNow = Callable[[Principal], Awaitable[Principal | None]]
"""What a key's principal may now: `Keyring.renew`."""


class _Known(Struct, frozen=True):
    at_s: float
    principal: Principal | None
    key_id: str | None


class SessionEntrance:
    """Lets in who has signed in."""

    def __init__(
        self,
        pool: Callable[[], Any],
        tokens: Tokens,
        csrf_tokens: CsrfTokens,
        cookies: Cookies,
        denials: Denials,
        key_now: KeyNow,
        *,
        monotonic: Callable[[], float] = monotonic_s,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        self._pool = pool
        self._tokens = tokens
        self._csrf = csrf_tokens
        self._cookies = cookies
        self._denials = denials
        self._key_now = key_now
        self._monotonic = monotonic
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def who(self, headers: Mapping[str, str], *, method: str = "GET") -> Principal | None:
        """Return who an access token speaks for; None: there is none, or a cookie's opens nothing any more.

        Raises:
            AuthError: a header's token opens nothing.
            Problem: `csrf`, for a change that a cookie alone asks for.
        """
        if (shown := headers.get("authorization")) is not None:
            text = bearer(shown)
            return None if not text or text.startswith(_KEYS) else await self._bearer(text)
        if "x-api-key" in headers or not (cookie := headers.get("cookie")):
            return None
        return await self._cookie(self._cookies.read(cookie).access, headers.get(csrf.HEADER, ""), method)

    async def renew(self, principal: Principal) -> Principal | None:
        """Return what an open connection's session may now; None: it has ended, or it is no session."""
        if principal.way is not Way.SESSION:
            return None
        return await self._session(principal.credential, None)

    def forget(self, credential: str) -> None:
        """Look again: the session, or the key it was exchanged for, was revoked."""
        self._known = {
            family: known for family, known in self._known.items() if credential not in {family, known.key_id}
        }

    def forget_all(self) -> None:
        """Look again at every session: a person has changed."""
        self._known.clear()

    async def _bearer(self, text: str) -> Principal:
        try:
            claims = self._tokens.read(text)
        except TokenError as e:
            raise refused("token", str(e)) from e
        principal = await self._session(claims.fam, claims)
        if principal is None:
            raise refused("ended", "the session has ended: sign in again")
        return principal

    async def _cookie(self, text: str, word: str, method: str) -> Principal | None:
        if not text:
            return None
        try:
            claims = self._tokens.read(text)
        except TokenError:
            return None  # a browser shows what it has: its sign-in must not be refused for that
        principal = await self._session(claims.fam, claims)
        if principal is not None and method not in csrf.SAFE and not self._csrf.fits(claims.fam, word):
            raise Problem("csrf", f"a change by cookie needs the session's word in {csrf.HEADER}: see /v1/auth/session")
        return principal

    async def _session(self, family: str, claims: Claims | None) -> Principal | None:
        now_s = self._monotonic()
        if (known := self._known.get(family)) and now_s - known.at_s < _REMEMBER_S:
            return known.principal
        found = await self._look_up(family, claims)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[family] = _Known(now_s, *found)
        return found[0]

    async def _look_up(self, family_id: str, claims: Claims | None) -> tuple[Principal | None, str | None]:
        """Return what a session is now, and the key it was exchanged for."""
        if await self._denials.denied(family_id):
            return None, None
        try:
            family = await refresh.find(self._pool(), family_id)
        except OUTAGES as e:
            if claims is None:
                raise
            log.warning("a session is taken at its word: PostgreSQL does not answer", extra={"error": repr(e)})
            return _of_claims(claims), None
        if family is None or not family.lives(self._clock()):
            return None, None
        if family.key_id is None:
            return of_user(family), None
        key = await self._key_now(holder(family))
        return (None if key is None else of_key(family, key)), family.key_id


def holder(family: Family) -> Principal:
    """Return the key that a session was exchanged for, as far as the session knows it."""
    return Principal(
        way=Way.KEY, subject=family.user_id, credential=family.key_id or "", name=family.name, scopes=frozenset()
    )


def of_user(family: Family) -> Principal:
    """Return who signed in: all that their role allows now."""
    return Principal(
        way=Way.SESSION,
        subject=family.user_id,
        credential=family.family_id,
        name=family.name,
        scopes=ROLES[family.role],
        role=family.role,
        expires_ns=family.expires_ns,
        budget=f"user:{family.user_id}",
    )


def of_key(family: Family, key: Principal) -> Principal:
    """Return who exchanged a key: what the key allows now, counted as the key."""
    return msgspec.structs.replace(
        key,
        way=Way.SESSION,
        credential=family.family_id,
        expires_ns=min(family.expires_ns, key.expires_ns or family.expires_ns),
        budget=key.credential,
    )


def _of_claims(claims: Claims) -> Principal:
    return Principal(
        way=Way.SESSION,
        subject=claims.sub,
        credential=claims.fam,
        name=claims.sub,
        scopes=expand(tuple(claims.scope.split())) & ROLES[claims.role],
        role=claims.role,
        expires_ns=claims.exp * 1_000_000_000,
        budget=f"user:{claims.sub}",
    )
