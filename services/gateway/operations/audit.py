"""Operations on the audit: what was done, by whom; and whether the chain of it is whole."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from services.gateway.access import audit
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import Cursor, Nanos
from services.gateway.operations.operation import FOR_PROGRAMS, Example, Operation
from services.gateway.schemas.keys import AuditList, ChainState, audit_view

_Text = Annotated[str, Meta(max_length=256)]


class RecordsWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which records."""

    actor: Annotated[_Text | None, Meta(description="A user's id")] = None
    action: Annotated[_Text | None, Meta(description="An operation's name: `keys.create`")] = None
    target: Annotated[_Text | None, Meta(description="What it was done to: an id")] = None
    from_ns: Nanos = None
    to_ns: Nanos = None
    cursor: Cursor = None
    limit: Annotated[int, Meta(ge=1, le=500, description="Records a page")] = 100


class Check(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the chain is compared with."""

    expect: Annotated[
        Annotated[str, Meta(pattern="^[0-9a-f]{64}$", min_length=64, max_length=64)] | None,
        Meta(description="A `head` noted earlier, elsewhere: tells whether it still stands in the chain"),
    ] = None


async def _list(desk: Desk, _caller: Caller, wanted: RecordsWanted) -> AuditList:
    place = desk.board.place("audit.list", wanted.cursor, int)
    which = audit.Wanted(
        actor=_plain(wanted.actor),
        action=_plain(wanted.action),
        target=_plain(wanted.target),
        from_ns=wanted.from_ns,
        to_ns=wanted.to_ns,
    )
    before = None if place is None else place.one(int)
    found = await audit.newest(desk.store.pool, which, before_seq=before, limit=wanted.limit + 1)
    shown, more = found[: wanted.limit], len(found) > wanted.limit
    return AuditList(
        data=[audit_view(record) for record in shown],
        has_more=more,
        next_cursor=desk.board.word("audit.list", shown[-1].seq) if more else None,
    )


async def _verify(desk: Desk, _caller: Caller, wanted: Check) -> ChainState:
    return state_of(
        await audit.verify(desk.store.pool, expect=None if wanted.expect is None else bytes.fromhex(wanted.expect))
    )


def state_of(found: audit.Verdict) -> ChainState:
    """Return what a walk over the chain found, for people."""
    return ChainState(
        intact=found.fault is None and found.met is not False,
        first_seq=found.first_seq,
        last_seq=found.last_seq,
        head=found.hash.hex(),
        broken_seq=None if found.fault is None else found.fault.seq,
        cause=None if found.fault is None else found.fault.cause,
        expected_stands=found.met,
    )


def _plain(text: str | None) -> str | None:
    return None if text is None else audit.plain(text)


AUDIT: Final = (
    Operation(
        name="audit.list",
        method="GET",
        path="/v1/audit",
        params=RecordsWanted,
        answer=AuditList,
        read=_list,
        scope=Scope.ADMIN_AUDIT,
        summary="Who changed what, newest first",
        detail="Every write and every act of administration, with what it changed; kept for a year. Nothing of it can "
        "be altered without breaking the chain of hashes: see `audit.verify`.",
        tag="audit",
        surfaces=FOR_PROGRAMS,
        example=Example({"limit": 10}, given="key"),
        cost=5,
    ),
    Operation(
        name="audit.verify",
        method="GET",
        path="/v1/audit/chain",
        params=Check,
        answer=ChainState,
        read=_verify,
        scope=Scope.ADMIN_AUDIT,
        summary="Whether the audit is whole",
        detail="Walks the whole chain and names the first record at fault. Whoever owns the database could write a new "
        "chain: note `head` elsewhere now and then, and send it as `expect` later.",
        tag="audit",
        surfaces=FOR_PROGRAMS,
        example=Example({}, given="key"),
        cost=50,
        timeout_s=18.0,
    ),
)
