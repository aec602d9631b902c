"""API keys in PostgreSQL: rows in, rows out. Each function takes a connection, or the pool where it is alone."""

from collections.abc import Sequence
from typing import Any, Final

from services.gateway.access.keys import KeyRow
from services.gateway.access.scopes import Role

_LOOK_UP_S: Final = 3.0
"""All who come by a key wait for each other."""

_COLUMNS: Final = """
SELECT k.key_id, k.name, k.digest, k.scopes, k.created_ns, k.owner, u.role, u.disabled_ns, k.expires_ns, k.revoked_ns,
       k.rotated_to, k.until_ns, k.limits, k.quota_day, k.used_ns, k.uses
FROM gateway.api_keys k JOIN gateway.users u ON u.user_id = k.owner
"""

_ADD: Final = """
INSERT INTO gateway.api_keys (key_id, name, digest, scopes, created_ns, owner, expires_ns, limits, quota_day)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

_PAGE: Final = (
    _COLUMNS
    + """
WHERE ($1::text IS NULL OR k.owner = $1)
  AND ($2::bigint IS NULL OR (k.created_ns, k.key_id) < ($2, $3::text))
ORDER BY k.created_ns DESC, k.key_id DESC
LIMIT $4
"""
)

_LIVING: Final = """
SELECT count(*) FROM gateway.api_keys
WHERE owner = $1 AND revoked_ns IS NULL AND coalesce(least(expires_ns, until_ns) > $2::bigint, true)
"""

_REVOKE: Final = """
UPDATE gateway.api_keys SET revoked_ns = coalesce(revoked_ns, $2) WHERE key_id = $1 RETURNING true
"""

_FOLLOW: Final = """
UPDATE gateway.api_keys SET rotated_to = $2, until_ns = $3 WHERE key_id = $1
"""


async def add(connection: Any, row: KeyRow) -> None:
    """Store a new key's hash."""
    await connection.execute(
        _ADD,
        row.key_id,
        row.name,
        row.digest,
        list(row.scopes),
        row.created_ns,
        row.owner,
        row.expires_ns,
        row.limits,
        row.quota_day,
    )


async def find(connection: Any, key_id: str, *, lock: bool = False) -> KeyRow | None:
    """Return the key of that id, revoked ones too; `lock`: nobody else changes it until the transaction ends."""
    row = await connection.fetchrow(_COLUMNS + f"WHERE k.key_id = $1{' FOR UPDATE OF k' if lock else ''}", key_id)
    return _row(row) if row else None


async def find_many(connection: Any, key_ids: Sequence[str]) -> dict[str, KeyRow]:
    """Return the keys of those ids, revoked ones too."""
    rows = await connection.fetch(_COLUMNS + "WHERE k.key_id = ANY($1::text[])", list(key_ids), timeout=_LOOK_UP_S)
    return {row["key_id"]: _row(row) for row in rows}


async def page(connection: Any, owner: str | None, *, after: tuple[int, str] | None = None, limit: int) -> list[KeyRow]:
    """Return an owner's keys (None: everybody's), newest first, after a place (created_ns, key_id)."""
    created_ns, key_id = after or (None, None)
    return [_row(row) for row in await connection.fetch(_PAGE, owner, created_ns, key_id, limit)]


async def living(connection: Any, owner: str, now_ns: int) -> int:
    """Return how many keys of an owner open something."""
    return int(await connection.fetchval(_LIVING, owner, now_ns))


async def revoke(connection: Any, key_id: str, at_ns: int) -> bool:
    """Revoke a key; False: there is no such key."""
    return bool(await connection.fetchval(_REVOKE, key_id, at_ns))


async def follow(connection: Any, key_id: str, successor: str, until_ns: int) -> None:
    """Let a key end at `until_ns` in favour of another."""
    await connection.execute(_FOLLOW, key_id, successor, until_ns)


def _row(row: Any) -> KeyRow:
    return KeyRow(
        key_id=row["key_id"],
        name=row["name"],
        digest=row["digest"],
        scopes=tuple(row["scopes"]),
        created_ns=row["created_ns"],
        owner=row["owner"],
        role=Role(row["role"]),
        disabled=row["disabled_ns"] is not None,
        expires_ns=row["expires_ns"],
        revoked_ns=row["revoked_ns"],
        rotated_to=row["rotated_to"],
        until_ns=row["until_ns"],
        limits=row["limits"],
        quota_day=row["quota_day"],
        used_ns=row["used_ns"],
        uses=row["uses"],
    )
