"""Operations on people, for who administers them: who there is, what they are, and whether they may come in."""

import secrets
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta, Struct, structs

from services.gateway.access import people
from services.gateway.access.passwords import LEAST, MOST, Passwords
from services.gateway.access.people import User
from services.gateway.access.rotation import within
from services.gateway.access.scopes import ROLES, Role, Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import Cursor
from services.gateway.operations.keys import PLAIN
from services.gateway.operations.operation import FOR_PROGRAMS, Connection, Example, Operation, Written
from services.gateway.problems import Problem, field_problem
from services.gateway.schemas.keys import UserList, UserView, user_view
from services.gateway.store import alerting

EXAMPLE: Final = "usr_0001"

_PASSWORDS: Final = Passwords()
_PAGE: Final = 500

_UserId: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9_.-]+$(?!\\n)", description="As `/v1/users` lists it")
]


class UsersWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which page."""

    cursor: Cursor = None
    limit: Annotated[int, Meta(ge=1, le=500, description="People a page")] = 100


class OneUser(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One person."""

    user_id: _UserId


class NewUser(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is to be let in."""

    name: Annotated[
        str, Meta(min_length=1, max_length=80, pattern=PLAIN, description="What they sign in as, in small letters")
    ]
    role: Annotated[Role, Meta(description="What they may")] = Role.READER
    password: Annotated[
        Annotated[str, Meta(min_length=LEAST, max_length=MOST)] | None,
        Meta(description="Kept as an Argon2id hash; without it no password signs them in"),
    ] = None


class UserChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to change; an absent field stays as it is."""

    user_id: _UserId
    role: Annotated[Role | None, Meta(description="What they may from now on")] = None
    disabled: Annotated[bool | None, Meta(description="True: shut out, keys and sessions with them")] = None
    password: Annotated[
        Annotated[str, Meta(min_length=LEAST, max_length=MOST)] | None,
        Meta(description="A new password; ends their sessions"),
    ] = None


async def _list(desk: Desk, _caller: Caller, wanted: UsersWanted) -> UserList:
    place = desk.board.place("users.list", wanted.cursor, str)
    after = None if place is None else place.one(str)
    found = await people.page(desk.store.pool, after=after, limit=wanted.limit + 1)
    shown, more = found[: wanted.limit], len(found) > wanted.limit
    return UserList(
        data=[user_view(user) for user in shown],
        has_more=more,
        next_cursor=desk.board.word("users.list", shown[-1].user_id) if more else None,
    )


async def _get(desk: Desk, _caller: Caller, wanted: OneUser) -> UserView:
    return user_view(_there(wanted.user_id, await people.find(desk.store.pool, wanted.user_id)))


async def _create(desk: Desk, caller: Caller, connection: Connection, wish: NewUser) -> Written[UserView]:
    within(caller.principal, ROLES[wish.role])
    user = User(
        user_id=f"usr_{desk.clock() // 1_000_000:012x}{secrets.token_hex(6)}",
        name=wish.name.strip().lower(),
        role=wish.role,
        password=None if wish.password is None else await _PASSWORDS.hash(wish.password),
        created_ns=desk.clock(),
    )
    if not await people.add(connection, user):
        raise field_problem("conflict", "name", "somebody has this name already")
    view = user_view(user)
    return Written(answer=view, target=user.user_id, after=view)


async def _change(desk: Desk, caller: Caller, connection: Connection, wish: UserChange) -> Written[UserView]:
    user = await _to_change(caller, connection, wish.user_id)
    now, before, reasons = desk.clock(), user_view(user), []
    if wish.role is not None and wish.role is not user.role:
        within(caller.principal, ROLES[wish.role])
        await people.set_role(connection, user.user_id, wish.role)
        user = structs.replace(user, role=wish.role)
    if wish.disabled is not None and wish.disabled is user.active:
        await people.set_disabled(connection, user.user_id, now if wish.disabled else None)
        user = structs.replace(user, disabled_ns=now if wish.disabled else None)
        reasons += ["disabled"] if wish.disabled else []
    if wish.password is not None:
        stored = await _PASSWORDS.hash(wish.password)
        await people.set_password(connection, user.user_id, stored)
        user = structs.replace(user, password=stored)
        reasons.append("password changed")
    await _somebody_administers(connection, before)
    ended = await people.end_sessions(connection, user.user_id, now, reasons[0]) if reasons else []
    after = user_view(user)
    return Written(answer=after, target=user.user_id, before=before, after=after, void=("", *ended))


async def _delete(desk: Desk, caller: Caller, connection: Connection, wanted: OneUser) -> Written[None]:
    user = await _to_change(caller, connection, wanted.user_id)
    ended = await people.end_sessions(connection, user.user_id, desk.clock(), "deleted")
    await _take_rules_away(connection, user.user_id)
    await people.delete(connection, user.user_id)
    await _somebody_administers(connection, user_view(user))
    return Written(answer=None, target=user.user_id, before=user_view(user), void=("", *ended))


async def _to_change(caller: Caller, connection: Connection, user_id: str) -> User:
    """Return a person whom the caller may change: who may less than them may not, or could become them."""
    await people.find(connection, people.LOCAL, lock=True)  # of two that take each other's role, one waits
    user = _there(user_id, await people.find(connection, user_id, lock=True))
    if user.user_id == people.LOCAL:
        raise Problem("conflict", "the owner of this machine's keys stays as it is")
    within(caller.principal, ROLES[user.role])
    return user


async def _somebody_administers(connection: Connection, before: UserView) -> None:
    if before.role is Role.ADMIN and await people.admins(connection) == 0:
        raise Problem("conflict", "nobody would administer any more: make another administrator first")


async def _take_rules_away(connection: Connection, owner: str) -> None:
    after: str | None = None
    while found := await alerting.rules(connection, owner, after=after, limit=_PAGE, of_templates=False):
        for row in found:
            if row.owner == owner:  # others that tell them were made elsewhere
                await alerting.say(connection, owner, structs.replace(row.rule, deleted=True))
        after = found[-1].rule.rule_id


def _there(user_id: str, user: User | None) -> User:
    if user is None:
        raise field_problem("not_found", "user_id", f"there is nobody called {user_id}: see /v1/users")
    return user


_SHARED: Final[dict[str, Any]] = {"scope": Scope.ADMIN_USERS, "tag": "people", "surfaces": FOR_PROGRAMS}

USERS: Final = (
    Operation(
        name="users.list",
        method="GET",
        path="/v1/users",
        params=UsersWanted,
        answer=UserList,
        read=_list,
        summary="Everybody there is",
        detail="By id. `local` owns the keys that the command line makes, and cannot sign in.",
        example=Example({"limit": 10}, given="user"),
        cost=2,
        **_SHARED,
    ),
    Operation(
        name="users.get",
        method="GET",
        path="/v1/users/{user_id}",
        params=OneUser,
        answer=UserView,
        read=_get,
        summary="One person",
        detail="Their role, and how they sign in; never a password or its hash.",
        example=Example({"user_id": EXAMPLE}, given="user"),
        problems=("not_found",),
        **_SHARED,
    ),
    Operation(
        name="users.create",
        method="POST",
        path="/v1/users",
        params=NewUser,
        answer=UserView,
        write=_create,
        summary="Let somebody in",
        detail="With a role that holds nothing the caller has not.",
        example=Example({"name": "ada", "role": "reader"}),
        cost=5,
        status=201,
        problems=("conflict",),
        **_SHARED,
    ),
    Operation(
        name="users.change",
        method="PATCH",
        path="/v1/users/{user_id}",
        params=UserChange,
        answer=UserView,
        write=_change,
        summary="Change what somebody may",
        detail="Within five seconds their keys, sessions and open streams follow.",
        example=Example({"user_id": EXAMPLE, "role": "trader"}, given="user"),
        cost=5,
        problems=("not_found", "conflict"),
        **_SHARED,
    ),
    Operation(
        name="users.delete",
        method="DELETE",
        path="/v1/users/{user_id}",
        params=OneUser,
        answer=None,
        write=_delete,
        summary="Forget somebody",
        detail="Their keys, sessions and addresses go with them; the audit keeps what they did.",
        example=Example({"user_id": EXAMPLE}, given="user"),
        cost=5,
        status=204,
        problems=("not_found", "conflict"),
        **_SHARED,
    ),
)
