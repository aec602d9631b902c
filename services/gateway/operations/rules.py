"""Operations on rules: what somebody wishes to be told, as a list of one's own and one by one."""

import asyncio
import secrets
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct, structs

from libs.common.events import AlertRule
from services.gateway.access.scopes import Scope
from services.gateway.alerting.wishes import Wish, rule_of
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import Cursor
from services.gateway.operations.operation import JSON, Connection, Example, Operation, Written
from services.gateway.operations.owners import owner_of, reachable
from services.gateway.problems import Problem, field_problem
from services.gateway.schemas.alerts import RuleList, RuleView, for_the_audit, rule_view
from services.gateway.store import alerting
from services.gateway.store.alerting import RuleRow

MOST: Final = 100
"""Rules of one person."""

RuleId: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=200, pattern="^[!-~]+$", description="As `/v1/alerts/rules` lists it")
]
_Limit: TypeAlias = Annotated[int, Meta(ge=1, le=500, description="Rules a page")]
EXAMPLE: Final = "rule_0001"
_WISH: Final[dict[str, JSON]] = {"recipient": "1001", "condition": "abs_score >= 0.6", "symbols": ["BTC-USDT-PERP"]}


class RulesWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which page."""

    cursor: Cursor = None
    limit: _Limit = 100


class OneRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule."""

    rule_id: RuleId


