"""Operations on API keys: one's own, and everybody's for who administers them."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct, structs

from services.gateway.access import people, rotation, usage
from services.gateway.access.keys import KeyRow, NewKey
from services.gateway.access.scopes import GRANTABLE, Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import Cursor, Nanos
from services.gateway.operations.operation import FOR_PROGRAMS, Connection, Example, Operation, Written
from services.gateway.operations.owners import owner_of
from services.gateway.problems import Problem, field_problem
from services.gateway.schemas.keys import KeyList, KeySecret, KeyUsage, KeyView, UsageHour, key_view
from services.gateway.schemas.times import rfc3339
from services.gateway.store import keys

PLAIN: Final = "^[^\\x00-\\x1f\\x7f]+$(?!\\n)"
"""One line of text."""
EXAMPLE: Final = "Ex4mpleKey"

_DAY_NS: Final = 86_400 * 1_000_000_000
_LONGEST_NS: Final = 31 * _DAY_NS
_ROWS: Final = 5_000

_KeyId: TypeAlias = Annotated[
    str, Meta(min_length=10, max_length=10, pattern="^[0-9A-Za-z]{10}$", description="As `/v1/keys` lists it")
]


class KeysWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which keys."""

    owner: Annotated[
        Annotated[str, Meta(max_length=128, pattern="^[A-Za-z0-9_.-]+$(?!\\n)")] | None,
        Meta(description="A user's id, or `all`; needs the scope `admin:keys`. Without it: one's own"),
    ] = None
    cursor: Cursor = None
    limit: Annotated[int, Meta(ge=1, le=500, description="Keys a page")] = 100


