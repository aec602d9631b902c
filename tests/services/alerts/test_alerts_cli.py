"""`csx alerts`: data on stdout, one word of failure as exit code."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from libs.common.bus.codec import encode
from libs.common.events import Decision, Direction, Event, Label, Signal, Timeframe, Verdict
from libs.common.runtime.errors import CsxError
from libs.common.runtime.migrations import migrate
from services.alerts.cli import app
from services.alerts.store.outbox import Outbox


def signal(name: str, direction: Direction = Direction.LONG) -> Signal:
    return Signal(
        venue="okx",
        symbol="BTC-USDT",
        signal_id=name,
        timeframe=Timeframe.M5,
        as_of_ns=0,
        known_at_ns=0,
        direction=direction,
        label=Label.BUY,
        score=0.5,
        confidence=0.5,
        price=1.0,
        contributions=(),
    )


def verdict(name: str, decision: Decision) -> Verdict:
    return Verdict(
        venue="okx",
        symbol="BTC-USDT",
        signal=signal(name),
        decision=decision,
        rationale="",
        judge="rules",
        decided_ns=0,
    )


def run(*words: str, given: bytes | None = None) -> tuple[int, list[dict[str, Any]]]:
    result = CliRunner().invoke(app, words, input=given)
    if isinstance(result.exception, CsxError):
        return result.exception.exit_code, []
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, [json.loads(line) for line in result.stdout_bytes.splitlines()]


@pytest.fixture
def said() -> bytes:
    events: list[Event] = [
        verdict("s1", Decision.PUBLISH),
        signal("s2"),
        verdict("s3", Decision.WITHHOLD),
        signal("s4", Direction.NEUTRAL),
    ]
    return b"\n".join(encode(event) for event in events)


def test_signals_and_verdicts_become_messages(said, tmp_path: Path):
    file = tmp_path / "signals.ndjson"
    file.write_bytes(said)
    code, alerts = run("render", str(file))
    assert code == 0
    assert [(alert["type"], alert["signal_id"]) for alert in alerts] == [("alert", "s1"), ("alert", "s2")]
    assert run("render", "-", given=said) == (0, alerts)


def test_unreadable_input_is_exit_2(tmp_path):
    assert run("render", str(tmp_path / "missing"))[0] == 2
    assert run("render", "-", given=b"{nonsense")[0] == 2


def test_the_outbox_is_listed(fresh_dsn, make_entry, monkeypatch):
    monkeypatch.setenv("CSX_POSTGRES_DSN", fresh_dsn)
    assert run("outbox")[0] == 5  # there is none yet

    async def prepare() -> None:
        await migrate(fresh_dsn, "services.alerts.migrations", "alerts")
        async with asyncpg.create_pool(fresh_dsn) as pool:
            await Outbox(pool).enqueue([make_entry("a"), make_entry("b", "1002", valid_until_ns=1)], 1)
            await Outbox(pool).sweep(2)

    asyncio.run(prepare())
    code, rows = run("outbox")
    assert code == 0
    assert {row["alert_id"]: row["state"] for row in rows} == {"a": "pending", "b": "expired"}
    assert [row["alert_id"] for row in run("outbox", "--state", "expired", "--limit", "1")[1]] == ["b"]


def test_without_a_database_it_says_so(monkeypatch):
    assert run("outbox")[0] == 3
    monkeypatch.setenv("CSX_POSTGRES_DSN", "postgresql://a@127.0.0.1:1/x")
    assert run("outbox")[0] == 5


def test_a_condition_says_what_it_asks_about():
    result = CliRunner().invoke(app, ["condition", "abs_score >= 0.6 and score > 0"])
    assert result.exit_code == 0
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["abs_score", "score"]


def test_a_condition_is_of_a_kind():
    result = CliRunner().invoke(app, ["condition", "storm and liq_usd_10m > 1000000", "--kind", "liquidation"])
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["liq_usd_10m", "storm"]
    assert CliRunner().invoke(app, ["condition", "storm", "--kind", "whale"]).exit_code != 0


def test_a_condition_that_is_none_points_at_the_place():
    result = CliRunner().invoke(app, ["condition", "scor > 0.5"])
    assert isinstance(result.exception, CsxError)
    assert result.exception.exit_code == 2
    assert str(result.exception).splitlines() == [
        "column 1: there is no metric scor (is it score?)",
        "scor > 0.5",
        "^^^^",
    ]


@pytest.mark.parametrize(("condition", "count"), [("score > 0.4", 1), ("score > 0.6", 0), ("probability > 0.1", 0)])
def test_what_is_rendered_can_be_bounded_by_a_condition(condition, count):
    given = encode(verdict("s1", Decision.PUBLISH))
    assert len(run("render", "-", "--json", "--condition", condition, given=given)[1]) == count
