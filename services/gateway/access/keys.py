"""API keys: made, checked and revoked; only a hash is stored, and without a key there is no access.

A key reads `csx_live_<id>_<secret><checksum>`: 10 characters that name it, 43 of base62 (256 random bits) and six of
CRC-32, so that a mistyped key is refused without a look-up and a scanner for leaked secrets can be sure.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from msgspec import Struct

from libs.common.runtime.clock import monotonic_s, now_ns
from services.gateway import metrics

PREFIX: Final = "csx_live_"
PATTERN: Final = re.compile(r"csx_live_(?P<id>[0-9A-Za-z]{10})_(?P<secret>[0-9A-Za-z]{43})(?P<sum>[0-9A-Za-z]{6})")
SCOPES: Final = ("read",)
"""What a key may be allowed: `read` shows everything the gateway shows."""

_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_NOBODY: Final = hashlib.sha256(b"").digest()
_REMEMBER_S: Final = 3.0
_REMEMBERED: Final = 10_000
_TOUCH_NS: Final = 60_000_000_000


class Principal(Struct, frozen=True):
    """Who asks."""

    key_id: str
    name: str
    scopes: frozenset[str]


ANONYMOUS: Final = Principal("anonymous", "anonymous", frozenset({"read"}))


class KeyRow(Struct, frozen=True, kw_only=True):
    """What is stored of a key."""

    key_id: str
    name: str
    digest: bytes
    scopes: tuple[str, ...]
    created_ns: int
    revoked_ns: int | None = None
    used_ns: int | None = None


class KeyStore(Protocol):
    """Where keys are kept; `Store` in production."""

    async def find_key(self, key_id: str) -> KeyRow | None:
        """Return the key of that id, revoked ones too."""

    async def touch_key(self, key_id: str, used_ns: int) -> None:
        """Remember its last use."""


class NewKey(Struct, frozen=True):
    """A key just made: `text` is shown once, `row` is what is stored."""

    text: str
    row: KeyRow


class AuthError(Exception):
    """The key opens nothing; the message says why without saying more than the caller knew."""


def mint(name: str, scopes: Iterable[str] = ("read",), *, at_ns: int = 0) -> NewKey:
    """Make a key from 256 random bits.

    Raises:
        ValueError: an unknown scope.
    """
    wanted = tuple(dict.fromkeys(scopes))
    if unknown := sorted(set(wanted) - set(SCOPES)):
        raise ValueError(f"unknown scope {', '.join(unknown)}: there is {', '.join(SCOPES)}")
    key_id = "".join(secrets.choice(_BASE62) for _ in range(10))
    secret = _base62(secrets.randbits(256), 43)
    body = f"{PREFIX}{key_id}_{secret}"
    row = KeyRow(key_id=key_id, name=name, digest=_digest(secret), scopes=wanted, created_ns=at_ns or now_ns())
    return NewKey(f"{body}{_checksum(body)}", row)


def well_formed(text: str) -> bool:
    """Tell whether `text` has the form of a key and its checksum is right."""
    return _parts(text) is not None


class Keyring:
    """Checks keys against a store; a revoked key opens nothing within three seconds, on every replica."""

    def __init__(
        self,
        store: KeyStore,
        *,
        bootstrap: str = "",
        anonymous: bool = False,
        monotonic: Callable[[], float] = monotonic_s,
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self.anonymous = anonymous
        self._bootstrap: KeyRow | None = None
        if bootstrap:
            parts = _parts(bootstrap)
            assert parts, "settings have checked it"
            key_id, secret = parts
            self._bootstrap = KeyRow(
                key_id=key_id, name="bootstrap", digest=_digest(secret), scopes=SCOPES, created_ns=0
            )
        self._known: dict[str, tuple[float, KeyRow | None]] = {}
        self._touched: dict[str, int] = {}

    async def check(self, text: str) -> Principal:
        """Return who holds the key `text`.

        Raises:
            AuthError: malformed, unknown or revoked.
        """
        parts = _parts(text)
        if parts is None:
            raise _refused("malformed", "this is no API key: its form or its checksum is wrong")
        key_id, secret = parts
        row = await self._row(key_id)
        # compared even for an unknown id, so that time does not tell which ids there are
        fits = hmac.compare_digest(row.digest if row else _NOBODY, _digest(secret))
        if row is None or not fits:
            raise _refused("unknown", "the API key is not known")
        if row.revoked_ns is not None:
            raise _refused("revoked", "the API key was revoked")
        await self._touch(key_id)
        return Principal(row.key_id, row.name, frozenset(row.scopes))

    async def still_valid(self, principal: Principal) -> bool:
        """Tell whether an open connection's key has not been revoked since."""
        if principal == ANONYMOUS:
            return self.anonymous
        row = await self._row(principal.key_id)
        return row is not None and row.revoked_ns is None

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

    async def _touch(self, key_id: str) -> None:
        if self._bootstrap and key_id == self._bootstrap.key_id:
            return
        at_ns = now_ns()
        if at_ns - self._touched.get(key_id, 0) > _TOUCH_NS:
            self._touched[key_id] = at_ns
            await self._store.touch_key(key_id, at_ns)


def bearer(header: str) -> str:
    """Return the key in an `Authorization` header; empty where it holds none."""
    scheme, _, key = header.strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _refused(reason: str, message: str) -> AuthError:
    metrics.AUTH_FAILURES.labels(reason).inc()
    return AuthError(message)


def _parts(text: str) -> tuple[str, str] | None:
    found = PATTERN.fullmatch(text)
    if not found or not hmac.compare_digest(_checksum(text[:-6]), found["sum"]):
        return None
    return found["id"], found["secret"]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()  # 256 random bits need no slow hash


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), 6)


def _base62(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    return digits