class OneKey(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One key."""

    key_id: _KeyId


class KeyWish(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a new key is to be."""

    name: Annotated[str, Meta(min_length=1, max_length=80, pattern=PLAIN, description="What it is for")]
    scopes: Annotated[
        Annotated[list[Scope], Meta(min_length=1, max_length=20)],
        Meta(description="What it may; nothing that your own credential may not"),
    ]
    expires_in_days: Annotated[int, Meta(ge=1, le=rotation.MOST_DAYS, description="It ends by itself")] = (
        rotation.USUAL_DAYS
    )
    limits: Annotated[
        Annotated[str, Meta(max_length=40)] | None, Meta(description="A row of the limits: `standard`, `wide`")
    ] = None
    quota_day: Annotated[
        Annotated[int, Meta(ge=1, le=10**12)] | None, Meta(description="What the calls of a day may cost together")
    ] = None


class Turn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a key is to be followed by another."""

    key_id: _KeyId
    overlap_s: Annotated[
        int,
        Meta(ge=0, le=rotation.MOST_OVERLAP_S, description="Seconds that the old key still opens; 0: it is revoked"),
    ] = rotation.USUAL_OVERLAP_S


class UsageWanted(OneKey, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of a key's use, 31 days at most."""

    from_ns: Nanos = None
    to_ns: Nanos = None


async def _list(desk: Desk, caller: Caller, wanted: KeysWanted) -> KeyList:
    owner: str | None = owner_of(caller)
    if wanted.owner is not None and wanted.owner != owner:
        if not caller.principal.may(Scope.ADMIN_KEYS):
            raise Problem("forbidden", f"keys of others need the scope {Scope.ADMIN_KEYS}")
        owner = None if wanted.owner == "all" else wanted.owner
    place = desk.board.place("keys.list", wanted.cursor, int, str)
    after = None if place is None else place.two(int, str)
    found = await keys.page(desk.store.pool, owner, after=after, limit=wanted.limit + 1)
    shown, more = found[: wanted.limit], len(found) > wanted.limit
    now = desk.clock()
    return KeyList(
        data=[key_view(row, now) for row in shown],
        has_more=more,
        next_cursor=desk.board.word("keys.list", shown[-1].created_ns, shown[-1].key_id) if more else None,
    )


async def _get(desk: Desk, caller: Caller, wanted: OneKey) -> KeyView:
    return key_view(_own(caller, wanted.key_id, await keys.find(desk.store.pool, wanted.key_id)), desk.clock())


async def _create(desk: Desk, caller: Caller, connection: Connection, wish: KeyWish) -> Written[KeySecret]:
    owner = owner_of(caller)
    if common := sorted(set(wish.scopes) - GRANTABLE):
        raise field_problem("invalid_body", "scopes", f"{', '.join(common)}: is everybody's, and not given")
    now = desk.clock()
    grant = rotation.Grant(
        name=wish.name,
        scopes=tuple(dict.fromkeys(wish.scopes)),
        days=wish.expires_in_days,
        limits=wish.limits,
        quota_day=wish.quota_day,
    )
    key = rotation.give(caller.principal, grant, now)
    if await people.find(connection, owner, lock=True) is None:  # of two at once, the second waits and counts both
        raise Problem("forbidden", "the owner of your credential is gone")
    if await keys.living(connection, owner, now) >= rotation.MOST_KEYS:
        raise Problem("conflict", f"you have {rotation.MOST_KEYS} keys, which is the most: revoke one first")
    await keys.add(connection, key.row)
    return _made(key, now)


async def _rotate(desk: Desk, caller: Caller, connection: Connection, wanted: Turn) -> Written[KeySecret]:
    now = desk.clock()
    row = _own(caller, wanted.key_id, await keys.find(connection, wanted.key_id, lock=True))
    key = rotation.follow(caller.principal, row, now)
    await keys.add(connection, key.row)
    await keys.follow(connection, row.key_id, key.row.key_id, now + wanted.overlap_s * 1_000_000_000)
    if wanted.overlap_s == 0:
        await keys.revoke(connection, row.key_id, now)
    made = _made(key, now)
    return structs.replace(made, target=row.key_id, before=key_view(row, now), void=(row.key_id,))


async def _revoke(desk: Desk, caller: Caller, connection: Connection, wanted: OneKey) -> Written[KeyView]:
    now = desk.clock()
    row = _own(caller, wanted.key_id, await keys.find(connection, wanted.key_id, lock=True))
    await keys.revoke(connection, row.key_id, now)
    after = key_view(structs.replace(row, revoked_ns=row.revoked_ns or now), now)
    return Written(answer=after, target=row.key_id, before=key_view(row, now), after=after, void=(row.key_id,))


async def _usage(desk: Desk, caller: Caller, wanted: UsageWanted) -> KeyUsage:
    _own(caller, wanted.key_id, await keys.find(desk.store.pool, wanted.key_id))
    to_ns = desk.clock() + 1 if wanted.to_ns is None else wanted.to_ns
    from_ns = max(0, to_ns - _DAY_NS) if wanted.from_ns is None else wanted.from_ns
    if to_ns - from_ns > _LONGEST_NS:
        raise field_problem("invalid_parameter", "from_ns", "the range is 31 days at most")
    found = await usage.of_key(desk.store.pool, wanted.key_id, from_ns, to_ns, limit=_ROWS + 1)
    shown = found[:_ROWS]
    return KeyUsage(
        key_id=wanted.key_id,
        from_ns=from_ns,
        to_ns=to_ns,
        calls=sum(row.n for row in shown),
        cost=sum(row.cost for row in shown),
        data=[
            UsageHour(
                hour_ns=row.hour_ns,
                hour=rfc3339(row.hour_ns),
                operation=row.operation,
                status_class=row.status_class,  # type: ignore[arg-type]  # `Usage.count` writes 2 to 5
                calls=row.n,
                cost=row.cost,
            )
            for row in shown
        ],
        complete=len(found) <= _ROWS,
    )


def _own(caller: Caller, key_id: str, row: KeyRow | None) -> KeyRow:
    """Return a key that the caller may touch; another's is as little there as none."""
    if row is None or not (row.owner == owner_of(caller) or caller.principal.may(Scope.ADMIN_KEYS)):
        raise field_problem("not_found", "key_id", f"you have no key {key_id}: see /v1/keys")
    return row


def _made(key: NewKey, now_ns: int) -> Written[KeySecret]:
    view = key_view(key.row, now_ns)
    return Written(answer=KeySecret(secret=key.text, key=view), target=key.row.key_id, after=view)


KEYS: Final = (
    Operation(
        name="keys.list",
        method="GET",
        path="/v1/keys",
        params=KeysWanted,
        answer=KeyList,
        read=_list,
        scope=Scope.KEYS,
        summary="API keys, newest first",
        detail="One's own; with `owner` those of another. No list holds secrets: a key is shown once, when it is made.",
        tag="keys",
        surfaces=FOR_PROGRAMS,
        example=Example({"limit": 10}, given="key"),
        cost=2,
    ),
    Operation(
        name="keys.get",
        method="GET",
        path="/v1/keys/{key_id}",
        params=OneKey,
        answer=KeyView,
        read=_get,
        scope=Scope.KEYS,
        summary="One API key",
        detail="What it may, its state, its end, and when it was last used.",
        tag="keys",
        surfaces=FOR_PROGRAMS,
        example=Example({"key_id": EXAMPLE}, given="key"),
        problems=("not_found",),
    ),
    Operation(
        name="keys.create",
        method="POST",
        path="/v1/keys",
        params=KeyWish,
        answer=KeySecret,
        write=_create,
        scope=Scope.KEYS,
        summary="Make an API key",
        detail="The answer holds the key itself, this once. It may nothing that the credential you ask with may not, "
        "and ends by itself. Only its hash is stored.",
        tag="keys",
        surfaces=FOR_PROGRAMS,
        example=Example({"name": "desk", "scopes": ["read:market", "read:signals"], "expires_in_days": 30}),
        cost=5,
        secret_reply=True,
        status=201,
        problems=("conflict",),
    ),
    Operation(
        name="keys.rotate",
        method="POST",
        path="/v1/keys/{key_id}/rotate",
        params=Turn,
        answer=KeySecret,
        write=_rotate,
        scope=Scope.KEYS,
        summary="Let another key follow",
        detail="Name, scopes, limits and length of life are carried over. The old key opens until the overlap ends.",
        tag="keys",
        surfaces=FOR_PROGRAMS,
        example=Example({"key_id": EXAMPLE, "overlap_s": 3600}, given="key"),
        cost=5,
        secret_reply=True,
        status=201,
        problems=("not_found", "conflict"),
    ),
    Operation(
        name="keys.revoke",
        method="DELETE",
        path="/v1/keys/{key_id}",
        params=OneKey,
        answer=KeyView,
        write=_revoke,
        scope=Scope.KEYS,
        summary="Make an API key void",
        detail="Within five seconds on every replica, open streams included. Doing it again changes nothing.",
        tag="keys",
        surfaces=FOR_PROGRAMS,
        example=Example({"key_id": EXAMPLE}, given="key"),
        problems=("not_found",),
    ),
    Operation(
        name="keys.usage",
        method="GET",
        path="/v1/keys/{key_id}/usage",
        params=UsageWanted,
        answer=KeyUsage,
        read=_usage,
        scope=Scope.KEYS,
        summary="What an API key was used for",
        detail="Calls and their cost by hour, operation and outcome, newest first; the last day, where no range is "
        "given. Kept for ninety days; at most a minute old.",
        tag="keys",
        surfaces=FOR_PROGRAMS,
        example=Example({"key_id": EXAMPLE}, given="key"),
        cost=2,
        problems=("not_found",),
    ),
)
