"""`csx gateway openapi|gpt|asyncapi`: the documents of the API, printed, or held against what was promised before."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from libs.common.runtime.console import emit, flush
from libs.common.runtime.errors import CheckFailed, InputError
from services.gateway.contracts.compatibility import breaking_changes
from services.gateway.contracts.gpt import gpt_document
from services.gateway.contracts.openapi import VERSION, document
from services.gateway.operations.catalogue import OPERATIONS

EXAMPLE_SERVER: Final = "https://gateway.example"
"""In a document of actions whose address nobody has said."""

Check = Annotated[Path | None, typer.Option(help="An older document: fail where this one breaks its promises.")]


def openapi(check: Check = None) -> None:
    """Print the API as an OpenAPI 3.1 document."""
    _tell(DOCUMENTS["openapi"](), check)


def gpt(
    server: Annotated[str, typer.Option(help="The public address: https, port 443.")] = EXAMPLE_SERVER,
    check: Check = None,
) -> None:
    """Print the document that a custom GPT's actions are made of."""
    _tell(gpt_document(OPERATIONS, server=server, version=VERSION), check)


DOCUMENTS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "openapi": lambda: document(OPERATIONS),
    "gpt": lambda: gpt_document(OPERATIONS, server=EXAMPLE_SERVER, version=VERSION),
}
"""Every document that has a baseline in docs/contracts."""


def add_to(app: typer.Typer) -> None:
    """Make these commands of `app`."""
    for command in (openapi, gpt):
        app.command()(command)


def pretty(shown: dict[str, Any]) -> bytes:
    """Return a document as it is kept: JSON that people read."""
    return msgspec.json.format(msgspec.json.encode(shown, order="deterministic"), indent=2)


def _tell(shown: dict[str, Any], check: Path | None) -> None:
    if check is None:
        emit(msgspec.json.format(msgspec.json.encode(shown), indent=2))
        flush()
        return
    try:
        promised = msgspec.json.decode(check.read_bytes())
    except (OSError, msgspec.DecodeError) as e:
        raise InputError(f"{check} cannot be read: {e}") from e
    if broken := breaking_changes(promised, msgspec.json.decode(msgspec.json.encode(shown))):
        told = "\n".join(f"  {one}" for one in broken)
        raise CheckFailed(f"{len(broken)} promises of {check} are broken:\n{told}")
