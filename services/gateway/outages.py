"""The errors of stores that do not answer: the caller may try again, we do not fail."""

from typing import Final

import asyncpg
from redis.exceptions import RedisError

OUTAGES: Final[tuple[type[Exception], ...]] = (OSError, RedisError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""`OSError` covers refused connections and time-outs."""

OURS: Final[tuple[type[Exception], ...]] = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.SyntaxOrAccessError,
)
"""What a database that answers says of a statement of ours: trying again does not help."""
