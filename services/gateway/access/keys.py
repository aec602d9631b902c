"""API keys: made from chance, read from text, and what is stored of them; only a hash is. Pure but for the chance.

A key reads `csx_live_<id>_<secret><checksum>`: 10 characters that name it, 43 of base62 (256 random bits) and six of
CRC-32, so that a mistyped key is refused without a look-up and a scanner for leaked secrets can be sure.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from libs.common.runtime.clock import now_ns
from services.gateway.access.scopes import WORDS, Role

PREFIX: Final = "csx_live_"
PATTERN: Final = re.compile(r"csx_live_(?P<id>[0-9A-Za-z]{10})_(?P<secret>[0-9A-Za-z]{43})(?P<sum>[0-9A-Za-z]{6})")
"""What a scanner for leaked secrets looks for."""

_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase


class KeyRow(Struct, frozen=True, kw_only=True):
    """What is stored of a key, and what its owner is now."""

    key_id: str
    name: str
    digest: bytes
    scopes: tuple[str, ...]
    """Words, see `scopes.WORDS`."""
    created_ns: int
    owner: str = "local"
    """The user whose key it is."""
    role: Role = Role.ADMIN
    """The owner's role now: the key opens nothing that the role does not."""
    disabled: bool = False
    """The owner is."""
    expires_ns: int | None = None
    revoked_ns: int | None = None
    rotated_to: str | None = None
    """The key that follows it."""
    until_ns: int | None = None
    """The end of the overlap with it."""
    limits: str = "standard"
    quota_day: int | None = None
    used_ns: int | None = None
    uses: int = 0

    @property
    def ends_ns(self) -> int | None:
        """Return when it stops to open anything, as far as that is known."""
        return min((at for at in (self.expires_ns, self.until_ns) if at is not None), default=None)


class NewKey(Struct, frozen=True):
    """A key just made: `text` is shown once, `row` is what is stored."""

    text: str
    row: KeyRow


class AuthError(Exception):
    """What was shown opens nothing; the message says why without saying more than its sender knew."""


def mint(name: str, scopes: Iterable[str] = ("read",), *, at_ns: int = 0, expires_ns: int | None = None) -> NewKey:
    """Make a key from 256 random bits.

    Raises:
        ValueError: an unknown scope.
    """
    wanted = tuple(dict.fromkeys(scopes))
    if unknown := sorted(set(wanted) - set(WORDS)):
        raise ValueError(f"unknown scope {', '.join(unknown)}: there is {', '.join(sorted(WORDS))}")
    key_id = "".join(secrets.choice(_BASE62) for _ in range(10))
    secret = _base62(secrets.randbits(256), 43)
    body = f"{PREFIX}{key_id}_{secret}"
    row = KeyRow(
        key_id=key_id,
        name=name,
        digest=digest(secret),
        scopes=wanted,
        created_ns=at_ns or now_ns(),
        expires_ns=expires_ns,
    )
    return NewKey(f"{body}{_checksum(body)}", row)


def well_formed(text: str) -> bool:
    """Tell whether `text` has the form of a key and its checksum is right."""
    return parts(text) is not None


def parts(text: str) -> tuple[str, str] | None:
    """Return a key's id and secret; None: it is none."""
    found = PATTERN.fullmatch(text)
    if not found or not hmac.compare_digest(_checksum(text[:-6]), found["sum"]):
        return None
    return found["id"], found["secret"]


def digest(secret: str) -> bytes:
    """Return what is stored of a secret: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), 6)


def _base62(number: int, width: int) -> str:
    figures = ""
    for _ in range(width):
        number, rest = divmod(number, 62)
        figures = _BASE62[rest] + figures
    return figures
