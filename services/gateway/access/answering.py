"""What a browser is told of its session: a family and its principal in, a view and cookies out."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from services.gateway.access.cookies import Cookies
from services.gateway.access.csrf import CsrfTokens
from services.gateway.access.principal import Principal
from services.gateway.access.refresh import IDLE_S, Family
from services.gateway.access.tokens import LIFE_S, TokenError, Tokens
from services.gateway.schemas.sessions import SessionView
from services.gateway.schemas.times import rfc3339

_SECOND_NS: Final = 1_000_000_000


class Answered(Struct, frozen=True):
    """What it is told."""

    view: SessionView
    cookies: list[str]
    """`Set-Cookie` lines."""


class Answers:
    """Makes them; `anonymous`: reading needs no sign-in, `elsewhere`: there is a provider to sign in with."""

    def __init__(
        self,
        tokens: Tokens,
        csrf: CsrfTokens,
        cookies: Cookies,
        *,
        anonymous: bool,
        elsewhere: bool,
        clock: Callable[[], int],
    ) -> None:
        self._tokens = tokens
        self._csrf = csrf
        self._cookies = cookies
        self._anonymous = anonymous
        self._elsewhere = elsewhere
        self._clock = clock

    def signed_in(self, family: Family, principal: Principal, refresh: str) -> Answered:
        """Return a new access token beside a refresh token."""
        token, _ = self._tokens.issue(
            subject=family.user_id, family=family.family_id, role=principal.role, scopes=principal.scopes
        )
        lines = self._cookies.session(token, refresh, access_s=LIFE_S, refresh_s=IDLE_S)
        return Answered(self._view(family, principal, LIFE_S), lines)

    def signed_out(self) -> Answered:
        """Return what ends a session in its browser."""
        return Answered(self.nobody(), self._cookies.gone())

    def view(self, family: Family, principal: Principal, access: str) -> SessionView:
        """Return how a session is, whose browser showed `access`."""
        return self._view(family, principal, self._left_s(access))

    def nobody(self) -> SessionView:
        """Return what is told to who has not signed in."""
        return SessionView(signed_in=False, anonymous=self._anonymous, elsewhere=self._elsewhere)

    def _left_s(self, access: str) -> int:
        try:
            return max(0, self._tokens.read(access).exp - self._clock() // _SECOND_NS)
        except TokenError:
            return 0

    def _view(self, family: Family, principal: Principal, access_s: int) -> SessionView:
        return SessionView(
            signed_in=True,
            user_id=principal.subject,
            name=principal.name,
            role=principal.role,
            scopes=sorted(principal.scopes),
            csrf=self._csrf.of(family.family_id),
            access_s=access_s,
            expires_ns=principal.expires_ns,
            expires=None if principal.expires_ns is None else rfc3339(principal.expires_ns),
            anonymous=self._anonymous,
            elsewhere=self._elsewhere,
        )
