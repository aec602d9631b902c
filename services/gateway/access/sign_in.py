"""Signing in and out: a password, a key or an identity in; a session in cookies out, each step in the audit."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from msgspec import Struct

from libs.common.runtime.clock import now_ns
from services.gateway.access import audit, newcomers, people, refresh
from services.gateway.access.answering import Answered, Answers
from services.gateway.access.audit import Act
from services.gateway.access.cookies import Cookies, Sent
from services.gateway.access.csrf import CsrfTokens
from services.gateway.access.denials import Denials
from services.gateway.access.keyring import Keyring, refused
from services.gateway.access.keys import AuthError
from services.gateway.access.oidc import Identity
from services.gateway.access.passwords import Passwords
from services.gateway.access.principal import NOBODY, Principal
from services.gateway.access.refresh import Family, Outcome, Rotation
from services.gateway.access.sessions import holder, of_key, of_user
from services.gateway.access.tokens import TokenError, Tokens
from services.gateway.problems import Problem, field_problem
from services.gateway.schemas.sessions import SessionView

log = logging.getLogger(__name__)

_WRONG: Final = "the name or the password is wrong"


class Tries(Protocol):
    """Counts what is tried from an address; `LimitGate` in production."""

    async def attempt(self, address: str) -> None:
        """Let it try; raises a problem for one try too many."""

    async def refused(self, address: str) -> None:
        """Count a try that failed."""


class Asked(Struct, frozen=True, kw_only=True):
    """What a browser showed, and from where."""

    cookie: str = ""
    """The `Cookie` field."""
    csrf: str = ""
    address: str = ""
    request_id: str = ""


class SignIns:
    """Begins, refreshes and ends sessions."""

    def __init__(
        self,
        pool: Callable[[], Any],
        *,
        tokens: Tokens,
        csrf: CsrfTokens,
        cookies: Cookies,
        denials: Denials,
        keyring: Keyring,
        tell: Callable[[str], Awaitable[None]],
        tries: Tries | None = None,
        anonymous: bool = False,
        elsewhere: bool = False,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        """Take collaborators; `tell` tells every replica of a session that is void."""
        self.tokens = tokens
        self._pool = pool
        self._csrf = csrf
        self.cookies = cookies
        self._denials = denials
        self._keyring = keyring
        self._tell = tell
        self._tries = tries
        self._answers = Answers(tokens, csrf, cookies, anonymous=anonymous, elsewhere=elsewhere, clock=clock)
        self._clock = clock
        self._passwords = Passwords()

    async def by_password(self, asked: Asked, name: str, password: str) -> Answered:
        """Begin a session for a name and its password.

        Raises:
            Problem: `unauthenticated`, `locked_out`, or `limits_degraded` without Redis.
        """
        await self.knock(asked)
        name = name.strip().lower()
        user = await people.named(self._pool(), name) if name.isprintable() else None  # nobody is called otherwise
        right = await self._passwords.fits(password, user.password if user else None)
        if user is None or not right:
            raise await self._refusal(asked, "password", _WRONG)
        if not user.active:
            raise await self._refusal(asked, "name", "this person may not come in any more")
        return await self._begin(asked, user.user_id, "password", None)

    async def by_key(self, asked: Asked, text: str) -> Answered:
        """Begin a session that may what an API key may, for as long as the key may.

        Raises:
            Problem: as `by_password`.
        """
        await self.knock(asked)
        try:
            key = await self._keyring.check(text)
        except AuthError as e:
            raise await self._refusal(asked, "key", str(e)) from e
        return await self._begin(asked, key.subject, "key", key)

    async def by_identity(self, asked: Asked, identity: Identity) -> Answered:
        """Begin a session for who comes from the provider; who comes for the first time becomes a person here.

        Raises:
            Problem: `unauthenticated`.
        """
        async with self._pool().acquire() as connection, connection.transaction():
            user, is_new = await newcomers.person_of(connection, identity, at_ns=self._clock())
            if is_new:
                act = Act(
                    who=NOBODY,
                    action="users.create",
                    target=user.user_id,
                    address=asked.address,
                    request_id=asked.request_id,
                    after={"name": user.name, "role": user.role, "issuer": identity.issuer},
                )
                await audit.write(connection, act, self._clock())
        if not user.active:
            raise await self._refusal(asked, "name", "this person may not come in any more")
        return await self._begin(asked, user.user_id, "provider", None)

    async def knock(self, asked: Asked) -> None:
        """Let an address try.

        Raises:
            Problem: `locked_out`, or `limits_degraded` without Redis.
        """
        if self._tries is not None:
            await self._tries.attempt(asked.address)

    async def again(self, asked: Asked) -> Answered:
        """Exchange the refresh token for the next, and for a new access token.

        Raises:
            Problem: `unauthenticated`, `csrf`, or `conflict` where another tab has just done it.
        """
        shown = self.cookies.read(asked.cookie).refresh
        family = await refresh.of_token(self._pool(), shown) if shown else None
        if family is None:
            raise field_problem("unauthenticated", "cookie", "nobody is signed in with this browser")
        self._check_word(family.family_id, asked)
        rotation, principal = await self._rotate(asked, shown)
        match rotation.outcome:
            case Outcome.RACED:
                raise Problem("conflict", "another tab of this browser has just refreshed the session: ask again")
            case Outcome.REUSED:
                refused("reused", "")  # counts it
                log.warning("a refresh token came twice: its session was ended", extra={"user": family.user_id})
                await self._void(family.family_id)
                raise field_problem("unauthenticated", "cookie", "this was used before: the session has been ended")
        if principal is None or rotation.family is None:
            raise field_problem("unauthenticated", "cookie", "the session has ended: sign in again")
        return self._answers.signed_in(rotation.family, principal, rotation.text)

    async def out(self, asked: Asked) -> Answered:
        """End the session, everywhere; without one nothing happens.

        Raises:
            Problem: `csrf`.
        """
        family = await self._shown(self.cookies.read(asked.cookie))
        if family is not None:
            self._check_word(family.family_id, asked)
            await self._void(family.family_id)
            async with self._pool().acquire() as connection, connection.transaction():
                if await refresh.end(connection, family.family_id, at_ns=self._clock(), reason="signed out"):
                    await self._record(connection, asked, of_user(family), "auth.sign_out", family)
        return self._answers.signed_out()

    async def view(self, asked: Asked) -> SessionView:
        """Return who has signed in with this browser."""
        sent = self.cookies.read(asked.cookie)
        family = await self._shown(sent)
        principal = None if family is None else await self._now(family)
        if family is None or principal is None:
            return self._answers.nobody()
        return self._answers.view(family, principal, sent.access)

    async def _refusal(self, asked: Asked, field: str, message: str) -> Problem:
        if self._tries is not None:
            await self._tries.refused(asked.address)
        refused(field, message)  # counts it
        return field_problem("unauthenticated", field, message)

    async def _begin(self, asked: Asked, user_id: str, way: str, key: Principal | None) -> Answered:
        at_ns = self._clock()
        async with self._pool().acquire() as connection, connection.transaction():
            family_id, text = await refresh.begin(
                connection, user_id, at_ns=at_ns, key_id=None if key is None else key.credential
            )
            family = await refresh.find(connection, family_id)
            assert family is not None, "it has just begun"
            principal = of_user(family) if key is None else of_key(family, key)
            await self._record(connection, asked, principal, "auth.sign_in", family, by=way)
        return self._answers.signed_in(family, principal, text)

    async def _rotate(self, asked: Asked, shown: str) -> tuple[Rotation, Principal | None]:
        async with self._pool().acquire() as connection, connection.transaction():
            rotation = await refresh.rotate(connection, shown, at_ns=self._clock())
            family = rotation.family
            if family is None:
                return rotation, None
            if rotation.outcome is Outcome.REUSED:
                await self._record(connection, asked, of_user(family), "auth.reuse", family)
            principal = await self._now(family) if rotation.outcome is Outcome.ROTATED else None
        return rotation, principal

    async def _shown(self, sent: Sent) -> Family | None:
        """Return the living session that cookies are of."""
        family = None
        if sent.access:
            try:
                family = await refresh.find(self._pool(), self.tokens.read(sent.access).fam)
            except TokenError:
                family = None
        if family is None and sent.refresh:
            family = await refresh.of_token(self._pool(), sent.refresh)
        return family if family is not None and family.lives(self._clock()) else None

    async def _now(self, family: Family) -> Principal | None:
        if family.key_id is None:
            return of_user(family)
        key = await self._keyring.renew(holder(family))
        return None if key is None else of_key(family, key)

    async def _void(self, family_id: str) -> None:
        await self._denials.add(family_id)
        await self._tell(family_id)

    def _check_word(self, family_id: str, asked: Asked) -> None:
        if not self._csrf.fits(family_id, asked.csrf):
            raise Problem("csrf", "the session's word is missing or wrong: see /v1/auth/session")

    async def _record(
        self, connection: Any, asked: Asked, who: Principal, action: str, family: Family, **after: str
    ) -> None:
        act = Act(
            who=who,
            action=action,
            target=family.family_id,
            address=asked.address,
            request_id=asked.request_id,
            after=after or None,
        )
        await audit.write(connection, act, self._clock())
