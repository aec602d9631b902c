"""PostgreSQL starts on loopback, asks for its password, keeps its data, and never runs as root."""

import os
from pathlib import Path

import asyncpg
import pytest

from deploy.local.children import ChildError, free_port
from deploy.local.postgres import EmbeddedPostgres


async def _one(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.fixture
def home(store_dir: Path) -> Path:
    """A directory of one test that `nobody` can walk to."""
    folder = store_dir / os.urandom(4).hex()
    folder.mkdir(mode=0o711)
    return folder


async def test_data_survive_a_restart_on_another_port(home):
    first = EmbeddedPostgres()
    dsn = first.start(home, free_port())
    assert str(await _one(dsn, "SHOW server_version")).startswith("18.")
    assert await _one(dsn, "SELECT current_database()") == "csx"
    await _one(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()
    second = EmbeddedPostgres()
    again = second.start(home, free_port())
    try:
        assert again != dsn
        assert await _one(again, "SELECT answer FROM kept") == 42
    finally:
        second.stop()


async def test_data_survive_a_kill(home):
    first = EmbeddedPostgres()
    dsn = first.start(home, free_port())
    await _one(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    first.child.stop(grace_s=0.0)
    second = EmbeddedPostgres()
    try:
        assert await _one(second.start(home, free_port()), "SELECT answer FROM kept") == 42
    finally:
        second.stop()


async def test_the_wrong_password_is_refused(postgres_dsn):
    scheme, _, rest = postgres_dsn.partition("csx:")
    wrong = f"{scheme}csx:guess@{rest.partition('@')[2]}"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)


async def test_each_fresh_database_is_empty(fresh_dsn):
    query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert await _one(fresh_dsn, query) == 0
    assert await _one(fresh_dsn, "SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C"
    assert await _one(fresh_dsn, "SHOW server_encoding") == "UTF8"


def test_the_password_is_for_the_owner_alone(home):
    server = EmbeddedPostgres()
    dsn = server.start(home, free_port())
    server.stop()
    secret = home / "postgres.password"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert f":{secret.read_text()}@127.0.0.1:" in dsn
    assert not (home / "postgres" / "initial").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_started_by_root_it_runs_as_nobody_and_opens_no_directory(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    from deploy.local.lodging import evict

    home = tmp_path / "closed" / "data"
    server = EmbeddedPostgres()
    server.start(home, free_port())
    try:
        uids = next(
            line.split()[1:]
            for line in Path(f"/proc/{server.child.pid}/status").read_text().splitlines()
            if "Uid" in line
        )
        assert set(uids) == {"65534"}
        assert (tmp_path / "closed").stat().st_mode & 0o777 == 0o700
        place = (home / "postgres").readlink()
        assert str(place).startswith("/var/tmp/csx-0-")
    finally:
        server.stop()
        evict(home)
    assert not place.parent.exists()


def test_a_port_that_is_taken_is_told(home, postgres_dsn):
    port = int(postgres_dsn.rpartition(":")[2].partition("/")[0])
    with pytest.raises(ChildError, match="postgres"):
        EmbeddedPostgres(output=lambda _: None).start(home, port)
