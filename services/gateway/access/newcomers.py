"""People whom a provider names: who is known by that name there, or a new person who may read."""

import re
import secrets
from typing import Any, Final

from services.gateway.access import people
from services.gateway.access.oidc import Identity
from services.gateway.access.people import User
from services.gateway.access.scopes import Role
from services.gateway.problems import Problem

_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9._@+-]+")
_LONGEST: Final = 48
_TRIES: Final = 3


async def person_of(connection: Any, identity: Identity, *, at_ns: int) -> tuple[User, bool]:
    """Return who an identity is here, and whether they are new; their role follows the provider's word.

    An administrator stays one: what made them one was done here, and is undone here.

    Raises:
        Problem: no name could be found for them.
    """
    known = await people.known_elsewhere(connection, identity.issuer, identity.subject)
    if known is not None:
        if known.role not in {Role.ADMIN, identity.role}:
            await people.set_role(connection, known.user_id, identity.role)
        return known, False
    for attempt in range(_TRIES):
        user = User(
            user_id=f"usr_{secrets.token_hex(8)}",
            name=_name(identity, chance=attempt > 0),
            role=identity.role,
            oidc_issuer=identity.issuer,
            oidc_subject=identity.subject,
            created_ns=at_ns,
        )
        if await people.add(connection, user):
            return user, True
        # another tab came first, or somebody else has this name
        if (known := await people.known_elsewhere(connection, identity.issuer, identity.subject)) is not None:
            return known, False
    raise Problem("conflict", "there is somebody of this name already; try again")


def _name(identity: Identity, *, chance: bool) -> str:
    said = _NOT_IN_NAMES.sub("-", identity.name.lower()).strip("-._@+")[:_LONGEST] or "person"
    return f"{said}-{secrets.token_hex(3)}" if chance else said
