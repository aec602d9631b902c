"""Who may sign in, in PostgreSQL: people with a name, a role, and a password or an identity elsewhere."""

import re
import secrets
from typing import Any, Final

import asyncpg
from msgspec import Struct

from services.gateway.access.scopes import Role

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
"""Small letters: two names that differ by case alone would be one to those who read them."""
LOCAL: Final = "local"
"""Owns the keys that the command line makes; cannot sign in."""

_COLUMNS: Final = "user_id, name, role, password, oidc_issuer, oidc_subject, disabled_ns, created_ns"
_ADD: Final = f"INSERT INTO gateway.users ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, NULL, $7)"  # noqa: S608  (columns are ours)
_BY_NAME: Final = f"SELECT {_COLUMNS} FROM gateway.users WHERE name = $1"  # noqa: S608  (columns are ours)
_BY_IDENTITY: Final = f"SELECT {_COLUMNS} FROM gateway.users WHERE oidc_issuer = $1 AND oidc_subject = $2"  # noqa: S608  (columns are ours)
_ALL: Final = f"SELECT {_COLUMNS} FROM gateway.users ORDER BY created_ns, user_id"  # noqa: S608  (columns are ours)
_PASSWORD: Final = "UPDATE gateway.users SET password = $2 WHERE user_id = $1"  # noqa: S105  (a statement)
_ROLE: Final = "UPDATE gateway.users SET role = $2 WHERE user_id = $1"
_DISABLED: Final = "UPDATE gateway.users SET disabled_ns = $2 WHERE user_id = $1"


class Person(Struct, frozen=True, kw_only=True):
    """Who may sign in, as it is stored."""

    user_id: str
    name: str
    role: Role
    password: str | None = None
    """Argon2id in PHC form."""
    oidc_issuer: str | None = None
    oidc_subject: str | None = None
    disabled_ns: int | None = None
    created_ns: int


class NameTaken(ValueError):
    """Somebody has this name, or this identity elsewhere."""


def new(
    name: str, role: Role, *, at_ns: int, password: str | None = None, identity: tuple[str, str] | None = None
) -> Person:
    """Return a new person.

    Args:
        name: what they sign in as.
        role: what they are.
        at_ns: now.
        password: its hash.
        identity: issuer and subject of an identity elsewhere.

    Raises:
        ValueError: the name has another form.
    """
    if not NAME.fullmatch(name):
        raise ValueError("a name has 1 to 64 small letters, digits or . _ @ + - and begins with a letter or digit")
    issuer, subject = identity or (None, None)
    return Person(
        user_id=f"usr_{secrets.token_hex(8)}",
        name=name,
        role=role,
        password=password,
        oidc_issuer=issuer,
        oidc_subject=subject,
        created_ns=at_ns,
    )


async def add(connection: Any, person: Person) -> None:
    """Store a new person.

    Raises:
        NameTaken: the name or the identity is another's.
    """
    try:
        await connection.execute(
            _ADD,
            person.user_id,
            person.name,
            person.role,
            person.password,
            person.oidc_issuer,
            person.oidc_subject,
            person.created_ns,
        )
    except asyncpg.UniqueViolationError as e:
        raise NameTaken(f"there is somebody called {person.name}, or with this identity") from e


async def by_name(connection: Any, name: str) -> Person | None:
    """Return who has this name."""
    return _person(await connection.fetchrow(_BY_NAME, name))


async def by_identity(connection: Any, issuer: str, subject: str) -> Person | None:
    """Return who has this identity elsewhere."""
    return _person(await connection.fetchrow(_BY_IDENTITY, issuer, subject))


async def everyone(connection: Any) -> list[Person]:
    """Return all people, oldest first."""
    return [_of_row(row) for row in await connection.fetch(_ALL)]


async def set_password(connection: Any, user_id: str, password: str | None) -> None:
    """Give a person another password's hash, or none."""
    await connection.execute(_PASSWORD, user_id, password)


async def set_role(connection: Any, user_id: str, role: Role) -> None:
    """Make a person something else."""
    await connection.execute(_ROLE, user_id, role)


async def set_disabled(connection: Any, user_id: str, at_ns: int | None) -> None:
    """Let a person in no more, or again."""
    await connection.execute(_DISABLED, user_id, at_ns)


def _person(row: Any) -> Person | None:
    return None if row is None else _of_row(row)


def _of_row(row: Any) -> Person:
    return Person(**{**row, "role": Role(row["role"])})
