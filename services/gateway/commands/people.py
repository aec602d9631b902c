"""`csx gateway users ...`: who may sign in to the page. Passwords come from stdin and are never arguments."""

import re
import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import msgspec
import typer

from libs.common.runtime.clock import now_ns
from libs.common.runtime.console import emit, flush
from libs.common.runtime.errors import InputError
from services.gateway.access import audit, people
from services.gateway.access.audit import Act
from services.gateway.access.passwords import LEAST, Passwords
from services.gateway.access.people import User
from services.gateway.access.principal import CONSOLE
from services.gateway.access.scopes import Role
from services.gateway.commands.oneshot import with_store
from services.gateway.schemas.times import rfc3339

app: Final = typer.Typer(no_args_is_help=True, help="People who sign in to the page.")

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")

_Name = Annotated[str, typer.Argument(help="What they sign in as, in small letters.")]
Change = Callable[[Any, User], Awaitable[tuple[Any, Any]]]
"""Changes a person in a transaction; returns what it was and what it is, for the audit."""


@app.command()
def add(
    name: _Name,
    role: Annotated[Role, typer.Option(help="What they may.")] = Role.READER,
    password: Annotated[bool, typer.Option(help="Read a password from stdin; without: by a provider alone.")] = True,
) -> None:
    """Let somebody sign in; their password is read from stdin."""
    if not _NAME.fullmatch(name):
        raise InputError("a name has 1 to 64 small letters, digits or . _ @ + - and begins with a letter or digit")
    text = _read_password() if password else None

    async def work(store: Any) -> User:
        hashed = None if text is None else await Passwords().hash(text)
        user = User(user_id=f"usr_{secrets.token_hex(8)}", name=name, role=role, password=hashed, created_ns=now_ns())
        async with store.pool.acquire() as connection, connection.transaction():
            if not await people.add(connection, user):
                raise InputError(f"there is somebody called {name}: see `csx gateway users list`")
            await audit.write(
                connection,
                Act(who=CONSOLE, action="users.create", target=user.user_id, after={"name": name, "role": role}),
            )
        return user

    emit(msgspec.json.encode(_shown(with_store(work))))
    flush()


@app.command(name="list")
def show() -> None:
    """Print everybody."""
    for user in with_store(lambda store: people.page(store.pool, limit=10_000)):
        emit(msgspec.json.encode(_shown(user)))
    flush()


@app.command(name="password")
def change_password(name: _Name) -> None:
    """Give somebody another password, read from stdin; their sessions end."""
    text = _read_password()

    async def change(connection: Any, user: User) -> tuple[Any, Any]:
        await people.set_password(connection, user.user_id, await Passwords().hash(text))
        await people.end_sessions(connection, user.user_id, now_ns(), "password changed")
        return None, {"password": "changed"}

    _change(name, change)


@app.command(name="role")
def change_role(name: _Name, role: Annotated[Role, typer.Argument(help="What they may from now on.")]) -> None:
    """Make somebody a reader, a trader or an administrator; their keys and sessions follow within three seconds."""

    async def change(connection: Any, user: User) -> tuple[Any, Any]:
        await people.set_role(connection, user.user_id, role)
        return {"role": user.role}, {"role": role}

    _change(name, change)


@app.command()
def disable(name: _Name) -> None:
    """Let somebody in no more: their sessions end, their keys open nothing within three seconds."""

    async def change(connection: Any, user: User) -> tuple[Any, Any]:
        await people.set_disabled(connection, user.user_id, now_ns())
        await people.end_sessions(connection, user.user_id, now_ns(), "shut out")
        return {"disabled": not user.active}, {"disabled": True}

    _change(name, change)


@app.command()
def enable(name: _Name) -> None:
    """Let somebody in again."""

    async def change(connection: Any, user: User) -> tuple[Any, Any]:
        await people.set_disabled(connection, user.user_id, None)
        return {"disabled": not user.active}, {"disabled": False}

    _change(name, change)


def _change(name: str, change: Change) -> None:
    async def work(store: Any) -> User:
        async with store.pool.acquire() as connection, connection.transaction():
            user = await people.named(connection, name)
            if user is None or user.user_id == people.LOCAL:
                raise InputError(f"there is nobody called {name}: see `csx gateway users list`")
            before, after = await change(connection, user)
            await audit.write(
                connection, Act(who=CONSOLE, action="users.change", target=user.user_id, before=before, after=after)
            )
            changed = await people.find(connection, user.user_id)
            assert changed is not None, "they were there in this transaction"
            return changed

    emit(msgspec.json.encode(_shown(with_store(work))))
    flush()


def _read_password() -> str:
    text = typer.prompt("Password", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    password = str(text).rstrip("\r\n")
    if len(password) < LEAST:
        raise InputError(f"a password has at least {LEAST} characters; it is read from stdin")
    return password


def _shown(user: User) -> dict[str, Any]:
    return {
        "user_id": user.user_id,
        "name": user.name,
        "role": user.role,
        "signs_in_by": [
            way for way, there in (("password", user.password), ("provider", user.oidc_subject)) if there is not None
        ],
        "created": rfc3339(user.created_ns) if user.created_ns else None,
        "disabled": rfc3339(user.disabled_ns) if user.disabled_ns else None,
    }
