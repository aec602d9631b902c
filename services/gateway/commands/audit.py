"""`csx gateway audit ...`: whether the audit's chain is whole, from the command line."""

import re
from typing import Annotated, Final

import msgspec
import typer

from libs.common.runtime.console import emit, flush
from libs.common.runtime.errors import CheckFailed, InputError
from services.gateway.access import audit
from services.gateway.commands.oneshot import with_store
from services.gateway.operations.audit import state_of

app: Final = typer.Typer(no_args_is_help=True, help="The record of every change, each bound to the one before it.")


@app.callback()
def audited() -> None:
    """Keep `verify` a command of its own."""


@app.command()
def verify(
    expect: Annotated[str, typer.Option(help="A hash noted earlier, from `head`: does it still stand in it?")] = "",
) -> None:
    """Walk the whole chain; fail where it is broken, naming the first record at fault."""
    if expect and not re.fullmatch(r"[0-9a-f]{64}", expect):
        raise InputError("--expect is a hash: 64 hexadecimal digits, as `head` shows it")
    state = state_of(
        with_store(lambda store: audit.verify(store.pool, expect=bytes.fromhex(expect) if expect else None))
    )
    emit(msgspec.json.encode(state))
    flush()
    if state.broken_seq is not None:
        raise CheckFailed(f"the audit is broken at record {state.broken_seq}: {state.cause}")
    if state.expected_stands is False:
        raise CheckFailed(
            "the hash noted earlier does not stand in the audit: it was written anew, or shortened by age"
        )
