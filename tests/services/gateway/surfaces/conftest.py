"""A key that may do everything, for walks over all operations."""

import pytest

from services.gateway.access.keys import mint
from services.gateway.access.scopes import GRANTABLE


@pytest.fixture
async def everything(gateway) -> dict[str, str]:
    """Return the headers of such a key."""
    key = mint("everything", sorted(GRANTABLE))
    await gateway.store.add_key(key.row)
    return {"Authorization": f"Bearer {key.text}"}
