"""`csx gateway users`: people made, changed and shut out from the command line, each act in the audit."""

import asyncio

import asyncpg
import msgspec
import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner

from services.gateway.cli import app

PASSWORD = "correct horse battery"


@pytest.fixture
def users(fresh_dsn, monkeypatch):
    monkeypatch.setenv("CSX_POSTGRES_DSN", fresh_dsn)

    def run(*words, typed=""):
        return CliRunner().invoke(app, ["users", *words], input=typed)

    return run


def _rows(dsn, sql):
    async def fetch():
        connection = await asyncpg.connect(dsn)
        try:
            return [dict(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def _lines(result):
    assert result.exit_code == 0, result.output
    return [msgspec.json.decode(line) for line in result.stdout.splitlines()]


def test_a_person_is_made_changed_and_shut_out_and_each_act_is_on_record(users, fresh_dsn):
    made = _lines(users("add", "ada", "--role", "trader", typed=PASSWORD + "\n"))[0]
    assert (made["name"], made["role"], made["signs_in_by"], made["disabled"]) == ("ada", "trader", ["password"], None)
    stored = _rows(fresh_dsn, "SELECT password FROM gateway.users WHERE name = 'ada'")[0]["password"]
    assert PasswordHasher().verify(stored, PASSWORD)
    assert _lines(users("role", "ada", "admin"))[0]["role"] == "admin"
    users("password", "ada", typed="another horse battery\n")
    changed = _rows(fresh_dsn, "SELECT password FROM gateway.users WHERE name = 'ada'")[0]["password"]
    assert PasswordHasher().verify(changed, "another horse battery")
    assert _lines(users("disable", "ada"))[0]["disabled"] is not None
    assert _lines(users("enable", "ada"))[0]["disabled"] is None
    assert [line["name"] for line in _lines(users("list"))] == ["local", "ada"]
    acts = _rows(fresh_dsn, "SELECT action, body FROM gateway.audit ORDER BY seq")
    assert [act["action"] for act in acts] == ["users.create", *["users.change"] * 4]
    assert PASSWORD not in "".join(act["body"].decode() for act in acts)


@pytest.mark.parametrize(
    ("words", "typed", "fault"),
    [
        (("add", "Ada"), PASSWORD, "small letters"),
        (("add", "ada"), "short", "at least 12"),
        (("role", "nobody", "admin"), "", "nobody called nobody"),
        (("disable", "local"), "", "nobody called local"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(users, words, typed, fault):
    result = users(*words, typed=typed)
    assert result.exit_code != 0
    assert fault in str(result.exception)


def test_two_people_have_two_names(users):
    users("add", "ada", typed=PASSWORD)
    assert "there is somebody called ada" in str(users("add", "ada", typed=PASSWORD).exception)
