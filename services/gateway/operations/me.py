"""Who asks, as the gateway sees it."""

from typing import Final

from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import FOR_PROGRAMS, Example, Nothing, Operation
from services.gateway.schemas.keys import Me
from services.gateway.schemas.times import rfc3339


async def _me(_desk: Desk, caller: Caller, _wanted: Nothing) -> Me:
    principal = caller.principal
    return Me(
        way=str(principal.way),
        subject=principal.subject,
        name=principal.name,
        credential=principal.credential,
        role=principal.role if principal.subject else None,
        scopes=sorted(principal.scopes),
        ends_ns=principal.expires_ns,
        ends=None if principal.expires_ns is None else rfc3339(principal.expires_ns),
        limits=principal.limits,
        quota_day=principal.quota_day,
    )


ME: Final = (
    Operation(
        name="me.get",
        method="GET",
        path="/v1/me",
        params=Nothing,
        answer=Me,
        read=_me,
        scope=Scope.SIGNED_IN,
        summary="Who you are here",
        detail="The user, the credential and what it may.",
        tag="keys",
        surfaces=FOR_PROGRAMS,
        example=Example({}),
    ),
)
