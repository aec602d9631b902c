"""`csx gateway openapi|gpt|asyncapi`: the documents of the API, printed, or held against what was promised before."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from libs.common.runtime.console import emit, flush
from libs.common.runtime.errors import CheckFailed, InputError
from services.gateway.contracts.asyncapi import asyncapi_document
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


def asyncapi(check: Check = None) -> None:
    """Print the stream as an AsyncAPI 3.0 document."""
    _tell(DOCUMENTS["asyncapi"](), check)


DOCUMENTS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "openapi": lambda: document(OPERATIONS),
    "asyncapi": asyncapi_document,
    "gpt": lambda: gpt_document(OPERATIONS, server=EXAMPLE_SERVER, version=VERSION),
}
"""Every document that has a baseline in docs/contracts."""


def contracts(
    folder: Annotated[Path, typer.Argument(help="Where the documents are kept: docs/contracts.")],
    breaking: Annotated[bool, typer.Option("--breaking", help="Also where promises are broken: a new major.")] = False,
) -> None:
    """Write every document anew, unless one breaks a promise of what is there."""
    for name, make in DOCUMENTS.items():
        path, shown = folder / f"{name}.json", make()
        if path.exists() and not breaking:
            _hold(shown, path)
        path.write_bytes(kept(shown))


def add_to(app: typer.Typer) -> None:
    """Make these commands of `app`."""
    for command in (openapi, asyncapi, gpt, contracts):
        app.command()(command)


def kept(shown: dict[str, Any]) -> bytes:
    """Return a document as it is kept: a line for each path, channel and type, so that a change is a changed line."""
    return (
        b"{\n" + b",\n".join(_line(name, part, _DEEP.get(name, 0)) for name, part in sorted(shown.items())) + b"\n}\n"
    )


_DEEP: Final = {"paths": 1, "channels": 1, "operations": 1, "components": 2}
"""Parts of a document whose own parts have lines of their own, and how far down."""


def _line(name: str, part: Any, deep: int) -> bytes:
    key = msgspec.json.encode(name) + b": "
    if deep and isinstance(part, dict):
        return key + b"{\n" + b",\n".join(_line(one, inner, deep - 1) for one, inner in sorted(part.items())) + b"\n}"
    return key + msgspec.json.encode(part, order="deterministic")


def _tell(shown: dict[str, Any], check: Path | None) -> None:
    if check is None:
        emit(msgspec.json.format(msgspec.json.encode(shown), indent=2))
        flush()
    else:
        _hold(shown, check)


def _hold(shown: dict[str, Any], path: Path) -> None:
    try:
        promised = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as e:
        raise InputError(f"{path} cannot be read: {e}") from e
    if broken := breaking_changes(promised, msgspec.json.decode(msgspec.json.encode(shown))):
        told = "\n".join(f"  {one}" for one in broken)
        raise CheckFailed(f"{len(broken)} promises of {path} are broken:\n{told}")
