"""F2: nothing that somebody writes into a rule is ever evaluated as a program, and none of it is a fault of ours."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.access.keys import mint
from services.gateway.alerting.wishes import Wish, rule_of
from services.gateway.operations.parsing import parse
from services.gateway.problems import Problem
from tests.libs.common.conditions.hostile_conditions import hostile

ROOT = Path(__file__).resolve().parents[4]
ROWS = [row for row in hostile() if row[0]]
"""But the empty text, which is no condition and asks nothing."""
PROGRAMS = (
    "__import__('os').system('id')",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd').read()",
    "().__class__.__bases__[0].__subclasses__()",
    "{{7*7}}",
    "${jndi:ldap://127.0.0.1/a}",
    "'; DROP TABLE gateway.rules; --",
    "score > 1\0",
    "\u202escore > 1",
    "score > 1; import os",
    "lambda: score",
    "[x for x in (1).__class__.__mro__]",
    "score > 1 if True else os.abort()",
    "1" * 400,
    "(" * 200,
    "not " * 120 + "score > 1",
)


def refused(text, **more):
    """Return the fields at fault; fails where the text is taken, or anything but a problem comes of it."""
    with pytest.raises(Problem) as caught:
        rule_of("rule_1", parse(Wish, {"recipient": "1001", "condition": text, **more}, texts=False))
    assert caught.value.status == 422
    return [error.field for error in caught.value.errors]


def test_no_eval_in_production():
    calls = {
        f"{path.name}:{node.lineno}"
        for room in ("libs", "services")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"eval", "exec", "compile"}
    }
    assert calls == set()


def test_a_thousand_hostile_conditions_are_refused_for_their_condition():
    assert len(ROWS) >= 1_000
    assert [text for text, _ in ROWS if refused(text) != ["condition"]] == []


@pytest.mark.parametrize("text", PROGRAMS)
def test_a_program_is_no_condition_and_no_end_of_an_episode(text):
    assert refused(text) == ["condition"]
    assert refused("liq_usd_10m > 1", kind="liquidation", until=text) == ["until"]


def outcome(**given_):
    try:
        rule_of("rule_1", parse(Wish, {"recipient": "1001", **given_}, texts=False))
    except Problem as problem:
        return problem.status
    return 201


@given(st.text(max_size=600))
def test_any_text_is_a_rule_or_a_problem(text):
    assert outcome(condition=text) in {201, 422}
    assert outcome(kind="spike", condition="price_change_5m > 0.1", until=text) in {201, 422}


async def test_by_post_they_are_refused_and_leave_nothing(gateway):
    key = mint("rules", ["read:alerts", "write:alerts"])
    await gateway.store.add_key(key.row)
    async with gateway.client(Authorization=f"Bearer {key.text}") as client:
        added = await client.post("/v1/alerts/recipients", json={"recipient": "1001"})
        assert added.status_code == 201, added.text
        for text in (*PROGRAMS, *(text for text, _ in ROWS[::97])):
            answer = await client.post("/v1/alerts/rules", json={"recipient": "1001", "condition": text})
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "condition"), text
        assert (await client.get("/v1/alerts/rules")).json()["data"] == []
    assert await gateway.store.pool.fetchval("SELECT count(*) FROM gateway.announcements") == 0
