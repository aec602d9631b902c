"""Signing in, put together: keys, secrets and stores in; what begins and ends sessions out."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct
from redis.asyncio import Redis

from libs.common.runtime.clock import monotonic_s, now_ns
from services.gateway.access.cookies import Cookies
from services.gateway.access.csrf import CsrfTokens
from services.gateway.access.denials import Denials
from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring
from services.gateway.access.sessions import SessionEntrance
from services.gateway.access.sign_in import SignIns, Tries
from services.gateway.access.signing import SigningKeys
from services.gateway.access.tokens import Tokens


class Seals(Struct, frozen=True, kw_only=True):
    """What this gateway and its replicas seal with, and who they are."""

    keys: SigningKeys
    secrets: Sequence[bytes]
    """The first makes words, all compare."""
    public_url: str
    """Who issues the tokens."""
    secure: bool
    """Browsers come over HTTPS."""


def front(
    seals: Seals,
    *,
    pool: Callable[[], Any],
    redis: Redis,
    keyring: Keyring,
    guard: Guard,
    tell: Callable[[str], Awaitable[None]],
    tries: Tries | None = None,
    elsewhere: bool = False,
    clock: Callable[[], int] = now_ns,
    monotonic: Callable[[], float] = monotonic_s,
) -> SignIns:
    """Let `guard` take sessions, and return what begins and ends them."""
    tokens = Tokens(seals.keys, seals.public_url, clock=clock)
    words, cookies, denials = CsrfTokens(seals.secrets), Cookies(secure=seals.secure), Denials(redis)
    guard.add(SessionEntrance(pool, tokens, words, cookies, denials, keyring.renew, monotonic=monotonic, clock=clock))
    return SignIns(
        pool,
        tokens=tokens,
        csrf=words,
        cookies=cookies,
        denials=denials,
        keyring=keyring,
        tell=tell,
        tries=tries,
        anonymous=guard.anonymous,
        elsewhere=elsewhere,
        clock=clock,
    )
