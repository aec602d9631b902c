"""Who asks, whatever they showed for it. Pure."""

from enum import StrEnum, unique
from typing import Final

from msgspec import Struct

from services.gateway.access.scopes import READING, ROLES, Role, Scope


@unique
class Way(StrEnum):
    """How somebody came in."""

    ANONYMOUS = "anonymous"
    KEY = "key"
    SESSION = "session"
    BOOTSTRAP = "bootstrap"
    CONSOLE = "console"


class Principal(Struct, frozen=True, kw_only=True):
    """Who asks, and what they may."""

    way: Way
    subject: str
    """The user's id; empty for nobody."""
    credential: str
    """The key's id, or the family of the session's tokens: what can be revoked."""
    name: str
    scopes: frozenset[Scope]
    role: Role = Role.READER
    expires_ns: int | None = None
    limits: str = "standard"
    """Which row of the limits' table counts for them."""
    quota_day: int | None = None
    """What a day's calls may cost, where the key says so; None: what is usual."""
    budget: str = ""
    """Whose budget their calls take of, where several credentials share one; empty: the credential's own."""

    def may(self, scope: Scope) -> bool:
        """Tell whether `scope` is theirs."""
        if scope is Scope.SIGNED_IN:
            return bool(self.credential)
        return scope is Scope.PUBLIC or scope in self.scopes


CONSOLE: Final = Principal(
    way=Way.CONSOLE,
    subject="local",
    credential="console",
    name="command line",
    scopes=ROLES[Role.ADMIN],
    role=Role.ADMIN,
)
"""Who can reach the database itself: the command line of this machine."""

NOBODY: Final = Principal(way=Way.ANONYMOUS, subject="", credential="", name="nobody", scopes=frozenset())
"""Who shows nothing where something is needed."""

ANONYMOUS: Final = Principal(
    way=Way.ANONYMOUS, subject="", credential="anonymous", name="anonymous", scopes=frozenset(READING)
)
"""Who shows nothing where that is enough: the sandbox market on this machine."""