class Replacement(Wish, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a rule is to say from now on, whole."""

    rule_id: RuleId


async def _list(desk: Desk, caller: Caller, wanted: RulesWanted) -> RuleList:
    return await page(desk, caller, wanted, "alerts.rules.list")


async def page(desk: Desk, caller: Caller, wanted: RulesWanted, kind: str, *, of_templates: bool = False) -> RuleList:
    """Return one page of the list `kind`; `of_templates`: of those that were made from one."""
    place = desk.board.place(kind, wanted.cursor, str)
    found = await alerting.rules(
        desk.store.pool,
        owner_of(caller),
        after=None if place is None else place.one(str),
        limit=wanted.limit + 1,
        of_templates=of_templates,
    )
    shown, more = found[: wanted.limit], len(found) > wanted.limit
    return RuleList(
        data=[_view(row) for row in shown],
        has_more=more,
        next_cursor=desk.board.word(kind, shown[-1].rule.rule_id) if more else None,
    )


async def _get(desk: Desk, caller: Caller, wanted: OneRule) -> RuleView:
    row = await alerting.rule(desk.store.pool, owner_of(caller), wanted.rule_id)
    if row is None:
        raise _unknown(wanted.rule_id)
    return _view(row)


async def _create(desk: Desk, caller: Caller, connection: Connection, wish: Wish) -> Written[RuleView]:
    rule = await asyncio.to_thread(rule_of, new_id(desk), wish)
    return await begin(caller, connection, rule)


async def begin(caller: Caller, connection: Connection, rule: AlertRule) -> Written[RuleView]:
    """Take a new rule of the caller.

    Raises:
        Problem: `invalid_body` where its address is none of theirs; `conflict` where they have too many.
    """
    owner = owner_of(caller)
    await reachable(connection, owner, rule.channel, rule.recipient)
    await alerting.lock(connection, owner)
    if await alerting.count(connection, owner) >= MOST:
        raise Problem("conflict", f"you have {MOST} rules, which is the most: delete one first")
    await alerting.say(connection, owner, rule)
    view = rule_view(rule, state="said", fault=None, mine=True)
    return Written(answer=view, target=rule.rule_id, after=for_the_audit(view))


async def _replace(_desk: Desk, caller: Caller, connection: Connection, wanted: Replacement) -> Written[RuleView]:
    before = await _own(caller, connection, wanted.rule_id)
    wish = Wish(**{name: getattr(wanted, name) for name in Wish.__struct_fields__})
    rule = await asyncio.to_thread(rule_of, wanted.rule_id, wish)
    await reachable(connection, owner_of(caller), rule.channel, rule.recipient)
    await alerting.say(connection, owner_of(caller), rule)
    view = rule_view(rule, state="said", fault=None, mine=True)
    return Written(answer=view, target=rule.rule_id, before=for_the_audit(_view(before)), after=for_the_audit(view))


async def delete(_desk: Desk, caller: Caller, connection: Connection, wanted: OneRule) -> Written[None]:
    """Take a rule of the caller away.

    Raises:
        Problem: `not_found`; `conflict` where it was made elsewhere.
    """
    before = await _own(caller, connection, wanted.rule_id)
    await alerting.say(connection, owner_of(caller), structs.replace(before.rule, deleted=True))
    return Written(answer=None, target=wanted.rule_id, before=for_the_audit(_view(before)))


async def _own(caller: Caller, connection: Connection, rule_id: str) -> RuleRow:
    owner = owner_of(caller)
    await alerting.lock(connection, owner)
    row = await alerting.rule(connection, owner, rule_id)
    if row is None:
        raise _unknown(rule_id)
    if row.owner != owner:
        raise Problem("conflict", "this rule was made in the chat that it tells: change it there")
    return row


def new_id(desk: Desk) -> str:
    """Return an id that sorts by the time of its making."""
    return f"rule_{desk.clock() // 1_000_000:012x}{secrets.token_hex(6)}"


def _unknown(rule_id: str) -> Problem:
    return field_problem("not_found", "rule_id", f"you have no rule {rule_id!r}: see /v1/alerts/rules")


def _view(row: RuleRow) -> RuleView:
    return rule_view(row.rule, state=row.state, fault=row.fault, mine=bool(row.owner))


RULES: Final = (
    Operation(
        name="alerts.rules.list",
        method="GET",
        path="/v1/alerts/rules",
        params=RulesWanted,
        answer=RuleList,
        read=_list,
        scope=Scope.ALERTS_READ,
        summary="Your rules",
        detail="By id: those you made here, and those made in a chat whose address is yours. `state` says whether "
        "alerts knows it yet, and `fault` why it does not want it.",
        tag="alerts",
        example=Example({}, given="rule"),
    ),
    Operation(
        name="alerts.rules.get",
        method="GET",
        path="/v1/alerts/rules/{rule_id}",
        params=OneRule,
        answer=RuleView,
        read=_get,
        scope=Scope.ALERTS_READ,
        summary="One rule",
        detail="What it says and how far it got.",
        tag="alerts",
        example=Example({"rule_id": EXAMPLE}, given="rule"),
        problems=("not_found",),
    ),
    Operation(
        name="alerts.rules.create",
        method="POST",
        path="/v1/alerts/rules",
        params=Wish,
        answer=RuleView,
        write=_create,
        scope=Scope.ALERTS_WRITE,
        summary="Make a rule",
        detail="Checked at once: a condition that is none is refused with the column of its fault. It is in force once "
        "`state` is `published`.",
        tag="alerts",
        example=Example({**_WISH}, given="rule"),
        cost=5,
        status=201,
        problems=("conflict", "invalid_body"),
    ),
    Operation(
        name="alerts.rules.replace",
        method="PUT",
        path="/v1/alerts/rules/{rule_id}",
        params=Replacement,
        answer=RuleView,
        write=_replace,
        scope=Scope.ALERTS_WRITE,
        summary="Say a rule anew",
        detail="All of it: what is left out falls back to its default.",
        tag="alerts",
        example=Example({"rule_id": EXAMPLE, **_WISH, "enabled": False}, given="rule"),
        cost=5,
        problems=("not_found", "conflict", "invalid_body"),
    ),
    Operation(
        name="alerts.rules.delete",
        method="DELETE",
        path="/v1/alerts/rules/{rule_id}",
        params=OneRule,
        answer=None,
        write=delete,
        scope=Scope.ALERTS_WRITE,
        summary="Take a rule away",
        detail="What it has already asked for is still delivered.",
        tag="alerts",
        example=Example({"rule_id": EXAMPLE}, given="rule"),
        status=204,
        problems=("not_found", "conflict"),
    ),
)
