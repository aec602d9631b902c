"""`csx gateway ...`: the API's documents, its keys and its people."""

from typing import Annotated, Any

import msgspec
import typer

from libs.common.runtime.clock import now_ns
from libs.common.runtime.console import emit, flush
from libs.common.runtime.errors import InputError
from services.gateway import documents_cli, people_cli
from services.gateway.access.keys import KeyRow, mint
from services.gateway.oneshot import with_store
from services.gateway.schemas.times import rfc3339
from services.gateway.store.keys import page

app = typer.Typer(no_args_is_help=True, help="The API: its documents, its keys, its people.")
keys = typer.Typer(no_args_is_help=True, help="API keys: only their hash is stored.")
app.add_typer(keys, name="keys")
app.add_typer(people_cli.app, name="users")
documents_cli.add_to(app)


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="Whose key it is.")],
    scopes: Annotated[str, typer.Option(help="Commas between more.")] = "read",
) -> None:
    """Make a key and print it: it is shown this once."""
    try:
        key = mint(name, [scope.strip() for scope in scopes.split(",") if scope.strip()], at_ns=now_ns())
    except ValueError as e:
        raise InputError(str(e)) from e
    with_store(lambda store: store.add_key(key.row))
    emit(msgspec.json.encode({"key": key.text, "key_id": key.row.key_id, "name": name, "scopes": key.row.scopes}))
    flush()


@keys.command(name="list")
def show() -> None:
    """Print every key, without its secret."""
    for row in with_store(lambda store: page(store.pool, None, limit=10_000)):
        emit(msgspec.json.encode(_shown(row)))
    flush()


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The id: ten characters, see `list`.")]) -> None:
    """Make a key void, everywhere within five seconds."""
    if not with_store(lambda store: store.revoke_key(key_id, now_ns())):
        raise InputError(f"there is no key {key_id}: see `csx gateway keys list`")
    emit(msgspec.json.encode({"key_id": key_id, "revoked": True}))
    flush()


def _shown(row: KeyRow) -> dict[str, Any]:
    return {
        "key_id": row.key_id,
        "name": row.name,
        "scopes": row.scopes,
        "created": rfc3339(row.created_ns),
        "last_used": rfc3339(row.used_ns) if row.used_ns else None,
        "revoked": rfc3339(row.revoked_ns) if row.revoked_ns else None,
    }
