"""Who holds a key: its text in, a principal out; a revoked key opens nothing within three seconds, on every replica."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from libs.common.runtime.clock import monotonic_s, now_ns
from services.gateway import metrics
from services.gateway.access.keys import PREFIX, AuthError, KeyRow, digest, parts
from services.gateway.access.principal import Principal, Way
from services.gateway.access.scopes import READING, ROLES, Role, expand

_NOBODY: Final = hashlib.sha256(b"").digest()
_REMEMBER_S: Final = 3.0
_REMEMBERED: Final = 10_000

_ENDS: Final = {
    "revoked": "the API key was revoked",
    "expired": "the API key has expired",
    "replaced": "the API key was replaced by another",
    "disabled": "the API key's owner may not come in",
}


class KeyStore(Protocol):
    """Where keys are kept; `Store` in production."""

    async def find_key(self, key_id: str) -> KeyRow | None:
        """Return the key of that id with its owner's role, revoked ones too."""


class Keyring:
    """Checks keys against a store, and remembers what it found for three seconds."""

    def __init__(
        self,
        store: KeyStore,
        *,
        bootstrap: str = "",
        monotonic: Callable[[], float] = monotonic_s,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._clock = clock
        self._bootstrap: KeyRow | None = None
        if bootstrap:
            found = parts(bootstrap)
            assert found, "settings have checked it"
            key_id, secret = found
            self._bootstrap = KeyRow(
                key_id=key_id,
                name="bootstrap",
                digest=digest(secret),
                scopes=tuple(READING),
                role=Role.READER,
                created_ns=0,
            )
        self._known: dict[str, tuple[float, KeyRow | None]] = {}

    async def who(self, headers: Mapping[str, str], *, method: str = "GET") -> Principal | None:  # noqa: ARG002  (a way in by cookie needs it)
        """Return who the headers' key speaks for; None: they show no key.

        Raises:
            AuthError: a key that opens nothing.
        """
        shown = headers.get("authorization")
        text = headers.get("x-api-key") if shown is None else bearer(shown)
        if text is None or (shown is not None and not text.startswith(PREFIX)):
            return None  # a token's, or no way of ours
        return await self.check(text)

    async def check(self, text: str) -> Principal:
        """Return who holds the key `text`.

        Raises:
            AuthError: malformed, unknown, revoked or at its end.
        """
        found = parts(text)
        if found is None:
            raise refused("malformed", "this is no API key: its form or its checksum is wrong")
        key_id, secret = found
        row = await self._row(key_id)
        # compared even for an unknown id, so that time does not tell which ids there are
        fits = hmac.compare_digest(row.digest if row else _NOBODY, digest(secret))
        if row is None or not fits:
            raise refused("unknown", "the API key is not known")
        if reason := end_of(row, self._clock()):
            raise refused(reason, _ENDS[reason])
        return self._principal(row)

    async def renew(self, principal: Principal) -> Principal | None:
        """Return what an open connection's key allows now; None: nothing any more."""
        if principal.way not in {Way.KEY, Way.BOOTSTRAP}:
            return None
        row = await self._row(principal.credential)
        return None if row is None or end_of(row, self._clock()) else self._principal(row)

    def forget(self, credential: str) -> None:
        """Look again: the key was revoked or changed."""
        self._known.pop(credential, None)

    def forget_all(self) -> None:
        """Look again at every key: a person has changed."""
        self._known.clear()

    async def _row(self, key_id: str) -> KeyRow | None:
        if self._bootstrap and key_id == self._bootstrap.key_id:
            return self._bootstrap
        now_s = self._monotonic()
        if (known := self._known.get(key_id)) and now_s - known[0] < _REMEMBER_S:
            return known[1]
        row = await self._store.find_key(key_id)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key_id] = (now_s, row)
        return row

    def _principal(self, row: KeyRow) -> Principal:
        return Principal(
            way=Way.BOOTSTRAP if row is self._bootstrap else Way.KEY,
            subject=row.owner,
            credential=row.key_id,
            name=row.name,
            scopes=expand(row.scopes) & ROLES[row.role],
            role=row.role,
            expires_ns=row.ends_ns,
            limits=row.limits,
            quota_day=row.quota_day,
        )


def end_of(row: KeyRow, now_ns: int) -> str | None:
    """Return why a key opens nothing at `now_ns`, or None."""
    if row.revoked_ns is not None:
        return "revoked"
    if row.disabled:
        return "disabled"
    if row.until_ns is not None and row.until_ns <= now_ns:
        return "replaced"
    if row.expires_ns is not None and row.expires_ns <= now_ns:
        return "expired"
    return None


def bearer(header: str) -> str:
    """Return what an `Authorization` header bears; empty where it is of another scheme."""
    scheme, _, text = header.strip().partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def refused(reason: str, message: str) -> AuthError:
    """Count a refused credential; returns the error to raise."""
    metrics.AUTH_FAILURES.labels(reason).inc()
    return AuthError(message)
