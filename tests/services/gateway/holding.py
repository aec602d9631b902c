"""Keys for tests: a person of a role, and clients that hold a key of theirs."""

import secrets
from typing import Any

import httpx
from msgspec import structs

from services.gateway.access import people
from services.gateway.access.keys import KeyRow, mint
from services.gateway.access.people import User
from services.gateway.access.scopes import ROLES, Role, Scope


async def person(gateway: Any, role: Role = Role.READER, name: str = "") -> User:
    """Add somebody."""
    word = secrets.token_hex(6)
    user = User(user_id=f"usr_{word}", name=name or word, role=role, created_ns=1)
    assert await people.add(gateway.store.pool, user)
    return user


async def key_of(gateway: Any, owner: str, *scopes: Scope | str, **more: Any) -> tuple[str, KeyRow]:
    """Add a key of somebody; with every scope of an administrator where none is named."""
    made = mint("test", [str(one) for one in scopes or sorted(ROLES[Role.ADMIN])], at_ns=gateway.clock())
    row = structs.replace(made.row, owner=owner, **more)
    await gateway.store.add_key(row)
    return made.text, row


async def holder(gateway: Any, role: Role = Role.ADMIN, *scopes: Scope | str, **more: Any) -> httpx.AsyncClient:
    """Return a client with a key of somebody new."""
    user = await person(gateway, role)
    text, _ = await key_of(gateway, user.user_id, *scopes, **more)
    client: httpx.AsyncClient = gateway.client(Authorization=f"Bearer {text}")
    return client
