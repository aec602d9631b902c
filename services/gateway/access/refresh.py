"""Sessions in PostgreSQL: a sign-in begins a family of refresh tokens, each of which is good once.

A token that comes a second time was copied: either its holder or a thief has used it before, and nobody can tell who;
so the whole family ends. Two tabs of one browser may ask at the same moment, though: within five seconds of a token's
use the answer is that it was used, and nothing ends.
"""

import hashlib
import secrets
from enum import StrEnum, unique
from typing import Any, Final

from msgspec import Struct

from services.gateway.access.scopes import Role

SECOND_NS: Final = 1_000_000_000
IDLE_S: Final = 7 * 86_400
"""A session ends when it was not refreshed for so long."""
LIFE_S: Final = 30 * 86_400
"""And in any case."""
KEPT_NS: Final = 7 * 86_400 * SECOND_NS
"""How long a session that ended stays on record."""
RACE_NS: Final = 5 * SECOND_NS

_BEGIN: Final = """
INSERT INTO gateway.families (family_id, user_id, key_id, created_ns, expires_ns) VALUES ($1, $2, $3, $4, $5)
"""
_GIVE: Final = "INSERT INTO gateway.refresh (digest, family_id, issued_ns) VALUES ($1, $2, $3)"
# the family's row is locked: whoever shows a token of it waits until the one before has been decided
_FIND: Final = """
SELECT f.family_id, f.user_id, f.key_id, f.expires_ns, f.ended_ns, u.name, u.role, u.disabled_ns, r.issued_ns, r.used_ns
FROM gateway.refresh r JOIN gateway.families f USING (family_id) JOIN gateway.users u USING (user_id)
WHERE r.digest = $1
"""
_USED: Final = "UPDATE gateway.refresh SET used_ns = $2, successor = $3 WHERE digest = $1"
_END: Final = """
UPDATE gateway.families SET ended_ns = $2, reason = $3 WHERE family_id = $1 AND ended_ns IS NULL RETURNING user_id
"""
_FAMILY: Final = """
SELECT f.family_id, f.user_id, f.key_id, f.expires_ns, f.ended_ns, u.name, u.role, u.disabled_ns
FROM gateway.families f JOIN gateway.users u USING (user_id) WHERE f.family_id = $1
"""

_PRUNE: Final = "DELETE FROM gateway.families WHERE least(expires_ns, ended_ns) < $1"


class Family(Struct, frozen=True, kw_only=True):
    """One sign-in, and what its person is now."""

    family_id: str
    user_id: str
    name: str
    role: Role
    key_id: str | None
    """The key it was exchanged for: it ends with it, and may no more."""
    expires_ns: int
    ended_ns: int | None = None
    disabled_ns: int | None = None

    def lives(self, now_ns: int) -> bool:
        """Tell whether it still opens anything."""
        return self.ended_ns is None and self.disabled_ns is None and now_ns < self.expires_ns


@unique
class Outcome(StrEnum):
    """What became of a refresh token that was shown."""

    ROTATED = "rotated"
    UNKNOWN = "unknown"
    ENDED = "ended"
    RACED = "raced"
    """It was used a moment ago: another tab has the next one."""
    REUSED = "reused"
    """It was used long ago: the family has just been ended."""


class Rotation(Struct, frozen=True, kw_only=True):
    """What became of a refresh token, and its successor."""

    outcome: Outcome
    family: Family | None = None
    text: str = ""


async def begin(connection: Any, user_id: str, *, at_ns: int, key_id: str | None = None) -> tuple[str, str]:
    """Begin a family; returns its id and its first refresh token, which is stored nowhere."""
    family, text = secrets.token_bytes(16), secrets.token_urlsafe(32)
    await connection.execute(_BEGIN, family, user_id, key_id, at_ns, at_ns + LIFE_S * SECOND_NS)
    await connection.execute(_GIVE, digest(text), family, at_ns)
    return family.hex(), text


async def rotate(connection: Any, text: str, *, at_ns: int) -> Rotation:
    """Exchange a refresh token for the next; must run in a transaction that is committed whatever comes out."""
    shown = digest(text)
    row = await connection.fetchrow(f"{_FIND} FOR UPDATE OF f", shown)
    if row is None:
        return Rotation(outcome=Outcome.UNKNOWN)
    # read again: what stood before the lock may be of before the other's commit
    row = await connection.fetchrow(_FIND, shown)
    family = _family(row)
    if not family.lives(at_ns) or row["issued_ns"] + IDLE_S * SECOND_NS <= at_ns:
        return Rotation(outcome=Outcome.ENDED, family=family)
    if row["used_ns"] is not None:
        if at_ns - row["used_ns"] <= RACE_NS:
            return Rotation(outcome=Outcome.RACED, family=family)
        await connection.execute(_END, row["family_id"], at_ns, "reuse")
        return Rotation(outcome=Outcome.REUSED, family=family)
    following = secrets.token_urlsafe(32)
    await connection.execute(_USED, shown, at_ns, digest(following))
    await connection.execute(_GIVE, digest(following), row["family_id"], at_ns)
    return Rotation(outcome=Outcome.ROTATED, family=family, text=following)


async def of_token(connection: Any, text: str) -> Family | None:
    """Return whose session a refresh token is of; the token stays as it is."""
    row = await connection.fetchrow(_FIND, digest(text))
    return None if row is None else _family(row)


async def find(connection: Any, family_id: str) -> Family | None:
    """Return a family."""
    try:
        family = bytes.fromhex(family_id)
    except ValueError:
        return None
    row = await connection.fetchrow(_FAMILY, family)
    return None if row is None else _family(row)


async def end(connection: Any, family_id: str, *, at_ns: int, reason: str) -> bool:
    """End a family; False: it had ended."""
    return await connection.fetchval(_END, bytes.fromhex(family_id), at_ns, reason) is not None


async def prune(connection: Any, now_ns: int) -> int:
    """Forget sessions that ended long ago, with their tokens; return how many."""
    deleted = await connection.execute(_PRUNE, now_ns - KEPT_NS)
    return int(deleted.rpartition(" ")[2])


def digest(text: str) -> bytes:
    """Return what is stored of a refresh token."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()  # 256 random bits need no slow hash


def _family(row: Any) -> Family:
    return Family(
        family_id=row["family_id"].hex(),
        user_id=row["user_id"],
        name=row["name"],
        role=Role(row["role"]),
        key_id=row["key_id"],
        expires_ns=row["expires_ns"],
        ended_ns=row["ended_ns"],
        disabled_ns=row["disabled_ns"],
    )
