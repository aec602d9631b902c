"""`csx gateway keys ...`: API keys from the command line, by the operations that HTTP has, and in the same audit."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec
import typer
from msgspec import Struct, structs

from libs.common.runtime.console import emit, flush
from libs.common.runtime.errors import InputError
from services.gateway.access import people
from services.gateway.access.principal import CONSOLE, Principal
from services.gateway.access.rotation import USUAL_DAYS, USUAL_OVERLAP_S
from services.gateway.access.scopes import ROLES, WORDS, Scope, expand
from services.gateway.board import Board
from services.gateway.commands.oneshot import with_store
from services.gateway.idempotency import PostgresLedger
from services.gateway.operations.call import call
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.keys import KEYS
from services.gateway.operations.operation import Operation
from services.gateway.operations.parsing import parse
from services.gateway.problems import Problem
from services.gateway.store.latest import Latest
from services.gateway.store.store import Store

app: Final = typer.Typer(no_args_is_help=True, help="API keys: only their hash is stored.")

_OPERATIONS: Final[dict[str, Operation[Any, Any]]] = {operation.name: operation for operation in KEYS}
_HOUR_S: Final = 3600
_NOWHERE: Final = "redis://127.0.0.1:1/0"

_KeyId = Annotated[str, typer.Argument(help="The id: ten characters, see `list`.")]
T = TypeVar("T")


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What it is for.")],
    scopes: Annotated[str, typer.Option(help=f"Commas between more of: {', '.join(sorted(WORDS))}.")] = "read",
    owner: Annotated[str, typer.Option(help="Whose it is: the name of a user.")] = people.LOCAL,
    days: Annotated[int, typer.Option(help="It ends by itself after so many, 365 at most.")] = USUAL_DAYS,
    limits: Annotated[str | None, typer.Option(help="`standard`, or `wide` for ten times as much.")] = None,
    quota_day: Annotated[int | None, typer.Option(help="What the calls of a day may cost together.")] = None,
) -> None:
    """Make a key and print it: it is shown this once."""
    wish = {
        "name": name,
        "scopes": sorted(_scopes(scopes)),
        "expires_in_days": days,
        "limits": limits,
        "quota_day": quota_day,
    }
    made = _do(lambda desk: _of(desk, owner), "keys.create", wish)
    _print(made)


@app.command(name="list")
def show() -> None:
    """Print every key, without its secret."""
    cursor = None
    while True:
        page = _do(_everybody, "keys.list", {"owner": "all", "limit": 500, "cursor": cursor})
        for key in page.data:
            emit(msgspec.json.encode(key))
        flush()
        cursor = page.next_cursor
        if cursor is None:
            return


@app.command()
def rotate(
    key_id: _KeyId,
    overlap_h: Annotated[float, typer.Option(help="Hours that the old key still opens, 168 at most; 0: none.")] = (
        USUAL_OVERLAP_S / _HOUR_S
    ),
) -> None:
    """Let another key follow, and print it: it is shown this once."""
    _print(_do(_everybody, "keys.rotate", {"key_id": key_id, "overlap_s": round(overlap_h * _HOUR_S)}))


@app.command()
def revoke(key_id: _KeyId) -> None:
    """Make a key void, everywhere within five seconds."""
    _do(_everybody, "keys.revoke", {"key_id": key_id})
    emit(msgspec.json.encode({"key_id": key_id, "revoked": True}))
    flush()


@app.command()
def usage(key_id: _KeyId) -> None:
    """Print what a key was used for in the last day, by hour and operation."""
    emit(msgspec.json.encode(_do(_everybody, "keys.usage", {"key_id": key_id})))
    flush()


async def _everybody(_desk: Desk) -> Principal:
    return CONSOLE


async def _of(desk: Desk, name: str) -> Principal:
    user = await people.named(desk.store.pool, name)
    if user is None:
        raise InputError(f"there is nobody called {name}: see `csx gateway users list`")
    return structs.replace(CONSOLE, subject=user.user_id, role=user.role, scopes=ROLES[user.role])


def _scopes(text: str) -> frozenset[Scope]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if unknown := sorted(set(words) - set(WORDS)):
        raise InputError(f"unknown scope {', '.join(unknown)}: there is {', '.join(sorted(WORDS))}")
    return expand(words)


def _do(who: Callable[[Desk], Awaitable[Principal]], name: str, given: dict[str, Any]) -> Any:
    async def work(store: Store) -> Struct:
        latest = Latest.at(_NOWHERE)  # no operation on keys asks it
        desk = Desk(store=store, latest=latest, board=Board(store, latest), faults=_no_faults)
        desk.ledger = PostgresLedger(lambda: store.pool)
        operation = _OPERATIONS[name]
        try:
            params = parse(operation.params, given, texts=False)
            return await call(desk, Caller(principal=await who(desk)), operation, params)
        except Problem as e:
            raise InputError(e.detail) from e

    return with_store(work)


async def _no_faults() -> dict[str, str]:
    return {}


def _print(made: Any) -> None:
    shown = {"key": made.secret, "key_id": made.key.key_id, "name": made.key.name, "scopes": made.key.scopes}
    emit(msgspec.json.encode(shown | {"owner": made.key.owner, "ends": made.key.ends}))
    flush()
