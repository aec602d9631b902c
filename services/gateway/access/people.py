"""People in PostgreSQL: rows in, rows out. Each function takes a connection, or the pool where it is alone."""

from typing import Any, Final

from msgspec import Struct

from services.gateway.access.scopes import Role

LOCAL: Final = "local"
"""Owns the keys that the command line makes, and cannot sign in."""

_COLUMNS: Final = """
SELECT user_id, name, role, password, oidc_issuer, oidc_subject, disabled_ns, created_ns FROM gateway.users
"""

_ADD: Final = """
INSERT INTO gateway.users (user_id, name, role, password, oidc_issuer, oidc_subject, created_ns)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING true
"""

_PAGE: Final = _COLUMNS + "WHERE ($1::text IS NULL OR user_id > $1) ORDER BY user_id LIMIT $2"

_ADMINS: Final = (
    "SELECT count(*) FROM gateway.users WHERE role = 'admin' AND disabled_ns IS NULL AND user_id <> 'local'"
)

_END_SESSIONS: Final = """
UPDATE gateway.families SET ended_ns = $2, reason = $3 WHERE user_id = $1 AND ended_ns IS NULL
RETURNING encode(family_id, 'hex')
"""

_FORGET: Final = (
    "DELETE FROM gateway.key_usage WHERE key_id IN (SELECT key_id FROM gateway.api_keys WHERE owner = $1)",
    "DELETE FROM gateway.api_keys WHERE owner = $1",
    "DELETE FROM gateway.users WHERE user_id = $1",
)


class User(Struct, frozen=True, kw_only=True):
    """One person, or who owns the keys of this machine."""

    user_id: str
    name: str
    role: Role
    password: str | None = None
    """Argon2id in PHC form; absent: does not sign in by password."""
    oidc_issuer: str | None = None
    oidc_subject: str | None = None
    disabled_ns: int | None = None
    created_ns: int

    @property
    def active(self) -> bool:
        """Tell whether they may come in."""
        return self.disabled_ns is None


async def find(connection: Any, user_id: str, *, lock: bool = False) -> User | None:
    """Return a person by id; `lock`: nobody else changes them until the transaction ends."""
    row = await connection.fetchrow(_COLUMNS + f"WHERE user_id = $1{' FOR NO KEY UPDATE' if lock else ''}", user_id)
    return _user(row) if row else None


async def named(connection: Any, name: str) -> User | None:
    """Return a person by name."""
    row = await connection.fetchrow(_COLUMNS + "WHERE name = $1", name)
    return _user(row) if row else None


async def known_elsewhere(connection: Any, issuer: str, subject: str) -> User | None:
    """Return a person by what an OpenID provider calls them."""
    row = await connection.fetchrow(_COLUMNS + "WHERE oidc_issuer = $1 AND oidc_subject = $2", issuer, subject)
    return _user(row) if row else None


async def page(connection: Any, *, after: str | None = None, limit: int) -> list[User]:
    """Return people by id, after a place."""
    return [_user(row) for row in await connection.fetch(_PAGE, after, limit)]


async def add(connection: Any, user: User) -> bool:
    """Add a person; False: there is one of that id, name or OpenID subject."""
    return bool(
        await connection.fetchval(
            _ADD,
            user.user_id,
            user.name,
            str(user.role),
            user.password,
            user.oidc_issuer,
            user.oidc_subject,
            user.created_ns,
        )
    )


async def set_role(connection: Any, user_id: str, role: Role) -> None:
    """Give a person another role; their keys follow within three seconds."""
    await connection.execute("UPDATE gateway.users SET role = $2 WHERE user_id = $1", user_id, str(role))


async def set_password(connection: Any, user_id: str, password: str | None) -> None:
    """Keep a password's Argon2id hash; None: no password signs them in."""
    await connection.execute("UPDATE gateway.users SET password = $2 WHERE user_id = $1", user_id, password)


async def set_disabled(connection: Any, user_id: str, at_ns: int | None) -> None:
    """Shut a person out, or let them in again (None)."""
    await connection.execute("UPDATE gateway.users SET disabled_ns = $2 WHERE user_id = $1", user_id, at_ns)


async def end_sessions(connection: Any, user_id: str, at_ns: int, reason: str) -> list[str]:
    """End a person's sessions; return their families, in hexadecimal."""
    return [row["encode"] for row in await connection.fetch(_END_SESSIONS, user_id, at_ns, reason)]


async def delete(connection: Any, user_id: str) -> None:
    """Forget a person with their keys; sessions and addresses go with the row."""
    for sql in _FORGET:
        await connection.execute(sql, user_id)


async def admins(connection: Any) -> int:
    """Return how many people may administer."""
    return int(await connection.fetchval(_ADMINS))


def _user(row: Any) -> User:
    return User(**{**row, "role": Role(row["role"])})
