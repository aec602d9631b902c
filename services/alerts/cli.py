"""`csx alerts`: verdicts to the messages they would become, and what the outbox holds."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import msgspec
import typer

from libs.common.bus.codec import CodecError, decode_lines
from libs.common.conditions.catalogue import METRICS
from libs.common.conditions.language import Condition, Fault
from libs.common.conditions.proper import condition_of
from libs.common.conditions.subjects import Kind
from libs.common.events import AlertRule, Decision, DeliveryState, Signal, Verdict
from libs.common.runtime.console import closed_pipe, emit, flush
from libs.common.runtime.errors import ConfigurationError, DependencyDown, InputError
from libs.common.runtime.settings import load
from services.alerts.policy import wording
from services.alerts.policy.judged import subject_of
from services.alerts.policy.matching import match
from services.alerts.settings import Settings
from services.alerts.store.outbox import STORE_ERRORS, Outbox

app = typer.Typer(help="Alerts: rules, messages, deliveries.", no_args_is_help=True)

_EXAMPLE = 'abs_score >= 0.6 and regime == "trend"'


@app.command()
def render(
    file: Annotated[str, typer.Argument(help="NDJSON of signals or verdicts; - is standard input.")],
    json: Annotated[bool, typer.Option("--json", help="Alerts as NDJSON, HTML and plain text.")] = False,
    condition: Annotated[str, typer.Option(help=f"What must hold, as in a rule: {_EXAMPLE}")] = "",
) -> None:
    """Print the message of each signal or verdict that anyone could be told of; other events are passed over."""
    if condition:
        _understood(condition)
    rule = AlertRule(rule_id="preview", recipient="0", condition=condition)
    try:
        for verdict in _verdicts(file):
            if match(rule, verdict, subject_of(verdict).facts).wanted:
                created_ns = verdict.decided_ns
                words = wording.render(verdict, quality=None, link=None, created_ns=created_ns)
                alert = wording.compose(rule, verdict, words, created_ns)
                emit(alert if json or not sys.stdout.isatty() else f"{alert.text}\n".encode())
        flush()
    except BrokenPipeError:
        closed_pipe()


@app.command()
def condition(
    text: Annotated[str, typer.Argument(metavar="CONDITION", help=f"Of a rule: {_EXAMPLE}")],
    kind: Annotated[Kind, typer.Option(help="What the rule is about.")] = Kind.SIGNAL,
) -> None:
    """Say which metrics a condition asks about, with their units; or where it is wrong, with exit code 2."""
    for name in sorted(_understood(text, kind).names):
        emit(f"{name}: {METRICS[name].meaning} ({METRICS[name].unit})".encode())
    flush()


def _understood(text: str, kind: Kind = Kind.SIGNAL) -> Condition:
    try:
        return condition_of(text, kind)
    except Fault as e:
        raise InputError(e.shown(text)) from e


@app.command()
def outbox(
    state: Annotated[DeliveryState | None, typer.Option(help="Only alerts in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 50,
) -> None:
    """Print what the outbox holds, one JSON object a line."""
    settings = load(Settings)
    dsn = settings.postgres_dsn.get_secret_value()
    if not dsn:
        raise ConfigurationError("CSX_POSTGRES_DSN is missing: the outbox is in PostgreSQL")
    for row in asyncio.run(_rows(dsn, state, limit)):
        emit(msgspec.json.encode(row))
    flush()


def _verdicts(file: str) -> Iterator[Verdict]:
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as lines:
            for event in decode_lines(lines):
                if isinstance(event, Verdict):
                    yield event
                elif isinstance(event, Signal):
                    yield _unjudged(event)
    except (OSError, CodecError) as e:
        raise InputError(f"{file}: {e}") from e


def _unjudged(signal: Signal) -> Verdict:
    return Verdict(
        venue=signal.venue,
        symbol=signal.symbol,
        origin=signal.origin,
        signal=signal,
        decision=Decision.PUBLISH,
        rationale="not judged: shown as it is",
        judge="rules",
        decided_ns=signal.known_at_ns,
    )


async def _rows(dsn: str, state: DeliveryState | None, limit: int) -> list[Mapping[str, Any]]:
    try:
        pool = await asyncpg.create_pool(dsn, min_size=1, max_size=1, timeout=5)
    except STORE_ERRORS as e:
        raise DependencyDown(f"PostgreSQL does not answer: {e}") from e
    async with pool:
        try:
            return await Outbox(pool).rows(state=state, limit=limit)
        except asyncpg.UndefinedTableError as e:
            raise DependencyDown("there is no outbox yet: start the alerts service once") from e
