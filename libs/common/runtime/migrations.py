"""Versioned migrations: the SQL files of a package, in order, each once, in one PostgreSQL schema.

A table of fifty lines instead of a migration framework: those bring an ORM or a second, blocking driver.
"""

import hashlib
import logging
import re
from importlib import resources
from typing import Final

import asyncpg
from msgspec import Struct

from libs.common.runtime.errors import ConfigurationError, DependencyDown

log = logging.getLogger(__name__)

_FILE: Final = re.compile(r"(?P<version>\d{4})_[a-z0-9_]+\.sql")
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]*")


class Migration(Struct, frozen=True):
    """One SQL file."""

    version: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        """What is remembered, so that a changed history is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(package: str) -> list[Migration]:
    """Return the migrations of a package, ordered; versions must be 1, 2, 3, ..."""
    found = [
        Migration(int(match["version"]), item.name, item.read_text(encoding="utf-8"))
        for item in resources.files(package).iterdir()
        if (match := _FILE.fullmatch(item.name))
    ]
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ConfigurationError(f"migrations of {package} are not numbered 0001, 0002, ...")
    return found


async def migrate(dsn: str, package: str, schema: str) -> int:
    """Bring `schema` up to date and return how many migrations ran; safe to call from many processes at once.

    Raises:
        ConfigurationError: a migration that already ran has changed since.
        DependencyDown: the database does not answer.
    """
    assert _SCHEMA.fullmatch(schema), schema  # it becomes an identifier below
    migrations = read(package)
    try:
        connection = await asyncpg.connect(dsn)
    except (OSError, asyncpg.PostgresError) as e:
        raise DependencyDown(f"PostgreSQL does not answer: {e}") from e
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"csx.migrate.{schema}")
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            await connection.execute(
                f"CREATE TABLE IF NOT EXISTS {schema}.migrations"
                " (version int PRIMARY KEY, name text NOT NULL, digest text NOT NULL,"
                " applied_at timestamptz NOT NULL DEFAULT now())"
            )
            rows = await connection.fetch(f"SELECT version, digest FROM {schema}.migrations")  # noqa: S608  (matched above)
            applied = {row["version"]: row["digest"] for row in rows}
            for migration in migrations:
                if (digest := applied.get(migration.version)) is None:
                    await connection.execute(migration.sql)
                    await connection.execute(
                        f"INSERT INTO {schema}.migrations (version, name, digest) VALUES ($1, $2, $3)",  # noqa: S608  (matched above)
                        migration.version,
                        migration.name,
                        migration.digest,
                    )
                    log.info("migrated", extra={"schema": schema, "migration": migration.name})
                elif digest != migration.digest:
                    raise ConfigurationError(f"migration {migration.name} of {schema} was changed after it ran")
    finally:
        await connection.close()
    return sum(migration.version not in applied for migration in migrations)
