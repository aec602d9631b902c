"""Whose something is: the owner of a call, and the addresses that rules of theirs may tell."""

from services.gateway.alerting.reaching import check_address
from services.gateway.operations.desk import Caller
from services.gateway.operations.operation import Connection
from services.gateway.problems import Problem, field_problem
from services.gateway.store import alerting


def owner_of(caller: Caller) -> str:
    """Return the user whose credential this is.

    Raises:
        Problem: `forbidden`; it is nobody's.
    """
    if not caller.principal.subject:
        raise Problem("forbidden", "this needs a key or a session of a person")
    return caller.principal.subject


async def reachable(connection: Connection, owner: str, channel: str, recipient: str) -> None:
    """Let pass an approved address of `owner` that could be reached by today's rules.

    Raises:
        Problem: `invalid_body` for the field at fault.
    """
    check_address(channel, recipient)
    known = await alerting.recipient(connection, owner, channel, recipient)
    if known is None:
        raise field_problem("invalid_body", "recipient", "is none of yours: add it at /v1/alerts/recipients")
    if known.approved_ns is None:
        raise field_problem("invalid_body", "recipient", "waits for the approval of an administrator")
