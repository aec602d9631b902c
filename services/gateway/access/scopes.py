"""What may be allowed, and which role is allowed what: literal tables. Pure."""

from enum import StrEnum, unique
from typing import Final


@unique
class Scope(StrEnum):
    """One permission; an operation needs exactly one."""

    PUBLIC = "public"
    """Nobody needs to sign in."""
    SIGNED_IN = "signed-in"
    """Anybody who is somebody; a key of any scopes."""
    MARKET = "read:market"
    SIGNALS = "read:signals"
    STREAM = "stream"
    EXPORT = "export"
    ALERTS_READ = "read:alerts"
    ALERTS_WRITE = "write:alerts"
    KEYS = "write:keys"
    """One's own keys."""
    ADMIN_KEYS = "admin:keys"
    ADMIN_USERS = "admin:users"
    ADMIN_AUDIT = "admin:audit"
    ADMIN_SYSTEM = "admin:system"


@unique
class Role(StrEnum):
    """What a person is here."""

    READER = "reader"
    TRADER = "trader"
    ADMIN = "admin"


GRANTABLE: Final = frozenset(Scope) - {Scope.PUBLIC, Scope.SIGNED_IN}
"""What a key may be given."""

READING: Final = frozenset({Scope.MARKET, Scope.SIGNALS, Scope.STREAM, Scope.EXPORT})

_READER: Final = READING | {Scope.ALERTS_READ, Scope.KEYS}

ROLES: Final[dict[Role, frozenset[Scope]]] = {
    Role.READER: _READER,
    Role.TRADER: _READER | {Scope.ALERTS_WRITE},
    Role.ADMIN: GRANTABLE,
}
"""The most that a person of a role may do; a key of theirs never opens more."""

WORDS: Final[dict[str, frozenset[Scope]]] = {"read": READING} | {str(one): frozenset({one}) for one in GRANTABLE}
"""Words that stand for scopes: each scope's own, and `read`, which keys had before there were others."""


def expand(words: frozenset[str] | tuple[str, ...]) -> frozenset[Scope]:
    """Return the scopes that `words` stand for; unknown words open nothing."""
    return frozenset(scope for word in words for scope in WORDS.get(word, ()))
