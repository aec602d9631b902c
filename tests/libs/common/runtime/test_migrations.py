"""Migrations: in order, once, together, and never rewritten."""

import asyncio
import sys

import asyncpg
import pytest

from libs.common.runtime.errors import ConfigurationError, DependencyDown
from libs.common.runtime.migrations import migrate, read


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "some_migrations"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "0001_things.sql").write_text("CREATE TABLE shop.things (id int PRIMARY KEY);")
    (folder / "0002_names.sql").write_text("ALTER TABLE shop.things ADD COLUMN name text;")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("some_migrations", None)


async def test_each_runs_once_even_when_many_processes_start_together(fresh_dsn, package):
    ran = await asyncio.gather(*(migrate(fresh_dsn, "some_migrations", "shop") for _ in range(4)))
    assert sorted(ran) == [0, 0, 0, 2]
    connection = await asyncpg.connect(fresh_dsn)
    await connection.execute("INSERT INTO shop.things (id, name) VALUES (1, 'a')")
    assert await connection.fetchval("SELECT count(*) FROM shop.migrations") == 2
    await connection.close()


async def test_a_migration_that_breaks_leaves_nothing_behind(fresh_dsn, package):
    (package / "0003_broken.sql").write_text("CREATE TABLE shop.half (id int); SELECT no_such_function();")
    with pytest.raises(asyncpg.UndefinedFunctionError):
        await migrate(fresh_dsn, "some_migrations", "shop")
    connection = await asyncpg.connect(fresh_dsn)
    assert await connection.fetchval("SELECT to_regclass('shop.things')") is None
    await connection.close()


async def test_history_is_not_rewritten(fresh_dsn, package):
    await migrate(fresh_dsn, "some_migrations", "shop")
    (package / "0001_things.sql").write_text("CREATE TABLE shop.things (id bigint PRIMARY KEY);")
    with pytest.raises(ConfigurationError, match="0001_things"):
        await migrate(fresh_dsn, "some_migrations", "shop")


def test_a_hole_in_the_numbers_is_refused(package):
    (package / "0002_names.sql").rename(package / "0003_names.sql")
    with pytest.raises(ConfigurationError, match="not numbered"):
        read("some_migrations")


async def test_a_database_that_does_not_answer_is_a_dependency_that_is_down(package):
    with pytest.raises(DependencyDown, match="PostgreSQL"):
        await migrate("postgresql://x:y@127.0.0.1:1/z", "some_migrations", "shop")
