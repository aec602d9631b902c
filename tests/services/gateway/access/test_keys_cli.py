"""Keys and the audit from the command line: the same rules and the same record as over HTTP."""

import asyncio
import json

import asyncpg
import pytest
from typer.testing import CliRunner

from libs.common.runtime.errors import CheckFailed, InputError
from services.gateway.access.keys import well_formed
from services.gateway.cli import app


@pytest.fixture
def run(fresh_dsn, monkeypatch):
    monkeypatch.setenv("CSX_POSTGRES_DSN", fresh_dsn)

    def invoke(*words, text=""):
        done = CliRunner().invoke(app, list(words), input=text)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return [json.loads(line) for line in done.stdout.splitlines()]

    return invoke


def forced(dsn, *statements):
    async def work():
        connection = await asyncpg.connect(dsn)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(work())


async def in_thread(work):
    return await asyncio.to_thread(work)


async def test_a_key_is_made_followed_and_its_use_shown(run):
    def work():
        (made,) = run("keys", "create", "--name", "desk", "--scopes", "read,write:keys", "--days", "30")
        assert well_formed(made["key"])
        assert (made["owner"], "write:keys" in made["scopes"]) == ("local", True)
        (turned,) = run("keys", "rotate", made["key_id"], "--overlap-h", "2")
        assert well_formed(turned["key"])
        states = {row["key_id"]: row["state"] for row in run("keys", "list")}
        assert states == {made["key_id"]: "ending", turned["key_id"]: "active"}
        (usage,) = run("keys", "usage", made["key_id"])
        assert (usage["calls"], usage["data"]) == (0, [])
        with pytest.raises(InputError, match="followed by"):
            run("keys", "rotate", made["key_id"])
        for words in (("--scopes", "all"), ("--days", "366"), ("--limits", "endless"), ("--owner", "nobody")):
            with pytest.raises(InputError):
                run("keys", "create", "--name", "x", *words)

    await in_thread(work)


async def test_a_key_for_somebody_holds_no_more_than_their_role(run):
    def work():
        run("users", "add", "ada", "--role", "reader", text="a password of ada\n")
        (made,) = run("keys", "create", "--name", "hers", "--owner", "ada")
        assert made["owner"].startswith("usr_")
        with pytest.raises(InputError, match="admin:users"):
            run("keys", "create", "--name", "hers", "--owner", "ada", "--scopes", "admin:users")

    await in_thread(work)


async def test_every_act_is_audited_and_the_chain_verified_against_what_was_noted(run, fresh_dsn):
    def work():
        (made,) = run("keys", "create", "--name", "desk")
        run("keys", "revoke", made["key_id"])
        run("users", "add", "ada", text="a password of ada\n")
        (state,) = run("audit", "verify")
        assert (state["intact"], state["last_seq"], state["expected_stands"]) == (True, 3, None)
        noted = state["head"]
        run("users", "disable", "ada")
        (state,) = run("audit", "verify", "--expect", noted)
        assert (state["intact"], state["last_seq"], state["expected_stands"]) == (True, 4, True)
        with pytest.raises(InputError):
            run("audit", "verify", "--expect", "abc")
        off = "ALTER TABLE gateway.audit DISABLE TRIGGER ALL"
        forced(fresh_dsn, off, "UPDATE gateway.audit SET body = body || ' ' WHERE seq = 2")
        with pytest.raises(CheckFailed, match="broken at record 2"):
            run("audit", "verify")
        # whoever owns the database writes the whole chain anew: it fits, and what was noted is not in it
        again = "UPDATE gateway.audit_head SET seq = 0, hash = first_previous"
        forced(fresh_dsn, "DELETE FROM gateway.audit", again)
        run("keys", "create", "--name", "desk")
        (state,) = run("audit", "verify")
        assert state["intact"] is True
        with pytest.raises(CheckFailed, match="does not stand"):
            run("audit", "verify", "--expect", noted)

    await in_thread(work)
