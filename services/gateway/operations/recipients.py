"""Operations on recipients: the addresses that rules of somebody may tell, and who approved them."""

from typing import Annotated, Final

from msgspec import Meta, Struct, structs

from services.gateway.access.scopes import Scope
from services.gateway.alerting.reaching import TELEGRAM, check_address
from services.gateway.alerting.wishes import Address, ChannelName
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Connection, Example, Operation, Written
from services.gateway.operations.owners import owner_of
from services.gateway.problems import Problem, field_problem
from services.gateway.schemas.alerts import RecipientList, RecipientView, for_the_audit, public_address, recipient_view
from services.gateway.store import alerting
from services.gateway.store.alerting import RecipientRow

MOST: Final = 20
"""Addresses of one person."""
_SHOWN: Final = 500


class RecipientsWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose."""

    everyone: Annotated[bool, Meta(description="Of all people; for administrators of users")] = False


class NewRecipient(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An address."""

    recipient: Address
    channel: ChannelName = "telegram"


class Approval(NewRecipient, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose address is approved."""

    owner: Annotated[str, Meta(min_length=1, max_length=128, pattern="^[!-~]+$", description="The user's id")]


async def _list(desk: Desk, caller: Caller, wanted: RecipientsWanted) -> RecipientList:
    if wanted.everyone and not caller.principal.may(Scope.ADMIN_USERS):
        raise Problem("forbidden", f"everyone's addresses need the scope {Scope.ADMIN_USERS}")
    rows = await alerting.recipients(desk.store.pool, owner_of(caller), everyone=wanted.everyone, limit=_SHOWN + 1)
    return RecipientList(data=[_view(row) for row in rows[:_SHOWN]], has_more=len(rows) > _SHOWN)


async def _add(desk: Desk, caller: Caller, connection: Connection, wanted: NewRecipient) -> Written[RecipientView]:
    owner = owner_of(caller)
    check_address(wanted.channel, wanted.recipient)
    await alerting.lock(connection, owner)
    known = await alerting.recipients(connection, owner, everyone=False, limit=MOST + 1)
    if len(known) >= MOST and not any(
        (one.channel, one.recipient) == (wanted.channel, wanted.recipient) for one in known
    ):
        raise Problem("conflict", f"you have {MOST} addresses, which is the most: delete one first")
    at_ns = desk.clock()
    free = wanted.channel != TELEGRAM or wanted.recipient in desk.chats or caller.principal.may(Scope.ADMIN_USERS)
    row = await alerting.add_recipient(
        connection,
        RecipientRow(
            owner=owner,
            channel=wanted.channel,
            recipient=wanted.recipient,
            created_ns=at_ns,
            approved_ns=at_ns if free else None,
        ),
    )
    return Written(answer=_view(row), target=_target(wanted), after=for_the_audit(_view(row)))


async def _approve(desk: Desk, _caller: Caller, connection: Connection, wanted: Approval) -> Written[RecipientView]:
    before = await _known(connection, wanted.owner, wanted)
    row = await alerting.add_recipient(connection, structs.replace(before, approved_ns=desk.clock()))
    return Written(
        answer=_view(row),
        target=f"{wanted.owner} {_target(wanted)}",
        before=for_the_audit(_view(before)),
        after=for_the_audit(_view(row)),
    )


async def _delete(_desk: Desk, caller: Caller, connection: Connection, wanted: NewRecipient) -> Written[None]:
    owner = owner_of(caller)
    await alerting.lock(connection, owner)
    before = await _known(connection, owner, wanted)
    if rules := await alerting.uses(connection, owner, wanted.channel, wanted.recipient):
        raise Problem("conflict", f"{rules} of your rules tell this address: delete them first")
    await alerting.drop_recipient(connection, owner, wanted.channel, wanted.recipient)
    return Written(answer=None, target=_target(wanted), before=for_the_audit(_view(before)))


async def _known(connection: Connection, owner: str, wanted: NewRecipient) -> RecipientRow:
    row = await alerting.recipient(connection, owner, wanted.channel, wanted.recipient)
    if row is None:
        raise field_problem("not_found", "recipient", "there is no such address: see /v1/alerts/recipients")
    return row


def _target(wanted: NewRecipient) -> str:
    return f"{wanted.channel}:{public_address(wanted.channel, wanted.recipient)}"


def _view(row: RecipientRow) -> RecipientView:
    return recipient_view(**structs.asdict(row))


RECIPIENTS: Final = (
    Operation(
        name="alerts.recipients.list",
        method="GET",
        path="/v1/alerts/recipients",
        params=RecipientsWanted,
        answer=RecipientList,
        read=_list,
        scope=Scope.ALERTS_READ,
        summary="Addresses that your rules may tell",
        detail="By channel and address; a rule may tell one that is approved.",
        tag="alerts",
        example=Example({}, given="rule"),
    ),
    Operation(
        name="alerts.recipients.create",
        method="POST",
        path="/v1/alerts/recipients",
        params=NewRecipient,
        answer=RecipientView,
        write=_add,
        scope=Scope.ALERTS_WRITE,
        summary="Name an address as yours",
        detail="A webhook is https on port 443 of a name in the public internet, and holds at once; a Telegram chat "
        "waits for an administrator, unless the settings name it. Naming it again changes nothing.",
        tag="alerts",
        example=Example({"channel": "webhook", "recipient": "https://hooks.example.com/csx"}, given="rule"),
        cost=5,
        status=201,
        problems=("conflict", "invalid_body"),
    ),
    Operation(
        name="alerts.recipients.approve",
        method="POST",
        path="/v1/alerts/recipients/approve",
        params=Approval,
        answer=RecipientView,
        write=_approve,
        scope=Scope.ADMIN_USERS,
        summary="Approve somebody's address",
        detail="From then on rules of theirs may tell it.",
        tag="alerts",
        example=Example({"owner": "local", "recipient": "1001"}, given="rule"),
        problems=("not_found",),
    ),
    Operation(
        name="alerts.recipients.delete",
        method="POST",
        path="/v1/alerts/recipients/delete",
        params=NewRecipient,
        answer=None,
        write=_delete,
        scope=Scope.ALERTS_WRITE,
        summary="Forget an address of yours",
        detail="Refused while a rule of yours tells it. The address is in the body: it may hold a secret.",
        tag="alerts",
        example=Example({"channel": "webhook", "recipient": "https://unused.example.com/csx"}, given="rule"),
        status=204,
        problems=("not_found", "conflict"),
    ),
)
